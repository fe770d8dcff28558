// What happened to a job: what the jobs topic tells, what the server saw of the fleet, and what it waited for while the page was open.
import { clock, h, number, time } from "./dom.js";

const KEPT = 200;
const BAD = new Set(["gone", "redis_away"]);

/** What is new in `now` against `before`, as sentences. */
function differences(before, now) {
  const out = [];
  if (before.state !== now.state && now.state === "ended" && !now.changes.some((change) => change.what === "ended"))
    out.push(`ended: ${now.reason}`); // its log says so, and nobody wrote it to the jobs topic
  for (const why of now.waits) if (!before.waits.includes(why)) out.push(`waits: ${why}`);
  if (before.waits.length > 0 && now.waits.length === 0 && now.state === "running") out.push("goes on");
  return out;
}

/** What the jobs topic tells. */
function ofTopic(change, show) {
  const limit = change.concurrency > 0 ? `the limit is ${number(change.concurrency)}` : "there is no limit any more";
  return { submitted: `submitted: ${show.task} on queue ${show.queue}`, limit, paused: "paused", resumed: "resumed", ended: `ended: ${change.reason}` }[change.what];
}

/** What the server saw of the fleet. */
function ofFleet({ what, workers, names }) {
  const them = what.startsWith("redis") ? "" : `${workers > 1 ? `${number(workers)} workers` : "worker"} ${names}${names.split(", ").length < workers ? ", ..." : ""}`;
  const many = workers > 1 ? "are" : "is";
  return { came: `${them} came`, gone: `${them} ${many} gone`, moved: `rebalance: partitions moved to or from ${them}`, redis_away: "Redis does not answer", redis_back: "Redis answers again" }[what];
}

export class Timeline {
  constructor() {
    Object.assign(this, { events: [], show: null, fleet: null });
  }

  add(at, words) {
    this.events.unshift({ at, words });
    this.events.length = Math.min(this.events.length, KEPT);
  }

  see(show) {
    if (this.show) for (const words of differences(this.show, show)) this.add(Date.now(), words);
    this.show = show;
  }

  seeFleet(fleet) {
    this.fleet = fleet;
  }

  draw() {
    const told = (this.show?.changes ?? []).map((change) => ({ at: change.at_ms, words: ofTopic(change, this.show) })).reverse();
    const ended = this.show?.changes.find((change) => change.what === "ended")?.at_ms ?? Infinity;
    const seen = (this.fleet?.events ?? []).map((event) => ({ at: event.at_ms, words: ofFleet(event), isBad: BAD.has(event.what) })).filter(({ at }) => at >= (this.show?.submitted_ms ?? 0) && at <= ended).reverse();
    const last = this.show?.state === "ended" && this.show.last_outcome_ms > 0 ? [{ at: this.show.last_outcome_ms, words: "the last outcome" }] : [];
    const all = [...this.events, ...told, ...last, ...seen].sort((a, b) => b.at - a.at).slice(0, KEPT);
    const from = this.fleet ? h("p", { class: "dim" }, `The newest first. Workers and partitions: as the server saw them since ${time(this.fleet.since_ms)}. What it waited for: since this page was opened.`) : "";
    return [from, h("ol", { class: "events" }, all.map(({ at, words, isBad }) => h("li", {}, h("span", { class: "dim" }, clock(at)), h("span", { class: isBad ? "bad" : "" }, words))))];
  }
}
