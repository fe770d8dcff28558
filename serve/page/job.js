// One job, live: counts, why it is not faster, all items as a grid, failures in groups, durations, one item looked at, and control.
import { follow, get, post, repeat } from "./api.js";
import { confirmed, tell } from "./confirm.js";
import { duration, fill, h, microseconds, number, percent, state, time } from "./dom.js";
import { Grid } from "./grid.js";
import { openItem, runningOf } from "./item.js";
import { Timeline } from "./timeline.js";

const SHOW_EVERY_MS = 3000;
const READ_MS = 1000; // of a long log, at a time: others ask too
const MOVES_MS = 30000; // an outcome within this time: it moves

// ---- parts ----

function tile(word, value, kind) {
  return h("div", { class: "tile" }, h("b", { class: kind }, value), h("span", {}, word));
}

function eta(show, seen) {
  const moves = show.state === "running" && show.rate > 0 && Date.now() - show.last_outcome_ms < MOVES_MS;
  if (!moves || show.total === undefined) return "–"; // what stands still has no end in sight
  return duration((1000 * (show.total - seen.known)) / show.rate);
}

function countTiles(seen, total) {
  return [tile(`done of ${total}`, number(seen.known)), tile("values", number(seen.known - seen.failed), "ok"), tile("failed", number(seen.failed), seen.failed > 0 ? "bad" : ""),
    tile("attempts beyond the first", number(seen.retried), seen.retried > 0 ? "retried" : "")];
}

/** State, limit and why do not need its log; what does comes when all of it was read. */
function readNote(show, seen) {
  if (show.log_unread > 0)
    return h("p", { class: "note reading" }, `Its log is being read: ${percent(show.log_records - show.log_unread, show.log_records)} so far. Counts, cells and failures below grow until all of it is; the rate, and what only the whole log tells, come then${show.state === "ended" ? "" : ", also whether it has ended"}.`);
  if (seen && show.known > seen.known)
    return h("p", { class: "note reading" }, `Cells and failures are those of ${number(seen.known)} outcomes so far, of ${number(show.known)}.`);
  return "";
}

function tiles(show, seen) {
  if (show.log_unread > 0) return countTiles(seen, show.total === undefined ? "…" : number(show.total));
  const total = show.total === undefined ? `${number(show.published)}+` : number(show.total);
  return [
    ...countTiles(seen, total),
    tile("outcomes a second", show.rate.toFixed(1)),
    tile("left, at this rate", eta(show, seen)),
    tile(show.concurrency > 0 ? `of ${number(show.concurrency)} tokens held` : "no limit", show.tokens_held >= 0 ? number(show.tokens_held) : "–"),
    tile("workers serve its task", show.workers >= 0 ? number(show.workers) : "–"),
  ];
}

function bar(show, seen) {
  const whole = Math.max(show.total ?? show.published ?? 0, seen.known, 1);
  const part = (n, kind) => { const i = h("i", { class: kind }); i.style.width = `${(100 * n) / whole}%`; return i; };
  return h("div", { class: "bar", role: "img", "aria-label": `${percent(seen.known, whole)} done, ${number(seen.failed)} failed` },
    part(seen.known - seen.failed, "ok"), part(seen.failed, "bad"));
}

function notes(show, seen) {
  const out = [readNote(show, seen), ...show.waits.map((why) => h("p", { class: "note" }, why))];
  if (!seen) return out;
  if (show.state !== "ended" && seen.head < seen.items_end)
    out.push(h("p", { class: "note" }, `Item ${number(seen.head)} is the first without an outcome; outcomes up to item ${number(seen.items_end - 1)} are there and wait for it in an ordered list.`));
  if (show.log_gone) out.push(h("p", { class: "note bad" }, "Retention took the beginning of its log: the list can no longer be gathered whole."));
  return out;
}

/** A stream has no list: what is known of it is what waits and runs. */
function streamTiles(show) {
  const known = (n) => (n >= 0 ? number(n) : "–");
  return [tile("records wait or run", known(show.lag)), tile("attempts run", known(show.attempts_running)), tile("wait in workers", known(show.attempts_queued)),
    tile(show.concurrency > 0 ? `of ${number(show.concurrency)} tokens held` : "no limit", known(show.tokens_held)), tile("workers serve its task", known(show.workers))];
}

function streamTopics({ from, to, errors_to: errors }) {
  return h("p", { class: "dim" }, "A stream: items from topic ", h("code", {}, from), to ? [", values to ", h("code", {}, to)] : ", values go nowhere", errors ? [", errors to ", h("code", {}, errors)] : "", ". Its outcomes are there.");
}

/** How far each partition of its source has come. */
function streamLanes({ lanes, gatherers }) {
  const words = ["Partition", "Behind", "First unfinished", "Written before", "Not handed out"];
  const rows = lanes.map((lane) => [number(lane.partition), number(lane.lag), lane.head >= 0 ? `offset ${number(lane.head)}` : "–", lane.head_age_ms >= 0 ? duration(lane.head_age_ms) : "–", number(lane.ungathered)]);
  return [h("h2", {}, "Lanes"), h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, words.map((word) => h("th", { class: "number" }, word)))), h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", { class: "number" }, cell))))))),
    h("p", { class: gatherers > 0 ? "dim" : "note" }, gatherers > 0 ? `${number(gatherers)} fanmap stream hand its outcomes out.` : gatherers === 0 ? "Nobody runs fanmap stream for it: outcomes gather in its log." : "")];
}

/** The numbers behind "why is it not faster". */
function limits(show) {
  if (show.state === "ended") return h("p", { class: "dim" }, "Nothing of it runs any more.");
  const known = (n) => (n >= 0 ? number(n) : "not known");
  const rows = [["attempts of it that run", known(show.attempts_running)], ["items of it that wait in workers", known(show.attempts_queued)], ["of these, for their next try", known(show.attempts_delayed)],
    ["records of its task that wait or run, of all jobs", known(show.lag)], ["slots of its workers, busy", show.slots >= 0 ? `${number(show.slots_busy)} of ${number(show.slots)}` : "not known"],
    ["tokens held", show.concurrency <= 0 ? "it has no limit" : show.tokens_held >= 0 ? `${number(show.tokens_held)} of ${number(show.concurrency)}` : "not known"], ...(show.concurrency > 0 ? [["held by", show.token_holders || "–"]] : [])];
  return h("dl", { class: "limits" }, rows.map(([word, value]) => [h("dt", {}, word), h("dd", {}, value)]).flat());
}

function running(show, list, openItem) {
  if (show?.state === "ended") return h("p", { class: "dim" }, "The job has ended.");
  if (list.length === 0) return h("p", { class: "dim" }, "Nothing that a worker has told of.");
  const untold = (show?.attempts_running ?? 0) - list.length; // a worker names 32 at most
  return [h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", { class: "number" }, "Item"), h("th", { class: "number" }, "Attempt"), h("th", { class: "number" }, "Runs for"), h("th", {}, "Worker"))),
    h("tbody", {}, list.map((entry) => h("tr", {}, h("td", { class: "number" }, h("button", { onclick: () => openItem(entry.index) }, number(entry.index))),
      h("td", { class: "number" }, entry.attempt), h("td", { class: "number" }, duration(entry.ms)), h("td", { class: "mono" }, entry.worker)))))),
    untold > 0 ? h("p", { class: "dim" }, `${number(untold)} more run; a worker names those that run for longest.`) : ""];
}

function group(openItem, again) {
  return (g) => h("details", { "data-group": g.group },
    h("summary", {}, h("b", { class: "bad" }, number(g.count)), " ", h("span", { class: "dim" }, g.type && g.type !== g.kind ? `${g.kind} ${g.type}: ` : `${g.kind}: `), g.message || "(no message)"),
    h("p", { class: "dim" }, `first at item ${number(g.first)}, last at item ${number(g.last)}`),
    again ? h("div", { class: "row" }, h("button", { onclick: () => again(g) }, "Run this group again"))
      : h("p", { class: "dim cancel" }, `It can be run again when the job has ended. There is nothing of it to cancel: its ${number(g.count)} items have ended, and what still has a try left is in no group.`),
    g.samples.map((sample) => h("div", {}, h("button", { onclick: () => openItem(sample.index) }, `item ${number(sample.index)}`), h("pre", {}, sample.message))));
}

/** Place i counts what is below 2^(i+1), of which `word` makes a text. */
function histogram(buckets, word, none) {
  const last = buckets.findLastIndex((n) => n > 0), first = buckets.findIndex((n) => n > 0);
  if (first < 0) return h("p", { class: "dim" }, none);
  const most = Math.max(...buckets), all = buckets.reduce((a, b) => a + b, 0);
  return h("table", {}, h("tbody", {}, buckets.slice(first, last + 1).map((n, i) => {
    const fillBar = h("i", { class: "ok" });
    fillBar.style.width = `${(100 * n) / most}%`;
    return h("tr", {}, h("td", { class: "number" }, `< ${word(2 ** (first + i + 1))}`), h("td", { class: "wide" }, h("div", { class: "bar" }, fillBar)),
      h("td", { class: "number" }, number(n)), h("td", { class: "number dim hide-narrow" }, percent(n, all)));
  })));
}

// ---- control ----

/** What failed, or one group of it, as a new job, which is then looked at. */
async function runAgain(id, group) {
  const words = group ? `A new job with the whole list of this one: the ${number(group.count)} items of this group run again, all others keep their value or error.`
    : "A new job with the whole list of this one: values stay, and what has none runs again.";
  if (!(await confirmed(words, `fanmap submit --retry-failed ${id}${group ? ` --retry-group ${group.group}` : ""}`))) return;
  const waiting = h("dialog", {}, h("p", { role: "status" }, "The new job is being filled. It opens here when all of it is stored."));
  document.body.append(waiting);
  waiting.showModal();
  try {
    const made = await post(`/v1/jobs/${encodeURIComponent(id)}/retry-failed`, group ? { group: group.group } : {});
    location.hash = `#/jobs/${encodeURIComponent(made.job)}`;
  } catch (error) {
    tell(error.message);
  } finally {
    waiting.remove();
  }
}

function controls(id, show, seen, done) {
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  const limit = h("input", { type: "number", min: 0, value: show.concurrency, "aria-label": "Attempts at once", size: 6 });
  const act = async (words, command, what) => {
    if (!(await confirmed(words, command))) return;
    try { await what(); done(); } catch (error) { tell(error.message); }
  };
  if (show.state === "ended") return h("div", { class: "row" }, h("span", { class: "dim" }, "The job has ended."),
    seen.failed > 0 ? h("button", { onclick: () => runAgain(id, null) }, "Run what failed again") : "");
  const paused = show.state === "paused";
  return h("div", { class: "row" },
    paused ? h("button", { onclick: () => act("Items start again, as tokens and slots allow.", `fanmap resume ${id}`, () => post(`${path}/resume`)) }, "Resume")
      : h("button", { onclick: () => act("Nothing more starts; what runs goes on to its end.", `fanmap pause ${id}`, () => post(`${path}/pause`)) }, "Pause"),
    h("label", {}, "Limit", limit),
    h("button", { onclick: () => act(Number(limit.value) > 0 ? `At most ${number(Number(limit.value))} attempts at once; nothing is killed.` : "No limit: as many at once as there are slots.",
      `fanmap set ${id} --concurrency ${Number(limit.value)}`, () => post(path, { concurrency: Number(limit.value) }, "PATCH")) }, "Set"),
    h("button", { class: "danger", onclick: () => act("Attempts that run are killed, all other items end as cancelled. This cannot be undone.", `fanmap cancel ${id}`, () => post(`${path}/cancel`)) }, "Cancel the job"));
}

// ---- the view ----

/** The items that an address names; null: all. */
function rangeOf(query) {
  const [from, to] = [Number(query.get("from") ?? NaN), Number(query.get("to") ?? NaN)];
  return Number.isSafeInteger(from) && Number.isSafeInteger(to) && 0 <= from && from < to ? [from, to] : null;
}

export function job({ main, signal, say }, id, query) {
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  let show = null, seen = null, following = null;
  let range = rangeOf(query);
  const part = Object.fromEntries(["head", "tiles", "progress", "notes", "control", "range", "hover", "groups", "durations", "waited", "policy", "limits", "running", "events"].map((name) => [name, h("div", { class: name })]));
  const canvas = h("canvas");
  const timeline = new Timeline();
  let workers = [], workersAway = null;
  const address = (item) => {
    const kept = new URLSearchParams(range ? { from: range[0], to: range[1] } : {});
    if (item !== undefined) kept.set("item", item);
    history.replaceState(null, "", `#/jobs/${encodeURIComponent(id)}${kept.size > 0 ? `?${kept}` : ""}`);
  };
  const open = (index) => { address(index); openItem(id, index, show?.state !== "ended", () => { if (!signal.aborted) address(); }); };
  const grid = new Grid(canvas, (from, to) => (to - from === 1 ? open(from) : zoom([from, to])), (from, to, [done, retried, failed]) =>
    fill(part.hover, to - from === 1 ? `item ${number(from)}: ${done ? (failed ? "failed" : retried ? "a value, after a retry" : "a value") : "no outcome yet"}`
      : `items ${number(from)} to ${number(to - 1)}: ${number(done)} done, ${number(failed)} failed, ${number(retried)} retried`));

  main.classList.remove("stream");
  fill(main, part.head, part.tiles, part.progress, part.notes, part.control, h("div", { class: "of-list" }, h("h2", {}, "Items"), part.range, canvas,
    h("div", { class: "legend" }, [["", "no outcome yet"], ["ok", "value"], ["retried", "value after a retry"], ["bad", "failed"]].map(([kind, word]) => h("span", {}, h("i", { class: kind }), word))),
    h("p", { class: "dim", role: "status" }, part.hover)),
    h("div", { class: "columns" },
      h("section", {}, h("div", { class: "of-list" }, h("h2", {}, "Failures"), part.groups), h("h2", {}, "Runs now, longest first"), part.running),
      h("section", {}, h("h2", {}, "Why it is not faster"), part.limits, h("div", { class: "of-list" }, h("h2", {}, "How long the last attempts ran"), part.durations, h("h2", {}, "How long items waited for their first attempt"), part.waited)),
      h("section", {}, h("h2", {}, "What happened"), part.events, h("h2", {}, "Submitted with"), part.policy)));
  fill(part.head, h("h1", {}, id), h("p", {}, "Asking…"));

  function drawRange() {
    if (!range) fill(part.range, seen ? h("p", { class: "dim" }, seen.grid.width > 1 ? `${number(seen.grid.width)} items a cell; choose one to look closer` : "an item a cell") : "");
    else fill(part.range, h("div", { class: "row" }, `items ${number(range[0])} to ${number(range[1] - 1)}`, h("button", { onclick: () => zoom(null) }, "All items")));
  }

  function drawSeen() {
    grid.show(seen.grid);
    canvas.setAttribute("aria-label", `Items by index: ${number(seen.known)} done, ${number(seen.failed)} failed. Arrow keys choose a cell, Enter looks closer.`);
    const opened = new Set([...part.groups.querySelectorAll("details[open]")].map((details) => details.dataset.group));
    const again = show?.state === "ended" ? (g) => runAgain(id, g) : null;
    fill(part.groups, seen.groups.length === 0 ? h("p", { class: "dim" }, "None.") : seen.groups.map(group(open, again)), seen.ungrouped > 0 ? h("p", { class: "dim" }, `${number(seen.ungrouped)} more, in further groups`) : "");
    for (const details of part.groups.querySelectorAll("details")) details.open = opened.has(details.dataset.group);
    fill(part.durations, histogram(seen.durations, microseconds, "No attempt has ended yet."));
    drawRange();
  }

  function drawShow() {
    fill(part.head, h("h1", {}, id), h("p", {}, state(show), ` · task ${show.task} on queue ${show.queue} · submitted ${time(show.submitted_ms)}`));
    fill(part.policy, Object.keys(show.policy).length === 0 ? h("p", { class: "dim" }, "the defaults") : h("code", {}, Object.entries(show.policy).map(([name, value]) => `--${name} ${value === "true" ? "" : value}`).join(" ")));
  }

  /** Not under somebody's hands, unless what they could do has changed. */
  function drawControls(known) {
    const isHeld = part.control.contains(document.activeElement);
    if (isHeld && part.control.dataset.state === show.state) return;
    part.control.dataset.state = show.state;
    fill(part.control, controls(id, show, known, () => refresh().catch(say)));
    if (isHeld) part.control.querySelector("button")?.focus();
  }

  function draw() {
    if (show) drawShow();
    if (seen) drawSeen();
    if (show) fill(part.limits, limits(show));
    if (!part.running.contains(document.activeElement)) fill(part.running, workersAway ? h("p", { class: "note bad" }, `As it was last known: ${workersAway}.`) : "", running(show, runningOf(workers, id), open));
    fill(part.events, timeline.draw());
    if (show?.stream) {
      fill(part.tiles, streamTiles(show));
      fill(part.notes, streamTopics(show.stream), show.waits.map((why) => h("p", { class: "note" }, why)), streamLanes(show.stream));
      main.classList.add("stream");
      drawControls({ failed: 0 });
    }
    if (!show && seen) fill(part.tiles, countTiles(seen, "…"));
    if (show && !seen && !show.stream) {
      fill(part.notes, notes(show, null));
      drawControls({ failed: show.failed ?? 0 });
    }
    if (!show || !seen) return;
    fill(part.tiles, tiles(show, seen));
    fill(part.progress, bar(show, seen));
    fill(part.notes, notes(show, seen));
    fill(part.waited, histogram(show.waited, duration, show.log_unread > 0 ? "Its log is being read." : "Nobody has said yet."));
    drawControls(seen);
  }

  function zoom(to) {
    range = to;
    address();
    watch();
  }

  function watch() {
    following?.abort();
    following = new AbortController();
    signal.addEventListener("abort", () => following.abort());
    const cells = range ? `&from=${range[0]}&to=${range[1]}` : show?.total > 0 ? `&to=${show.total}` : "";
    follow(`${path}/watch?bins=${grid.room}${cells}`, following.signal, (data) => { seen = data; draw(); }, (error) => { if (show && !show.stream) say(error, "watch"); });
  }

  async function refresh() {
    const had = show?.total;
    try {
      show = await get(`${path}?read_ms=${show ? READ_MS : 0}`, signal);
    } catch (error) {
      if (!show && error.status >= 500 && !signal.aborted) fill(part.head, h("h1", {}, id), h("p", { class: "bad" }, error.message));
      if (error.status !== 404 || signal.aborted) throw error;
      fill(main, h("h1", {}, id), h("p", {}, error.message), h("p", {}, h("a", { href: "#/jobs" }, "All jobs")));
      return;
    }
    if (signal.aborted) return;
    say(null);
    timeline.see(show);
    if (show.stream) following?.abort();
    else if (had !== show.total && !range) watch();
    draw();
    if (/^[0-9]{1,15}$/.test(query.get("item"))) open(Number(query.get("item")));
    query.delete("item");
    await refreshFleet();
    if (show.log_unread > 0 && !signal.aborted) await refresh();
  }

  async function refreshFleet() {
    timeline.seeFleet(await get(`/v1/events?queue=${encodeURIComponent(show.queue)}`, signal));
    try {
      if (show.state !== "ended") workers = (await get("/v1/workers", signal)).workers;
      workersAway = null;
    } catch (error) {
      if (signal.aborted || error.status !== 503) throw error;
      workersAway = error.message;
    }
    if (!signal.aborted) draw();
  }
  watch(); // not behind show, which reads a log of millions first
  repeat(() => (show?.state === "ended" ? 10 * SHOW_EVERY_MS : SHOW_EVERY_MS), signal, say, refresh);
  addEventListener("resize", () => { if (seen) grid.draw(); }, { signal });
}
