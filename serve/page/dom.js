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

export const microseconds = (us) => (us < 1000 ? `${us} µs` : duration(us / 1000));

export const time = (ms) => new Date(ms).toLocaleString("sv-SE");

const stateClass = { running: "ok", paused: "wait", ended: "dim" };

/** The state of a job, in a colour and in words. */
export function state(job) {
  const failed = job.state === "ended" && job.reason !== "complete";
  const words = job.state + (job.reason ? `: ${job.reason}` : "");
  return h("span", { class: `state ${failed ? "bad" : stateClass[job.state]}` }, words);
}
