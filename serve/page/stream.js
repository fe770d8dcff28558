// A stream has no list: what is known of it is what waits and runs, and how far each partition of its source has come.
import { counted, duration, h, note, number, table, tile } from "./dom.js";

export function streamTiles(show) {
  const known = (n) => (n >= 0 ? number(n) : "–");
  return [tile("records wait or run", known(show.lag)), tile("attempts run", known(show.attempts_running)), tile("wait in workers", known(show.attempts_queued)),
    show.concurrency > 0 ? tile("tokens held", `${known(show.tokens_held)} of ${number(show.concurrency)}`) : tile("limit of attempts at once", "none"), tile("workers that serve its task", known(show.workers))];
}

function topics({ from, to, errors_to: errors, skipped }) {
  return h("p", { class: "dim" }, "A stream: items from topic ", h("code", {}, from), to ? [", values to ", h("code", {}, to)] : ", values go nowhere", errors ? [", errors to ", h("code", {}, errors)] : "", ". Its outcomes are there.",
    skipped > 0 ? ` Its rules stepped over ${counted(skipped, "record")}.` : "");
}

export function streamNotes(show) {
  const { gatherers } = show.stream;
  return [topics(show.stream), show.waits.map((why) => note(why)), gatherers === 0 ? note("Nobody runs fanmap stream for it: outcomes gather in its log.") : ""];
}

const COLUMNS = [["Lane", "number"], ["Lag, in records", "number"], ["First unfinished", "number"], ["Age of that", "number"], ["In the log, not handed out", "number"]];

export function streamLanes({ lanes, gatherers }) {
  const row = (lane) => [number(lane.partition), number(lane.lag), lane.head >= 0 ? `offset ${number(lane.head)}` : "–", lane.head_age_ms >= 0 ? duration(lane.head_age_ms) : "–", number(lane.ungathered)];
  return [h("h2", {}, "Lanes"), h("p", { class: "dim" }, "One for each partition of its source.", gatherers > 0 ? ` Outcomes are handed out by ${counted(gatherers, "process", "processes")} of fanmap stream.` : ""), table(COLUMNS, lanes.map(row))];
}
