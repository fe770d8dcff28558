// One item: what came of it, what runs of it now, and what its attempts wrote, live while the job runs.
import { followLines, get } from "./api.js";
import { duration, fill, h, microseconds, number, time } from "./dom.js";

const LINES_SHOWN = 2000;

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

/** Each attempt that has ended, as far as anybody kept it; the last one is the outcome's. */
function attempts(item) {
  const exit = (e) => (e.exit_status ? `status ${e.exit_status}` : e.signal ? `signal ${e.signal}` : "");
  const last = item.outcome, count = last?.attempts ?? Math.max(0, ...item.ended.map((e) => e.attempt));
  const row = (n, endedMs, runUs, worker, how, kind) => h("tr", {}, h("td", { class: "number" }, n), h("td", { class: kind }, how), h("td", {}, time(endedMs - runUs / 1000)), h("td", { class: "number" }, microseconds(runUs)), h("td", { class: "mono" }, worker || "not said"));
  const rows = item.ended.filter((e) => !last || e.attempt < count).sort((a, b) => a.attempt - b.attempt).map((e) => row(e.attempt, e.ended_ms, e.run_us, e.worker, [e.kind, e.type, e.message || exit(e)].filter(Boolean).join(", "), "bad"));
  if (last && count > 0) rows.push(row(count, item.stored_ms, item.run_us, item.worker, last.error ? [last.error.kind, exit(last.error)].filter(Boolean).join(", ") : "value", last.error ? "bad" : "ok"));
  if (count === 0) return h("p", { class: "dim" }, last ? "None: nothing of it ran." : "None has ended.");
  return [h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["Attempt", "Ended with", "Began", "Ran for", "Worker"].map((word, i) => h("th", { class: i === 0 || i === 3 ? "number" : "" }, word)))), h("tbody", {}, rows))),
    rows.length < count ? h("p", { class: "dim" }, `Of ${number(count - rows.length)} more nothing was kept: their worker died, keeps no logs, or they are over a day old.`) : "",
    last && item.wait_ms >= 0 ? h("p", { class: "dim" }, `It had waited for ${duration(item.wait_ms)} before the first.`) : ""];
}

/** What its attempts wrote, an attempt after the other, as it comes. */
function showLog(id, index, follows, signal, into) {
  const parts = new Map();
  let shown = 0;
  const status = h("p", { class: "dim", role: "status" }, follows ? "Nothing yet." : "Asking…");
  fill(into, status);
  const put = (line) => {
    if (line.text === undefined || shown++ >= LINES_SHOWN) return;
    if (!parts.has(line.attempt)) {
      parts.set(line.attempt, h("pre", { class: "log" }));
      into.append(h("p", { class: "dim" }, `attempt ${line.attempt}, from ${time(line.at_ms)} on`), parts.get(line.attempt));
    }
    const log = parts.get(line.attempt);
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
    log.append(`${line.text}\n`);
    if (atEnd) log.scrollTop = log.scrollHeight;
    fill(status, shown > LINES_SHOWN ? `The first ${number(LINES_SHOWN)} lines; the command has all.` : follows ? "Goes on while the job runs." : "");
  };
  followLines(`/v1/jobs/${encodeURIComponent(id)}/logs?index=${index}${follows ? "&follow=true" : ""}`, signal, put)
    .then(() => { if (shown <= LINES_SHOWN) fill(status, shown === 0 ? "Its attempts wrote nothing that is still kept." : ""); })
    .catch((error) => { if (!signal.aborted) fill(status, error.message); });
}

/** A dialog; `onClose` when it is closed. */
export async function openItem(id, index, follows, onClose) {
  const ending = new AbortController();
  const result = h("div", {}, "Asking…"), running = h("div"), past = h("div"), log = h("div");
  const dialog = h("dialog", { "aria-label": `Item ${index}`, onclose: () => { ending.abort(); dialog.remove(); onClose(); } },
    h("h1", {}, `Item ${number(index)}`), result, running, past, h("h2", {}, "What its attempts wrote"), h("p", { class: "dim" }, h("code", {}, `fanmap logs ${id} ${index}${follows ? " --follow" : ""}`)), log,
    h("form", { method: "dialog", class: "row" }, h("button", { autofocus: true }, "Close")));
  document.body.append(dialog);
  dialog.showModal();
  showLog(id, index, follows, ending.signal, log);
  try {
    const workers = follows ? (await get("/v1/workers")).workers : [];
    fill(running, runningOf(workers, id).filter((entry) => entry.index === index).map((entry) =>
      h("p", { class: "note" }, `Attempt ${entry.attempt} runs on ${entry.worker}; when that last told, it had run for ${duration(entry.ms)}.`)));
  } catch (error) {
    fill(running, h("p", { class: "dim" }, `Who runs it is not known: ${error.message}`));
  }
  try {
    const item = await get(`/v1/jobs/${encodeURIComponent(id)}/item?index=${index}`);
    fill(result, item.outcome ? outcome(id, item) : h("p", {}, "It has no outcome yet."));
    fill(past, h("h2", {}, "Its attempts"), attempts(item), h("h2", {}, "Its input"), input(item));
  } catch (error) {
    fill(result, h("p", { class: "bad" }, error.message));
  }
}
