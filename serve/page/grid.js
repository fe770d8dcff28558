// All items of a job by index, as cells; each cell stands for one item or for many. Chosen by mouse or keys, zoomed by Enter.

const ROWS = 12;
const CELL_PX = 12;

function colours(canvas) {
  const style = getComputedStyle(canvas);
  return Object.fromEntries(["none", "ok", "bad", "retried", "text"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/** `onPick(from, to)`: the items of a cell were chosen. */
export class Grid {
  constructor(canvas, onPick, onHover) {
    Object.assign(this, { canvas, onPick, onHover, chosen: 0, grid: null });
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.addEventListener("mousemove", (event) => this.choose(this.cellAt(event)));
    canvas.addEventListener("click", (event) => { this.choose(this.cellAt(event)); this.pick(); });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  get columns() {
    return Math.max(1, Math.floor(this.canvas.clientWidth / CELL_PX));
  }

  /** How many cells there is room for. */
  get room() {
    return Math.min(4096, this.columns * ROWS);
  }

  cellAt(event) {
    const box = this.canvas.getBoundingClientRect();
    return Math.floor((event.clientY - box.top) / CELL_PX) * this.columns + Math.floor((event.clientX - box.left) / CELL_PX);
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
    else return;
    event.preventDefault();
  }

  show(grid) {
    this.grid = grid;
    this.chosen = Math.min(this.chosen, Math.max(0, grid.cells.length - 1));
    this.draw();
  }

  draw() {
    const { canvas, grid } = this;
    const scale = devicePixelRatio || 1;
    const rows = Math.max(1, Math.ceil(grid.cells.length / this.columns));
    canvas.style.height = `${rows * CELL_PX + 2}px`;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = rows * CELL_PX * scale;
    const context = canvas.getContext("2d");
    const colour = colours(canvas);
    context.scale(scale, scale);
    grid.cells.forEach(([done, retried, failed], i) => {
      const x = (i % this.columns) * CELL_PX, y = Math.floor(i / this.columns) * CELL_PX;
      const [from, to] = this.range(i);
      const size = CELL_PX - 2;
      context.fillStyle = colour.none;
      context.fillRect(x + 1, y + 1, size, size);
      const height = Math.ceil((size * done) / (to - from));
      context.fillStyle = retried > 0 ? colour.retried : colour.ok;
      context.fillRect(x + 1, y + 1 + size - height, size, height);
      if (failed > 0) { // always to be seen, however few
        const red = Math.max(3, Math.ceil((size * failed) / (to - from)));
        context.fillStyle = colour.bad;
        context.fillRect(x + 1, y + 1 + size - red, size, red);
      }
      if (i === this.chosen && document.activeElement === canvas) {
        context.strokeStyle = colour.text;
        context.lineWidth = 2;
        context.strokeRect(x + 1, y + 1, size, size);
      }
    });
  }
}
