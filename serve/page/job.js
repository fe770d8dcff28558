// One job, live: counts, why it is not faster, all items as a grid, failures in groups, durations, one item looked at, and control.
import { follow, get, repeat } from "./api.js";
import { controls, runAgain } from "./control.js";
import { bar, headline, histogram, limits, notes, ofShow, tiles } from "./counts.js";
import { duration, fill, h, microseconds, number, refill, table } from "./dom.js";
import { drawFailures } from "./failures.js";
import { Grid } from "./grid.js";
import { openItem, runningOf } from "./item.js";
import { streamLanes, streamNotes, streamTiles } from "./stream.js";
import { Timeline } from "./timeline.js";

const SHOW_EVERY_MS = 3000;
const READ_MS = 1000; // of a long log, at a time: others ask too

const RUNNING = [["Item", "number"], ["Attempt", "number"], ["Runs for", "number"], ["Worker", "mono"]];

function running(show, list, openItem) {
  if (list.length === 0) return h("p", { class: "dim" }, "Nothing that a worker has told of.");
  const untold = (show?.attempts_running ?? 0) - list.length; // a worker names 32 at most
  const item = (entry) => h("button", { "data-key": `runs ${entry.index}`, "aria-label": `Item ${number(entry.index)}: look at it and its log`, onclick: () => openItem(entry.index) }, number(entry.index));
  return [table(RUNNING, list.map((entry) => [item(entry), entry.attempt, duration(entry.ms), entry.worker])), h("p", { class: "dim" }, "An item opens with its log, live.",
    untold > 0 ? ` ${number(untold)} more run; a worker names those that run for longest.` : "")];
}

/** The items that an address names; null: all. */
function rangeOf(query) {
  const [from, to] = [Number(query.get("from") ?? NaN), Number(query.get("to") ?? NaN)];
  return Number.isSafeInteger(from) && Number.isSafeInteger(to) && 0 <= from && from < to ? [from, to] : null;
}

export function job({ main, signal, say }, id, query) {
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  let show = null, seen = null, following = null;
  let range = rangeOf(query);
  const part = Object.fromEntries(["head", "tiles", "progress", "notes", "control", "range", "hover", "groups", "durations", "waited", "lanes", "policy", "limits", "running", "events"].map((name) => [name, h("div", { class: name })]));
  const canvas = h("canvas");
  const timeline = new Timeline();
  let workers = [], workersAway = null;
  const address = (item) => {
    const kept = new URLSearchParams(range ? { from: range[0], to: range[1] } : {});
    if (item !== undefined) kept.set("item", item);
    history.replaceState(null, "", `#/jobs/${encodeURIComponent(id)}${kept.size > 0 ? `?${kept}` : ""}`);
  };
  const open = (index) => { address(index); openItem(id, index, show?.state !== "ended", () => { if (!signal.aborted) address(); }); };
  const grid = new Grid(canvas, (from, to) => (to - from === 1 ? open(from) : zoom([from, to])), () => range && zoom(null), (from, to, [done, retried, failed]) =>
    fill(part.hover, to - from === 1 ? `item ${number(from)}: ${done ? (failed ? "failed" : retried ? "a value, after a retry" : "a value") : "no outcome yet"}`
      : `items ${number(from)} to ${number(to - 1)}: ${number(done)} done, ${number(failed)} failed, ${number(retried)} retried`));

  main.classList.remove("stream", "ended");
  fill(main, part.head, part.tiles, part.progress, part.notes, part.control, part.lanes, h("div", { class: "of-list" }, h("h2", {}, "Items"), part.range, canvas,
    h("div", { class: "legend" }, [["", "no outcome yet"], ["runs", "one runs"], ["ok", "value"], ["retried", "value after a retry"], ["bad", "failed or cancelled"]].map(([kind, word]) => h("span", {}, h("i", { class: kind }), word))),
    h("p", { class: "dim", role: "status" }, part.hover)),
    h("div", { class: "columns" },
      h("section", {}, h("div", { class: "of-list" }, h("h2", {}, "Failures"), part.groups), h("div", { class: "of-open" }, h("h2", {}, "Runs now, longest first"), part.running)),
      h("section", {}, h("div", { class: "of-open" }, h("h2", {}, "Why it is not faster"), part.limits), h("div", { class: "of-list" }, h("h2", {}, "How long the last attempts ran"), part.durations, h("h2", {}, "How long items waited for their first attempt"), part.waited)),
      h("section", {}, h("h2", {}, "What happened"), part.events, h("h2", {}, "Submitted with"), part.policy)));
  fill(part.head, h("h1", {}, id), h("p", {}, "Asking…"));

  function drawRange() {
    if (!range) refill(part.range, seen ? h("p", { class: "dim" }, seen.grid.width > 1 ? `${number(seen.grid.width)} items a cell; choose one to look closer` : "an item a cell") : "");
    else refill(part.range, h("div", { class: "row" }, `items ${number(range[0])} to ${number(range[1] - 1)}`, h("button", { "data-key": "all", onclick: () => zoom(null) }, "All items")));
  }

  function drawSeen() {
    grid.show(seen.grid, show?.state === "ended" ? [] : runningOf(workers, id).map((entry) => entry.index));
    canvas.setAttribute("aria-label", `Items by index: ${number(seen.known)} done, ${number(seen.failed)} failed. Arrow keys choose a cell, Enter looks closer, Escape shows all.`);
    drawFailures(part.groups, seen, open, show?.state === "ended" ? (g) => runAgain(id, g) : null);
    refill(part.durations, histogram(seen.durations, microseconds, show?.state === "ended" ? "No attempt of it ended." : "No attempt has ended yet."));
    drawRange();
  }

  function drawShow() {
    refill(part.head, h("h1", {}, id), h("p", {}, headline(show)));
    refill(part.policy, Object.keys(show.policy).length === 0 ? h("p", { class: "dim" }, "the defaults") : h("code", {}, Object.entries(show.policy).map(([name, value]) => `--${name} ${value === "true" ? "" : value}`).join(" ")));
  }

  /** Not under somebody's hands, unless what they could do has changed. */
  function drawControls(without) {
    const isHeld = part.control.contains(document.activeElement);
    const could = `${show.state} ${without > 0}`;
    if (isHeld && part.control.dataset.could === could) return;
    part.control.dataset.could = could;
    fill(part.control, controls(id, show, without, () => refresh().catch(say)));
    if (isHeld) part.control.querySelector("button")?.focus();
  }

  function drawStream() {
    refill(part.tiles, streamTiles(show));
    refill(part.notes, streamNotes(show));
    refill(part.lanes, streamLanes(show.stream));
    main.classList.add("stream");
    drawControls(0);
  }

  /** `known`: its counts, of the cells' events, or while none has come those that show has. */
  function drawCounts(known) {
    refill(part.tiles, tiles(show, known));
    refill(part.progress, bar(show, known));
    refill(part.waited, histogram(show.waited, duration, show.log_unread > 0 ? "Its log is being read." : show.state === "ended" ? "It is not known of any item." : "It is not known of any item yet."));
    drawControls(known.failed);
  }

  function draw() {
    if (show) drawShow();
    if (seen) drawSeen();
    main.classList.toggle("ended", show?.state === "ended");
    if (show) refill(part.limits, limits(show));
    refill(part.running, workersAway ? h("p", { class: "note bad" }, `As it was last known: ${workersAway}.`) : "", running(show, runningOf(workers, id), open));
    refill(part.events, timeline.draw());
    if (show?.stream) return drawStream();
    if (!show) return void (seen && refill(part.tiles, tiles(null, seen)));
    refill(part.notes, notes(show, seen, open));
    const isRead = show.log_unread === 0 && show.known !== undefined;
    if (seen || isRead) drawCounts(seen ?? ofShow(show));
    else drawControls(0);
  }

  function zoom(to) {
    range = to;
    history.pushState(null, ""); // whoever goes back has not left the job
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
