// All jobs of the namespace: state, counts, failures; searched and filtered. Asked anew now and again.
import { get, repeat } from "./api.js";
import { fill, h, number, percent, refill, state, table, time } from "./dom.js";

const EVERY_MS = 3000;
const SHOWN_MAX = 500;

const COLUMNS = [["Job", "name mono"], ["Task", ""], ["Queue", ""], ["State", "state-of"], ["Failed", "number"], ["Done", "number"], ["Limit", "number"], ["Submitted", "when"]];

function counts(job, areCounted) {
  if (job.kind === "stream") return h("span", { class: "dim" }, "stream");
  if (job.log_gone) return "its log is no longer whole";
  if (job.known === undefined) return areCounted ? "" : "…";
  const total = job.total === undefined ? `${number(job.published)}+` : number(job.total);
  return [`${number(job.known)} of ${total}`, job.total > 0 ? h("span", { class: "dim" }, ` (${percent(job.known, job.total)})`) : ""];
}

function row(job, areCounted) {
  return [h("a", { href: `#/jobs/${encodeURIComponent(job.job)}`, "data-key": job.job }, job.job), job.task, job.queue, state(job),
    job.failed > 0 ? h("span", { class: "bad" }, number(job.failed)) : "", counts(job, areCounted), job.concurrency > 0 ? number(job.concurrency) : "none", time(job.submitted_ms)];
}

function matches(job, filter) {
  if (filter.state && job.state !== filter.state) return false;
  if (filter.failed && !(job.failed > 0)) return false;
  return !filter.text || `${job.job} ${job.kind} ${job.task} ${job.queue} ${job.reason || ""}`.toLowerCase().includes(filter.text.toLowerCase());
}

export function jobs({ main, signal, say }, query) {
  let all = [];
  const filter = { text: query.get("q") || "", state: query.get("state") || "", failed: query.get("failed") === "1" };
  const list = h("div");
  let areCounted = false;
  const summary = h("p", { class: "dim", role: "status" }, "Asking…");

  function draw() {
    const found = all.filter((job) => matches(job, filter)).reverse();
    refill(list, found.length > 0 ? table(COLUMNS, found.slice(0, SHOWN_MAX).map((job) => row(job, areCounted))) : "");
    const cut = (found.length > SHOWN_MAX ? `; the ${number(SHOWN_MAX)} of them that are newest are shown` : ", the newest first") + (areCounted ? "" : "; they are being counted, and some that are called running may have ended");
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
    list);

  repeat(() => EVERY_MS, signal, say, async () => {
    for (const path of all.length > 0 ? ["/v1/jobs"] : ["/v1/jobs?counts=false", "/v1/jobs"]) { // counts of long logs come later
      all = (await get(path, signal)).jobs;
      if (signal.aborted) return;
      areCounted = path === "/v1/jobs";
      say(null);
      draw();
    }
  });
}
