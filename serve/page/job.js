// One job, live: counts, why it is not faster, all items as a grid, failures in groups, durations, one item looked at, and control.
import { follow, get, getLines, post, repeat } from "./api.js";
import { duration, fill, h, microseconds, number, percent, state, time } from "./dom.js";
import { Grid } from "./grid.js";

const SHOW_EVERY_MS = 3000;
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

function tiles(show, seen) {
  const total = show.total === undefined ? `${number(show.published)}+` : number(show.total);
  return [
    tile(`done of ${total}`, number(seen.known)),
    tile("values", number(seen.known - seen.failed), "ok"),
    tile("failed", number(seen.failed), seen.failed > 0 ? "bad" : ""),
    tile("attempts beyond the first", number(seen.retried), seen.retried > 0 ? "retried" : ""),
    tile("outcomes a second", show.rate.toFixed(1)),
    tile("left, at this rate", eta(show, seen)),
    tile(show.concurrency > 0 ? `of ${number(show.concurrency)} tokens held` : "no limit", show.tokens_held >= 0 ? number(show.tokens_held) : "–"),
    tile("workers serve its task", show.workers >= 0 ? number(show.workers) : "–"),
  ];
}

function bar(show, seen) {
  const whole = Math.max(show.total ?? show.published, seen.known, 1);
  const part = (n, kind) => { const i = h("i", { class: kind }); i.style.width = `${(100 * n) / whole}%`; return i; };
  return h("div", { class: "bar", role: "img", "aria-label": `${percent(seen.known, whole)} done, ${number(seen.failed)} failed` },
    part(seen.known - seen.failed, "ok"), part(seen.failed, "bad"));
}

function notes(show, seen) {
  const out = show.waits.map((why) => h("p", { class: "note" }, why));
  if (show.state !== "ended" && seen.head < seen.items_end)
    out.push(h("p", { class: "note" }, `Item ${number(seen.head)} is the first without an outcome; outcomes up to item ${number(seen.items_end - 1)} are there and wait for it in an ordered list.`));
  if (show.running_index >= 0)
    out.push(h("p", { class: "dim" }, `Runs for longest: item ${number(show.running_index)}, attempt ${show.running_attempt}, for ${duration(show.running_ms)} on ${show.running_worker}.`));
  if (show.log_gone) out.push(h("p", { class: "note bad" }, "Retention took the beginning of its log: the list can no longer be gathered whole."));
  return out;
}

function group(openItem) {
  return (g) => h("details", {},
    h("summary", {}, h("b", { class: "bad" }, number(g.count)), " ", h("span", { class: "dim" }, g.type && g.type !== g.kind ? `${g.kind} ${g.type}: ` : `${g.kind}: `), g.message || "(no message)"),
    h("p", { class: "dim" }, `first at item ${number(g.first)}, last at item ${number(g.last)}`),
    g.samples.map((sample) => h("div", {}, h("button", { onclick: () => openItem(sample.index) }, `item ${number(sample.index)}`), h("pre", {}, sample.message))));
}

function histogram(buckets) {
  const last = buckets.findLastIndex((n) => n > 0), first = buckets.findIndex((n) => n > 0);
  if (first < 0) return h("p", { class: "dim" }, "No attempt has ended yet.");
  const most = Math.max(...buckets), all = buckets.reduce((a, b) => a + b, 0);
  return h("table", {}, h("tbody", {}, buckets.slice(first, last + 1).map((n, i) => {
    const fillBar = h("i", { class: "ok" });
    fillBar.style.width = `${(100 * n) / most}%`;
    return h("tr", {}, h("td", { class: "number" }, `< ${microseconds(2 ** (first + i + 1))}`), h("td", { class: "wide" }, h("div", { class: "bar" }, fillBar)),
      h("td", { class: "number" }, number(n)), h("td", { class: "number dim hide-narrow" }, percent(n, all)));
  })));
}

// ---- one item ----

async function openItem(id, index) {
  const body = h("div", {}, "Asking…");
  const dialog = h("dialog", { "aria-label": `Item ${index}`, onclose: (event) => event.target.remove() },
    h("h1", {}, `Item ${number(index)}`), body, h("form", { method: "dialog", class: "row" }, h("button", { autofocus: true }, "Close")));
  document.body.append(dialog);
  dialog.showModal();
  try {
    const [record] = await getLines(`/v1/jobs/${encodeURIComponent(id)}/outcomes?live=poll&limit=1&records=true&from=${index}`);
    if (!record || record.index !== index) fill(body, h("p", {}, "It has no outcome yet, or those before it have none."));
    else fill(body, h("dl", {}, h("dt", {}, "attempts"), h("dd", {}, number(record.attempts)),
      record.error ? [h("dt", {}, "kind"), h("dd", { class: "bad" }, record.error.kind), Object.entries(record.error).filter(([key]) => key !== "kind").map(([key, value]) => [h("dt", {}, key), h("dd", {}, h("pre", {}, String(value)))])].flat(2)
        : [h("dt", {}, "value"), h("dd", {}, h("pre", {}, JSON.stringify(record.value, null, 1)))]),
      h("p", { class: "dim" }, `fanmap gather ${id} --records, line ${index + 1}`));
  } catch (error) {
    fill(body, h("p", { class: "bad" }, error.message));
  }
}

// ---- control ----

function confirmed(words, command) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { onclose: (event) => { resolve(event.target.returnValue === "yes"); event.target.remove(); } },
      h("p", {}, words), h("pre", {}, command),
      h("form", { method: "dialog", class: "row" }, h("button", { value: "yes" }, "Do it"), h("button", { value: "no", autofocus: true }, "Leave it")));
    document.body.append(dialog);
    dialog.showModal();
  });
}

function controls(id, show, seen, done) {
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  const limit = h("input", { type: "number", min: 0, value: show.concurrency, "aria-label": "Attempts at once", size: 6 });
  const act = async (words, command, what) => {
    if (!(await confirmed(words, command))) return;
    try { await what(); done(null); } catch (error) { done(error); }
  };
  if (show.state === "ended") return h("p", { class: "dim" }, "The job has ended. ", seen.failed > 0 ? ["Run its failed items again: ", h("code", {}, `fanmap map ${show.task} --retry-failed ${id}`)] : "");
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

export function job({ main, signal, say }, id, query) {
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  let show = null, seen = null, following = null;
  let range = query.has("from") ? [Number(query.get("from")), Number(query.get("to"))] : null;
  const part = Object.fromEntries(["head", "tiles", "progress", "notes", "control", "range", "hover", "groups", "durations", "policy"].map((name) => [name, h("div", { class: name })]));
  const canvas = h("canvas");
  const open = (index) => openItem(id, index);
  const grid = new Grid(canvas, (from, to) => (to - from === 1 ? open(from) : zoom([from, to])), (from, to, [done, retried, failed]) =>
    fill(part.hover, to - from === 1 ? `item ${number(from)}: ${done ? (failed ? "failed" : retried ? "a value, after a retry" : "a value") : "no outcome yet"}`
      : `items ${number(from)} to ${number(to - 1)}: ${number(done)} done, ${number(failed)} failed, ${number(retried)} retried`));

  fill(main, part.head, part.tiles, part.progress, part.notes, part.control, h("h2", {}, "Items"), part.range, canvas,
    h("div", { class: "legend" }, [["", "no outcome yet"], ["ok", "value"], ["retried", "value after a retry"], ["bad", "failed"]].map(([kind, word]) => h("span", {}, h("i", { class: kind }), word))),
    h("p", { class: "dim", role: "status" }, part.hover),
    h("div", { class: "columns" }, h("section", {}, h("h2", {}, "Failures"), part.groups), h("section", {}, h("h2", {}, "How long the last attempts ran"), part.durations, h("h2", {}, "Submitted with"), part.policy)));
  fill(part.head, h("h1", {}, id), h("p", {}, "Asking…"));

  function drawRange() {
    if (!range) fill(part.range, seen ? h("p", { class: "dim" }, seen.grid.width > 1 ? `${number(seen.grid.width)} items a cell; choose one to look closer` : "an item a cell") : "");
    else fill(part.range, h("div", { class: "row" }, `items ${number(range[0])} to ${number(range[1] - 1)}`, h("button", { onclick: () => zoom(null) }, "All items")));
  }

  function drawSeen() {
    grid.show(seen.grid);
    canvas.setAttribute("aria-label", `Items by index: ${number(seen.known)} done, ${number(seen.failed)} failed. Arrow keys choose a cell, Enter looks closer.`);
    const opened = new Set([...part.groups.querySelectorAll("details[open] summary")].map((summary) => summary.textContent.replace(/^[\d,]+/, "")));
    fill(part.groups, seen.groups.length === 0 ? h("p", { class: "dim" }, "None.") : seen.groups.map(group(open)), seen.ungrouped > 0 ? h("p", { class: "dim" }, `${number(seen.ungrouped)} more, in further groups`) : "");
    for (const details of part.groups.querySelectorAll("details"))
      if (opened.has(details.querySelector("summary").textContent.replace(/^[\d,]+/, ""))) details.open = true;
    fill(part.durations, histogram(seen.durations));
    drawRange();
  }

  function drawShow() {
    fill(part.head, h("h1", {}, id), h("p", {}, state(show), ` · task ${show.task} on queue ${show.queue} · submitted ${time(show.submitted_ms)}`));
    fill(part.policy, Object.keys(show.policy).length === 0 ? h("p", { class: "dim" }, "the defaults") : h("code", {}, Object.entries(show.policy).map(([name, value]) => `--${name} ${value === "true" ? "" : value}`).join(" ")));
  }

  function draw() {
    if (show) drawShow();
    if (seen) drawSeen();
    if (!show || !seen) return;
    fill(part.tiles, tiles(show, seen));
    fill(part.progress, bar(show, seen));
    fill(part.notes, notes(show, seen));
    if (!part.control.contains(document.activeElement)) fill(part.control, controls(id, show, seen, (error) => { say(error); refresh().catch(say); }));
  }

  function zoom(to) {
    range = to;
    history.replaceState(null, "", `#/jobs/${encodeURIComponent(id)}${range ? `?from=${range[0]}&to=${range[1]}` : ""}`);
    watch();
  }

  function watch() {
    following?.abort();
    following = new AbortController();
    signal.addEventListener("abort", () => following.abort());
    const cells = range ? `&from=${range[0]}&to=${range[1]}` : show?.total > 0 ? `&to=${show.total}` : "";
    follow(`${path}/watch?bins=${grid.room}${cells}`, following.signal, (data) => { seen = data; draw(); }, say);
  }

  async function refresh() {
    const had = show?.total;
    try {
      show = await get(path);
    } catch (error) {
      if (error.status !== 404 || signal.aborted) throw error;
      fill(main, h("h1", {}, id), h("p", {}, error.message), h("p", {}, h("a", { href: "#/jobs" }, "All jobs")));
      return;
    }
    if (signal.aborted) return;
    if (!following || had !== show.total) watch();
    draw();
  }
  repeat(() => (show?.state === "ended" ? 10 * SHOW_EVERY_MS : SHOW_EVERY_MS), signal, say, refresh);
  addEventListener("resize", () => { if (seen) grid.draw(); }, { signal });
}
