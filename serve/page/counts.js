// What a job has come to, in numbers that sum up: its head, its tiles, its bar, and what holds it up.
import { clock, counted, duration, h, note, number, percent, rate, state, tile, time } from "./dom.js";

const MOVES_MS = 30000; // an outcome within this time: it moves

/** When it ended: what is complete with its last outcome, whoever wrote it down when; the rest when that was asked for. */
export function endOf(show) {
  const written = show.changes.find((change) => change.what === "ended")?.at_ms ?? 0;
  return show.reason === "complete" && show.last_outcome_ms > 0 ? show.last_outcome_ms : written || show.last_outcome_ms;
}

export function headline(show) {
  const it = [state(show), ` · task ${show.task} on queue ${show.queue} · submitted ${time(show.submitted_ms)}`];
  if (show.state !== "ended") return [...it, `, ${duration(Math.max(0, Date.now() - show.submitted_ms))} ago`];
  const end = endOf(show);
  return end > 0 ? [...it, " · ended ", clock(end), `, after ${duration(Math.max(0, end - show.submitted_ms))}`] : it;
}

/** Items that a cancel or a deadline left without an attempt's outcome are in the list as failures, and are no outcomes of it (as in `fanmap show`). */
export function split(seen) {
  const cancelled = seen.kinds.cancelled ?? 0;
  return { done: seen.known - cancelled, values: seen.known - seen.failed, failed: seen.failed - cancelled, cancelled };
}

/** What show counts, as the events of the cells have it: the list, cancelled items too. */
export function ofShow(show) {
  const cancelled = show.kinds.cancelled ?? 0;
  return { known: show.known + cancelled, failed: show.failed + cancelled, retried: show.retried, kinds: show.kinds };
}

/** What stands still has no end in sight, nor has what has no known end. */
function eta(show, n) {
  const moves = show.state === "running" && show.rate > 0 && Date.now() - show.last_outcome_ms < MOVES_MS;
  return moves && show.total !== undefined ? duration((1000 * (show.total - n.done)) / show.rate) : "–";
}

function countTiles(seen, n, total) {
  return [tile(`done of ${total}`, number(n.done)), tile("values", number(n.values), "ok"), tile("failed", number(n.failed), n.failed > 0 ? "bad" : ""),
    n.cancelled > 0 ? tile("cancelled", number(n.cancelled), "bad") : "", tile("retries", number(seen.retried), seen.retried > 0 ? "retried" : "")];
}

/** `show` may be null: it is not known yet. */
export function tiles(show, seen) {
  const n = split(seen);
  if (!show || show.log_unread > 0) return countTiles(seen, n, show?.total === undefined ? "…" : number(show.total));
  const [perUnit, unit] = rate(show.rate);
  const isOver = show.state === "ended", end = endOf(show);
  return [
    ...countTiles(seen, n, show.total === undefined ? `${number(show.published)}+` : number(show.total)),
    tile(isOver ? `outcomes a ${unit}, from the first to the last` : `outcomes a ${unit}`, perUnit),
    ...(isOver ? [tile("from its submission to its end", end > 0 ? duration(Math.max(0, end - show.submitted_ms)) : "–")]
      : [tile("time left, at this rate", eta(show, n)), tile("longest attempt now", show.running_index >= 0 ? duration(show.running_ms) : "–"),
        show.concurrency > 0 ? tile("tokens held", show.tokens_held >= 0 ? `${number(show.tokens_held)} of ${number(show.concurrency)}` : "–") : tile("limit of attempts at once", "none")])];
}

/** The bar, and the same in numbers that sum to the total. */
export function bar(show, seen) {
  const n = split(seen);
  const whole = Math.max(show.total ?? show.published ?? 0, seen.known, 1), left = whole - seen.known;
  const part = (count, kind) => { const i = h("i", { class: kind }); i.style.width = `${(100 * count) / whole}%`; return i; };
  const entry = (count, word, kind) => h("span", {}, h("i", { class: kind }), `${number(count)} ${word}`);
  return [h("div", { class: "bar", role: "img", "aria-label": `${percent(n.done, whole)} done, ${number(n.failed)} failed` }, part(n.values, "ok"), part(n.failed + n.cancelled, "bad")),
    h("p", { class: "legend sum" }, entry(n.values, counted(n.values, "value").split(" ")[1], "ok"), entry(n.failed, "failed", "bad"), n.cancelled > 0 ? entry(n.cancelled, "cancelled", "bad") : "",
      entry(left, "without an outcome", ""), h("span", {}, `${show.total === undefined ? `of ${number(whole)} published so far; its input goes on` : `of ${number(whole)}`} (${percent(seen.known, whole) || "0 %"})`))];
}

/** State, limit and why do not need its log; what does comes when all of it was read. */
function readNote(show, seen) {
  if (show.log_unread > 0)
    return h("p", { class: "note reading" }, `Its log is being read: ${percent(show.log_records - show.log_unread, show.log_records)} so far. Counts, cells and failures below grow until all of it is; the rate, and what only the whole log tells, come then${show.state === "ended" ? "" : ", also whether it has ended"}.`);
  if (seen && show.known > seen.known)
    return h("p", { class: "note reading" }, `Cells and failures are those of ${counted(seen.known, "outcome")} so far, of ${number(show.known)}.`);
  return "";
}

/** Which item holds up the ordered list, and what waits behind it. */
function headOfOrder(show, seen, openItem) {
  if (show.state === "ended" || seen.head >= seen.items_end) return "";
  return note("The head of the order is ", h("button", { class: "inline", "data-key": "head", onclick: () => openItem(seen.head) }, `item ${number(seen.head)}`),
    `, the first without an outcome: ${counted(seen.known - seen.head, "outcome")}, up to that of item ${number(seen.items_end - 1)}, wait behind it in an ordered list.`);
}

export function notes(show, seen, openItem) {
  const isFree = show.state === "running" && show.waits.length === 0 && show.workers >= 0 && show.log_unread === 0; // else it is not known yet
  return [readNote(show, seen), ...show.waits.map((why) => note(why)), isFree ? note("nothing is known to hold it up.") : "",
    seen?.grid ? headOfOrder(show, seen, openItem) : "",
    show.log_gone ? h("p", { class: "note bad" }, "Retention took the beginning of its log: the list can no longer be gathered whole.") : ""];
}

/** The numbers behind "why is it not faster". */
export function limits(show) {
  const known = (n) => (n >= 0 ? number(n) : show.workers === 0 ? "0" : "not known");
  const rows = [["attempts of it that run", known(show.attempts_running)], ["items of it that wait in workers to start", known(show.attempts_queued)], ["items of it that wait there for their next try", known(show.attempts_delayed)],
    ["records on its task's topic that wait or run, of all jobs", known(show.lag)], ["workers that serve its task", show.workers >= 0 ? number(show.workers) : "not known"],
    ["slots of its workers, busy", show.slots >= 0 ? `${number(show.slots_busy)} of ${number(show.slots)}` : show.workers === 0 ? "0" : "not known"],
    ["tokens held", show.concurrency <= 0 ? "it has no limit" : show.tokens_held >= 0 ? `${number(show.tokens_held)} of ${number(show.concurrency)}` : "not known"], ...(show.concurrency > 0 ? [["held by", show.token_holders || "–"]] : [])];
  return h("dl", { class: "limits" }, rows.map(([word, value]) => [h("dt", {}, word), h("dd", {}, value)]).flat());
}

/** The bucket in which the part `q` of all is reached. */
function quantile(buckets, q) {
  const all = buckets.reduce((a, b) => a + b, 0);
  let sum = 0;
  return buckets.findIndex((n) => (sum += n) >= q * all);
}

/** Place i counts what is from 2^i up to 2^(i+1), of which `word` makes a text. */
export function histogram(buckets, word, none) {
  const last = buckets.findLastIndex((n) => n > 0), first = buckets.findIndex((n) => n > 0);
  if (first < 0) return h("p", { class: "dim" }, none);
  const most = Math.max(...buckets), all = buckets.reduce((a, b) => a + b, 0);
  const below = (i) => word(2 ** (i + 1));
  const rows = buckets.slice(first, last + 1).map((n, i) => {
    const part = h("i", { class: "part" });
    part.style.width = `${(100 * n) / most}%`;
    return h("tr", {}, h("td", { class: "number" }, `${first + i === 0 ? "0" : below(first + i - 1)} to ${below(first + i)}`), h("td", { class: "wide" }, h("div", { class: "bar" }, part)),
      h("td", { class: "number" }, number(n)), h("td", { class: "number dim" }, percent(n, all)));
  });
  return [h("p", { class: "dim" }, `Half of ${number(all)} within ${below(quantile(buckets, 0.5))}, 95 % within ${below(quantile(buckets, 0.95))}, all within ${below(last)}.`),
    h("table", { class: "histogram" }, h("tbody", {}, rows))];
}

