// All jobs of the namespace: state, counts, failures; searched and filtered. Asked anew now and again.
import { get, repeat } from "./api.js";
import { fill, h, number, percent, state, time } from "./dom.js";

const EVERY_MS = 3000;
const SHOWN_MAX = 500;

function counts(job) {
  if (job.log_gone) return "its log is no longer whole";
  if (job.known === undefined) return "";
  const total = job.total === undefined ? `${number(job.published)}+` : number(job.total);
  return [`${number(job.known)} of ${total}`, job.total > 0 ? h("span", { class: "dim hide-narrow" }, ` (${percent(job.known, job.total)})`) : ""];
}

function row(job) {
  return h("tr", {},
    h("td", {}, h("a", { href: `#/jobs/${encodeURIComponent(job.job)}`, class: "mono" }, job.job)),
    h("td", {}, job.task),
    h("td", { class: "hide-narrow" }, job.queue),
    h("td", {}, state(job)),
    h("td", { class: job.failed > 0 ? "number bad" : "number" }, job.failed > 0 ? number(job.failed) : ""),
    h("td", { class: "number" }, counts(job)),
    h("td", { class: "number hide-narrow" }, job.concurrency > 0 ? number(job.concurrency) : "none"),
    h("td", { class: "hide-narrow" }, time(job.submitted_ms)));
}

function matches(job, filter) {
  if (filter.state && job.state !== filter.state) return false;
  if (filter.failed && !(job.failed > 0)) return false;
  return !filter.text || `${job.job} ${job.task} ${job.queue} ${job.reason || ""}`.toLowerCase().includes(filter.text.toLowerCase());
}

export function jobs({ main, signal, say }, query) {
  let all = [];
  const filter = { text: query.get("q") || "", state: query.get("state") || "", failed: query.get("failed") === "1" };
  const body = h("tbody");
  const summary = h("p", { class: "dim", role: "status" }, "Asking…");

  function draw() {
    const found = all.filter((job) => matches(job, filter)).reverse();
    fill(body, found.slice(0, SHOWN_MAX).map(row));
    const cut = found.length > SHOWN_MAX ? `; the newest ${number(SHOWN_MAX)} are shown` : "";
    fill(summary, all.length === 0 ? "No job is known here yet: fanmap map TASK, or POST /v1/map/TASK." : `${number(found.length)} of ${number(all.length)} jobs${cut}`);
  }

  function changed() {
    const kept = new URLSearchParams();
    if (filter.text) kept.set("q", filter.text);
    if (filter.state) kept.set("state", filter.state);
    if (filter.failed) kept.set("failed", "1");
    history.replaceState(null, "", `#/jobs${kept.size > 0 ? `?${kept}` : ""}`);
    draw();
  }

  const states = ["", "running", "paused", "ended"].map((word) => h("option", { value: word, selected: word === filter.state }, word || "any state"));
  fill(main,
    h("h1", {}, "Jobs"),
    h("div", { class: "row" },
      h("input", { type: "search", placeholder: "job, task, queue", value: filter.text, "aria-label": "Search", oninput: (e) => { filter.text = e.target.value; changed(); } }),
      h("select", { "aria-label": "State", onchange: (e) => { filter.state = e.target.value; changed(); } }, states),
      h("label", {}, h("input", { type: "checkbox", checked: filter.failed, onchange: (e) => { filter.failed = e.target.checked; changed(); } }), "with failures")),
    summary,
    h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", {}, "Job"), h("th", {}, "Task"), h("th", { class: "hide-narrow" }, "Queue"), h("th", {}, "State"),
        h("th", { class: "number" }, "Failed"), h("th", { class: "number" }, "Done"), h("th", { class: "number hide-narrow" }, "Limit"), h("th", { class: "hide-narrow" }, "Submitted"))),
      body)));

  repeat(() => EVERY_MS, signal, say, async () => {
    for (const path of all.length > 0 ? ["/v1/jobs"] : ["/v1/jobs?counts=false", "/v1/jobs"]) { // counts of long logs come later
      all = (await get(path, signal)).jobs;
      if (signal.aborted) return;
      say(null);
      draw();
    }
  });
}
