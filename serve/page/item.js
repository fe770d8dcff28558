// One item: what came of it, what runs of it now, and what its attempts wrote, live while the job runs.
import { followLines, get, repeat } from "./api.js";
import { clock, counted, duration, fill, h, microseconds, note, number, refill, table, time } from "./dom.js";

const LINES_SHOWN = 2000;
const EVERY_MS = 3000;

/** What runs, longest first, as the workers' rows say it: of each worker up to 32 attempts. */
export function runningOf(workers, job) {
  return workers.flatMap((worker) => worker.oldest.split(",").filter(Boolean).map((entry) => {
    const [of, index, attempt, ms] = entry.split("/");
    return { job: of, index: Number(index), attempt: Number(attempt), ms: Number(ms), worker: `${worker.host}:${worker.pid}` };
  })).filter((entry) => !job || entry.job === job).sort((a, b) => b.ms - a.ms);
}

function facts(pairs) {
  return h("dl", {}, pairs.filter(([, value]) => value !== undefined && value !== "").map(([word, value]) => [h("dt", {}, word), h("dd", {}, value)]).flat());
}

function outcome(id, { outcome: record }) {
  const { error } = record;
  const said = error ? Object.entries(error).filter(([key]) => key !== "kind").map(([key, value]) => [key, h("pre", {}, String(value))]) : [["value", h("pre", {}, JSON.stringify(record.value, null, 1))]];
  return [facts([["attempts", number(record.attempts)], ["kind", error && h("span", { class: "bad" }, error.kind)], ...said]),
    h("p", { class: "dim" }, h("code", {}, `fanmap gather ${id} --records`), `, line ${record.index + 1}`)];
}

function input(item) {
  if (item.input_begin !== undefined) return [h("p", { class: "dim" }, `the beginning of ${number(item.input_bytes)} bytes`), h("pre", { class: "input" }, item.input_begin)];
  if (item.input === undefined) return h("p", { class: "dim" }, `Not to be had: ${item.input_why}.`);
  return h("pre", { class: "input" }, JSON.stringify(item.input, null, 1));
}

const ATTEMPTS = [["Attempt", "number"], ["Ended with", ""], ["Began", ""], ["Ran for", "number"], ["Worker", "mono"]];

/** How an attempt or an outcome ended, in one line. */
function ending(e) {
  const how = e.kind === "exit" && e.exit_status ? `exit status ${e.exit_status}` : e.kind === "signal" && e.signal ? `signal ${e.signal}` : e.kind;
  const type = e.type && e.type !== e.kind ? `${e.type}: ` : "", message = e.message && e.message !== how ? e.message : "";
  return h("span", { class: "bad" }, how + (type || message ? `: ${type}${message}` : ""));
}

/** Each attempt that has ended, as far as anybody kept it; the last one is the outcome's. */
function attempts(item) {
  const last = item.outcome, count = last?.attempts ?? Math.max(0, ...item.ended.map((e) => e.attempt));
  const row = (n, endedMs, runUs, worker, how) => [n, how, clock(endedMs - runUs / 1000), microseconds(runUs), worker || "not said"];
  const rows = item.ended.filter((e) => !last || e.attempt < count).sort((a, b) => a.attempt - b.attempt).map((e) => row(e.attempt, e.ended_ms, e.run_us, e.worker, ending(e)));
  if (last && count > 0) rows.push(row(count, item.stored_ms, item.run_us, item.worker, last.error ? ending(last.error) : h("span", { class: "ok" }, "value")));
  if (count === 0) return h("p", { class: "dim" }, last ? "None: nothing of it ran." : "None has ended.");
  return [table(ATTEMPTS, rows),
    rows.length < count ? h("p", { class: "dim" }, `Of ${number(count - rows.length)} more nothing was kept: their worker died, keeps no logs, or they are over a day old.`) : "",
    last && item.wait_ms >= 0 ? h("p", { class: "dim" }, `It had waited for ${duration(item.wait_ms)} before the first.`) : ""];
}

/** What its attempts wrote, an attempt after the other, as it comes; what broke off goes on behind the last line. */
function showLog(id, index, follows, signal, into) {
  const parts = new Map();
  let shown = 0, after = "";
  const status = h("p", { class: "dim", role: "status" }, "Asking…");
  const begin = () => fill(status, !follows ? "" : shown > 0 ? "Goes on while the job runs." : "Nothing yet.");
  fill(into, status);
  const put = (line) => {
    after = `&after=${line.position}`;
    if (line.dropped > 0) return into.append(h("p", { class: "dim" }, `${counted(line.dropped, "byte")} of its attempts or others' were dropped here: they wrote faster than is kept.`));
    if (line.text === undefined || shown++ >= LINES_SHOWN) return;
    if (!parts.has(line.attempt)) {
      parts.set(line.attempt, h("pre", { class: "log", tabindex: 0, "aria-label": `What attempt ${line.attempt} wrote` }));
      into.append(h("p", { class: "dim" }, `attempt ${line.attempt}, from ${time(line.at_ms)} on`), parts.get(line.attempt));
    }
    const log = parts.get(line.attempt);
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
    log.append(`${line.text}\n`);
    if (atEnd) log.scrollTop = log.scrollHeight;
    fill(status, shown > LINES_SHOWN ? `The first ${number(LINES_SHOWN)} lines; the command has all.` : follows ? "Goes on while the job runs." : "");
  };
  const own = new AbortController(); // ends with the log, the dialog stays
  signal.addEventListener("abort", () => own.abort());
  repeat(() => EVERY_MS, own.signal, (error) => {
    fill(status, `The log cannot be had now, and is asked for again: ${error.message}`);
    if (error.status < 500) own.abort();
  }, async () => {
    await followLines(`/v1/jobs/${encodeURIComponent(id)}/logs?index=${index}${follows ? "&follow=true" : ""}${after}`, signal, begin, put);
    if (shown <= LINES_SHOWN) fill(status, shown === 0 ? "Its attempts wrote nothing that is still kept." : "");
    own.abort();
  });
}

/** Of what runs of it now the workers tell; of the rest, its log. Asked again until it has an outcome. */
function showItem(id, index, follows, ended, { result, running, past }) {
  const own = new AbortController();
  ended.addEventListener("abort", () => own.abort());
  const say = (into) => (error) => { if (!own.signal.aborted) refill(into, h("p", { class: "bad" }, `${error.message}. It is asked for again.`)); };
  async function askWorkers() {
    const { workers } = await get("/v1/workers", own.signal);
    if (own.signal.aborted) return;
    refill(running, runningOf(workers, id).filter((entry) => entry.index === index)
      .map((entry) => note(`Attempt ${entry.attempt} runs on ${entry.worker}; when that last told, it had run for ${duration(entry.ms)}.`)));
  }
  repeat(() => EVERY_MS, own.signal, (error) => {
    say(result)(error);
    if (error.status < 500) own.abort(); // there is no such item
  }, async () => {
    if (follows) await askWorkers().catch((error) => { if (!own.signal.aborted) refill(running, h("p", { class: "dim" }, `Who runs it is not known: ${error.message}`)); });
    const item = await get(`/v1/jobs/${encodeURIComponent(id)}/item?index=${index}`, own.signal);
    if (own.signal.aborted) return;
    refill(result, item.outcome ? outcome(id, item) : h("p", {}, "It has no outcome yet."));
    refill(past, h("h2", {}, "Its attempts"), attempts(item), h("h2", {}, "Its input"), input(item));
    if (!item.outcome && follows) return;
    fill(running);
    own.abort();
  });
}

/** A dialog; `onClose` when it is closed. */
export function openItem(id, index, follows, onClose) {
  const ending = new AbortController();
  const part = { result: h("div", {}, "Asking…"), running: h("div"), past: h("div") }, log = h("div");
  const dialog = h("dialog", { class: "item", "aria-label": `Item ${index}`, onclose: () => { ending.abort(); dialog.remove(); onClose(); } },
    h("form", { method: "dialog", class: "top" }, h("h1", {}, `Item ${number(index)}`), h("span", { class: "dim mono" }, id), h("button", { autofocus: true }, "Close")),
    part.result, part.running, part.past, h("h2", {}, "What its attempts wrote"), h("p", { class: "dim" }, h("code", {}, `fanmap logs ${id} ${index}${follows ? " --follow" : ""}`)), log);
  document.body.append(dialog);
  dialog.showModal();
  showLog(id, index, follows, ending.signal, log);
  showItem(id, index, follows, ending.signal, part);
}
