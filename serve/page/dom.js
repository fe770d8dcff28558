// Elements from plain values. Text goes in as text: nothing that a task or a message says is ever parsed as markup.

/** h("p", {class: "dim", onclick: f}, "text", child): an element. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

let pressed = null; // what a pointer is down on: if that went, its click would be lost
addEventListener("pointerdown", (event) => { pressed = event.target; });
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => setTimeout(() => { pressed = null; }));

function isHeld(element) {
  const selection = getSelection();
  return (pressed && element.contains(pressed)) || (!selection.isCollapsed && element.contains(selection.anchorNode));
}

/** As `fill`, for what is drawn again and again under somebody's eyes and hands: not while a pointer is down in it or text of it is chosen; what is
 * open stays so, and what has the focus keeps it, by their data-key. */
export function refill(element, ...children) {
  if (isHeld(element)) return element;
  const focus = element.contains(document.activeElement) ? document.activeElement.dataset.key ?? "" : null;
  const opened = new Set([...element.querySelectorAll("details[open]")].map((details) => details.dataset.key));
  fill(element, ...children);
  for (const details of element.querySelectorAll("details")) if (opened.has(details.dataset.key)) details.open = true;
  if (focus === null) return element;
  element.tabIndex = -1;
  ([...element.querySelectorAll("[data-key]")].find((one) => one.dataset.key === focus) ?? element).focus({ preventScroll: true });
  return element;
}

/** A part of an address; null: it is none. */
export function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

const grouped = new Intl.NumberFormat("en-GB");

export const number = (n) => grouped.format(n);

export const percent = (part, whole) => (whole > 0 ? `${((100 * part) / whole).toFixed(part === whole ? 0 : 1)} %` : "");

export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 60) return `${s.toFixed(1)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** 1 worker, 2 workers. */
export const counted = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

export const microseconds = (us) => (us < 1000 ? `${us} µs` : duration(us / 1000));

export const time = (ms) => new Date(ms).toLocaleString("sv-SE");

/** Of what happened today the date goes without saying; it is there to be hovered over. */
export function clock(ms) {
  const isToday = new Date(ms).toDateString() === new Date().toDateString();
  return h("time", { title: time(ms), datetime: new Date(ms).toISOString() }, isToday ? new Date(ms).toLocaleTimeString("sv-SE") : time(ms));
}

/** [number, unit]: what comes seldom is counted by the minute or the hour. */
export function rate(perSecond) {
  const [n, unit] = perSecond === 0 || perSecond >= 1 ? [perSecond, "second"] : perSecond >= 1 / 60 ? [60 * perSecond, "minute"] : [3600 * perSecond, "hour"];
  return [n >= 100 ? number(Math.round(n)) : n.toFixed(1), unit];
}

/** `columns`: [name, class] each; `rows`: lists of what stands in the cells. Where the page is narrow a row is a paragraph in which each cell follows its
 * column's name, and the first stands alone. */
export function table(columns, rows) {
  const cell = (content, i) => h("td", { class: columns[i][1], "data-label": columns[i][0] }, content);
  return h("div", { class: "scroll" }, h("table", { class: "cards" }, h("thead", {}, h("tr", {}, columns.map(([name, kind]) => h("th", { class: kind, scope: "col" }, name)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell))))));
}

export const tile = (word, value, kind) => h("div", { class: "tile" }, h("b", { class: kind }, value), h("span", {}, word));

export const note = (...words) => h("p", { class: "note" }, ...words);

const stateClass = { running: "ok", paused: "wait", ended: "dim" };

/** The state of a job, in a colour and in words; one that runs and has a reason is held up by it. */
export function state(job) {
  const failed = job.state === "ended" && job.reason !== "complete", isHeld = job.state === "running" && job.reason;
  const words = job.state + (job.reason ? `: ${job.reason}` : "");
  return h("span", { class: `state ${failed ? "bad" : isHeld ? "wait" : stateClass[job.state]}` }, words);
}
