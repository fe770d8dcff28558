// All items of a job by index, as cells; each cell stands for one item or for many. Chosen by mouse or keys, zoomed by Enter.

const ROWS = 12;
const CELL_PX = 12; // of many; few are drawn larger
const LARGER_PX = [28, 22, 16], LARGER_ROWS = 3;

function colours(canvas) {
  const style = getComputedStyle(canvas);
  return Object.fromEntries(["none", "ok", "bad", "retried", "wait", "text"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/** `onPick(from, to)`: the items of a cell were chosen; `onBack`: all are wanted; `onHover(from, to, cell)`: they are pointed at. */
export class Grid {
  constructor(canvas, onPick, onBack, onHover) {
    Object.assign(this, { canvas, onPick, onBack, onHover, chosen: 0, isPointed: false, grid: null, px: CELL_PX, running: [] });
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.addEventListener("mousemove", (event) => { this.isPointed = true; this.choose(this.cellAt(event)); });
    canvas.addEventListener("mouseleave", () => { this.isPointed = false; if (this.grid) this.draw(); });
    for (const what of ["focus", "blur"]) canvas.addEventListener(what, () => { if (this.grid) this.draw(); });
    canvas.addEventListener("click", (event) => { this.choose(this.cellAt(event)); this.pick(); });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  get columns() {
    return Math.max(1, Math.floor(this.canvas.clientWidth / this.px));
  }

  /** How many cells there is room for. */
  get room() {
    return Math.min(4096, Math.max(1, Math.floor(this.canvas.clientWidth / CELL_PX)) * ROWS);
  }

  cellAt(event) {
    const box = this.canvas.getBoundingClientRect();
    return Math.floor((event.clientY - box.top) / this.px) * this.columns + Math.floor((event.clientX - box.left) / this.px);
  }

  range(cell) {
    const from = this.grid.from + cell * this.grid.width;
    return [from, Math.min(from + this.grid.width, this.grid.to)];
  }

  choose(cell) {
    if (!this.grid || cell < 0 || cell >= this.grid.cells.length) return;
    this.chosen = cell;
    this.onHover(...this.range(cell), this.grid.cells[cell]);
    this.draw();
  }

  pick() {
    if (this.grid && this.chosen < this.grid.cells.length) this.onPick(...this.range(this.chosen));
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns }[event.key];
    if (step) this.choose(this.chosen + step);
    else if (event.key === "Enter") this.pick();
    else if (event.key === "Escape") this.onBack();
    else return;
    event.preventDefault();
  }

  /** `running`: indexes. */
  show(grid, running = []) {
    this.grid = grid;
    this.running = running;
    this.chosen = Math.min(this.chosen, Math.max(0, grid.cells.length - 1));
    this.draw();
  }

  cell([done, retried, failed], i, colour, context) {
    const x = (i % this.columns) * this.px + 1, y = Math.floor(i / this.columns) * this.px + 1;
    const [from, to] = this.range(i);
    const size = this.px - 2;
    const rise = (n, least) => (n > 0 ? Math.max(least, Math.ceil((size * n) / (to - from))) : 0);
    const draw = (height, of) => { context.fillStyle = of; context.fillRect(x, y + size - height, size, height); };
    draw(size, colour.none);
    draw(rise(done, 0), colour.ok);
    draw(rise(retried + failed, 0), colour.retried); // of those that are done, the part that was tried again
    draw(rise(failed, 3), colour.bad); // always to be seen, however few
    return [x, y, size];
  }

  draw() {
    const { canvas, grid } = this;
    const scale = devicePixelRatio || 1;
    const n = grid.cells.length, rowsAt = (px) => Math.ceil(n / Math.max(1, Math.floor(canvas.clientWidth / px)));
    this.px = LARGER_PX.find((px) => rowsAt(px) <= LARGER_ROWS) ?? CELL_PX;
    const rows = Math.max(1, rowsAt(this.px));
    canvas.style.height = `${rows * this.px + 2}px`;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = rows * this.px * scale;
    const context = canvas.getContext("2d");
    const colour = colours(canvas);
    context.scale(scale, scale);
    context.lineWidth = 2;
    const runs = new Set(this.running.map((index) => Math.floor((index - grid.from) / Math.max(1, grid.width))));
    grid.cells.forEach((cell, i) => {
      const [x, y, size] = this.cell(cell, i, colour, context);
      const isChosen = i === this.chosen && (this.isPointed || document.activeElement === canvas);
      const [from, to] = this.range(i), isDone = cell[0] === to - from; // what a worker told of may have ended since
      if (!isChosen && (isDone || !runs.has(i))) return;
      context.strokeStyle = isChosen ? colour.text : colour.wait;
      context.strokeRect(x + 1, y + 1, size - 2, size - 2);
    });
  }
}
