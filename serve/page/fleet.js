// Who serves what, and what nobody could use.
import { get, repeat } from "./api.js";
import { duration, fill, h, number, time } from "./dom.js";

const EVERY_MS = 3000;

function workerRow(worker) {
  return h("tr", {},
    h("td", { class: "mono" }, `${worker.host}:${worker.pid}`),
    h("td", {}, worker.queue),
    h("td", {}, worker.tasks.split(",").join(", ")),
    h("td", { class: "number" }, `${number(worker.running)} of ${number(worker.slots)}`),
    h("td", { class: "number" }, number(worker.queued)),
    h("td", { class: "number hide-narrow" }, number(worker.partitions)),
    h("td", { class: worker.silent_ms > 15000 ? "number bad" : "number" }, duration(worker.silent_ms)),
    h("td", { class: "hide-narrow" }, duration(Date.now() - worker.started_ms)));
}

function deadRow(letter) {
  return h("tr", {},
    h("td", { class: "number" }, letter.letter),
    h("td", {}, time(letter.at_ms)),
    h("td", { class: "mono" }, `${letter.topic || "?"}/${letter.partition}/${letter.offset}`),
    h("td", {}, letter.reason),
    h("td", { class: "number" }, number(letter.bytes)));
}

function table(names, rows, empty) {
  if (rows.length === 0) return h("p", { class: "dim" }, empty);
  return h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, names.map(([name, kind]) => h("th", { class: kind }, name)))), h("tbody", {}, rows)));
}

const workerColumns = [["Worker"], ["Queue"], ["Tasks"], ["Running", "number"], ["Queued", "number"], ["Partitions", "number hide-narrow"], ["Last heard", "number"], ["Up for", "hide-narrow"]];
const deadColumns = [["Letter", "number"], ["Buried"], ["Stood at"], ["Reason"], ["Bytes", "number"]];

export function fleet({ main, signal, say }) {
  const workers = h("div", {}, h("p", { class: "dim" }, "Asking…"));
  const dead = h("div", {}, h("p", { class: "dim" }, "Asking…"));
  const tiles = h("div", { class: "tiles" });
  fill(main, h("h1", {}, "Fleet"), tiles, h("h2", {}, "Workers"), workers, h("h2", {}, "Dead letters"), dead);

  repeat(() => EVERY_MS, signal, say, async () => {
    const list = (await get("/v1/workers")).workers;
    if (signal.aborted) return;
    const sum = (key) => list.reduce((total, worker) => total + worker[key], 0);
    fill(tiles, [["workers", list.length], ["attempts running", sum("running")], ["slots", sum("slots")], ["items waiting in workers", sum("queued")]]
      .map(([word, n]) => h("div", { class: "tile" }, h("b", {}, number(n)), h("span", {}, word))));
    fill(workers, table(workerColumns, list.map(workerRow), "Redis has heard of no worker within the last minute."));
    const letters = (await get("/v1/dead")).dead;
    if (signal.aborted) return;
    say(null);
    fill(dead, table(deadColumns, letters.slice(-100).reverse().map(deadRow), "None: every record could be used."));
  });
}
