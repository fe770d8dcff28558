// Who serves what, and what nobody could use.
import { get, post, repeat } from "./api.js";
import { confirmed, tell } from "./confirm.js";
import { runningOf } from "./item.js";
import { duration, fill, h, number, time } from "./dom.js";

const EVERY_MS = 3000;
const RUNS_SHOWN = 3;
const QUEUES_SHOWN = 50;
const READ_MS = 200; // of a job's log: only whether it has ended
const JOBS_SHOWN = 12; // each is asked for by itself
const LANES_SHOWN = 8;

/** Those that run for longest, the others folded up; what its row has no room for is counted. */
function runs(worker) {
  const entry = ({ job, index, ms }) => h("div", {}, h("a", { href: `#/jobs/${encodeURIComponent(job)}?item=${index}` }, `${job} ${number(index)}`), ` for ${duration(ms)}`);
  const list = runningOf([worker]), untold = worker.running - list.length;
  return [...list.slice(0, RUNS_SHOWN).map(entry), list.length > RUNS_SHOWN ? h("details", { "data-worker": worker.id }, h("summary", {}, `${number(list.length - RUNS_SHOWN)} more`), list.slice(RUNS_SHOWN).map(entry)) : "",
    untold > 0 ? h("div", { class: "dim" }, `and ${number(untold)} that it does not name`) : ""];
}

/** Each task of each queue: how long the oldest item has waited that only a slot is missing for, the longest first. */
function queueRows(workers) {
  const rows = new Map();
  for (const worker of workers) {
    const waits = new Map(worker.runnable.split(",").filter(Boolean).map((entry) => entry.split("/")).map(([task, items, ms]) => [task, [Number(items), Number(ms)]]));
    for (const task of worker.tasks.split(",").filter(Boolean)) {
      const key = `${worker.queue} ${task}`, [items, ms] = waits.get(task) || [0, 0];
      const row = rows.get(key) || { queue: worker.queue, task, workers: 0, items: 0, ms: 0 };
      rows.set(key, { ...row, workers: row.workers + 1, items: row.items + items, ms: Math.max(row.ms, ms) });
    }
  }
  return [...rows.values()].sort((a, b) => b.ms - a.ms || b.items - a.items || (a.queue + a.task < b.queue + b.task ? -1 : 1));
}

function queueRow(row) {
  return h("tr", {}, h("td", {}, row.queue), h("td", {}, row.task), h("td", { class: "number hide-narrow" }, number(row.workers)),
    h("td", { class: "number" }, number(row.items)), h("td", { class: "number" }, duration(row.ms)));
}

function workerRow(worker) {
  return h("tr", {},
    h("td", { class: "mono" }, `${worker.host}:${worker.pid}`),
    h("td", { class: "hide-narrow" }, worker.queue),
    h("td", { class: "hide-narrow" }, worker.version || "–"),
    h("td", {}, worker.tasks.split(",").join(", ")),
    h("td", { class: "number" }, `${number(worker.running)} of ${number(worker.slots)}`),
    h("td", { class: "number hide-narrow" }, number(worker.queued)),
    h("td", { class: "number hide-narrow" }, number(worker.partitions)),
    h("td", { class: worker.silent_ms > 15000 ? "number bad" : "number" }, duration(worker.silent_ms)),
    h("td", { class: "number hide-narrow" }, duration(Date.now() - worker.started_ms)),
    h("td", { class: "runs" }, runs(worker)));
}

/** `letter` undefined: all. */
async function putBack(letter) {
  const which = letter === undefined ? "--all" : letter;
  if (!(await confirmed(`${letter === undefined ? "Every letter" : `Letter ${letter}`} goes back to where it stood, if it is an item of a job that runs; a letter stays listed until retention takes it.`, `fanmap dead replay ${which}`))) return;
  try {
    const answer = await post(`/v1/dead/${letter === undefined ? "" : `${letter}/`}replay`);
    tell(`${number(answer.replayed)} put back, ${number(answer.refused_n)} left${answer.refused_n > 0 ? `: ${answer.refused[0].why}` : ""}`);
  } catch (error) {
    tell(error.message);
  }
}

function deadRow(letter) {
  return h("tr", {},
    h("td", { class: "number" }, letter.letter),
    h("td", {}, h("button", { onclick: () => putBack(letter.letter) }, "Put back")),
    h("td", {}, letter.reason),
    h("td", { class: "number hide-narrow" }, number(letter.bytes)),
    h("td", { class: "hide-narrow" }, time(letter.at_ms)),
    h("td", { class: "mono hide-narrow" }, `${letter.topic || "?"}/${letter.partition}/${letter.offset}`));
}

/** One that runs or is paused: its share of the fleet, by what show says. */
function jobRow(show) {
  const known = (n) => (n >= 0 ? number(n) : "–");
  const lanes = show.stream ? show.stream.lanes.filter((lane) => lane.lag > 0) : [];
  const oldest = lanes.reduce((age, lane) => Math.max(age, lane.head_age_ms), -1);
  return h("tr", {}, h("td", {}, h("a", { href: `#/jobs/${encodeURIComponent(show.job)}`, class: "mono" }, show.job)), h("td", { class: "hide-narrow" }, `${show.task} on ${show.queue}`),
    h("td", { class: "number" }, known(show.attempts_running)), h("td", { class: "number" }, known(show.attempts_queued)),
    h("td", {}, show.concurrency > 0 ? `${known(show.tokens_held)} of ${number(show.concurrency)}${show.token_holders ? `: ${show.token_holders}` : ""}` : "no limit"),
    h("td", { class: "number" }, known(show.lag)),
    h("td", { class: "hide-narrow" }, lanes.slice(0, LANES_SHOWN).map((lane) => `${lane.partition}: ${number(lane.lag)}`).join(", "), oldest >= 0 ? `, the oldest for ${duration(oldest)}` : ""));
}

/** Who answers. */
function health(word, problem) {
  return h("div", { class: "tile" }, h("b", { class: problem ? "bad" : "ok" }, problem ? "away" : "answers"), h("span", {}, problem ? `${word}: ${problem}` : word));
}

function table(names, rows, empty) {
  if (rows.length === 0) return h("p", { class: "dim" }, empty);
  return h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, names.map(([name, kind]) => h("th", { class: kind }, name)))), h("tbody", {}, rows)));
}

const workerColumns = [["Worker"], ["Queue", "hide-narrow"], ["Version", "hide-narrow"], ["Tasks"], ["Running", "number"], ["Queued", "number hide-narrow"], ["Partitions", "number hide-narrow"], ["Last heard", "number"], ["Up for", "number hide-narrow"], ["Runs now, longest first"]];
const queueColumns = [["Queue"], ["Task"], ["Workers", "number hide-narrow"], ["Could run", "number"], ["Oldest waits", "number"]];
const deadColumns = [["Letter", "number"], [""], ["Reason"], ["Bytes", "number hide-narrow"], ["Buried", "hide-narrow"], ["Stood at", "hide-narrow"]];

const jobColumns = [["Job"], ["Task", "hide-narrow"], ["Runs", "number"], ["Waits in workers", "number"], ["Tokens, and who holds them"], ["Waits or runs of its task", "number"], ["Lag of each lane of a stream", "hide-narrow"]];

export function fleet({ main, signal, say }) {
  const part = Object.fromEntries(["tiles", "workers", "queues", "shares", "dead"].map((name) => [name, h("div", { class: name }, h("p", { class: "dim" }, "Asking…"))]));
  fill(main, h("h1", {}, "Fleet"), part.tiles, h("h2", {}, "Workers"), part.workers, h("h2", {}, "Queues, the oldest item first"), part.queues, h("h2", {}, "Jobs that share it"), part.shares, h("h2", {}, "Dead letters"), part.dead);
  let list = [];
  const away = {};

  function drawTiles() {
    const sum = (key) => list.reduce((total, worker) => total + worker[key], 0);
    fill(part.tiles, [["workers", list.length], ["attempts running", sum("running")], ["slots", sum("slots")], ["items waiting in workers", sum("queued")]]
      .map(([word, n]) => h("div", { class: "tile" }, h("b", {}, away.redis ? "–" : number(n)), h("span", {}, word))), health("Kafka", away.kafka), health("Redis", away.redis));
  }

  function drawWorkers() {
    const all = queueRows(list), rows = all.filter((row) => row.items > 0), idle = all.length - rows.length;
    fill(part.queues, table(queueColumns, rows.slice(0, QUEUES_SHOWN).map(queueRow), "Nothing waits for a slot."),
      rows.length > QUEUES_SHOWN ? h("p", { class: "dim" }, `The first ${QUEUES_SHOWN} of ${number(rows.length)}.`) : "",
      rows.length > 0 && idle > 0 ? h("p", { class: "dim" }, `Of ${number(idle)} more tasks nothing waits for a slot.`) : "");
    if (part.workers.contains(document.activeElement)) return;
    const opened = new Set([...part.workers.querySelectorAll("details[open]")].map((details) => details.dataset.worker));
    fill(part.workers, table(workerColumns, list.map(workerRow), "Redis has heard of no worker within the last minute."));
    for (const details of part.workers.querySelectorAll("details")) details.open = opened.has(details.dataset.worker);
  }

  /** What an answer is made of: if it does not come, its parts say why and the others are asked all the same. */
  async function ask(service, parts, path, show) {
    try {
      const answer = await get(path, signal);
      if (signal.aborted) return null;
      delete away[service];
      show(answer);
      return answer;
    } catch (error) {
      if (signal.aborted || error.status !== 503) throw error;
      away[service] = error.code;
      for (const into of parts) fill(into, h("p", { class: "bad" }, error.message));
      return null;
    } finally {
      if (!signal.aborted) drawTiles();
    }
  }

  async function askShares({ jobs }) {
    const open = jobs.filter((job) => job.state !== "ended").reverse();
    const shows = [];
    for (const { job } of open.slice(0, JOBS_SHOWN)) shows.push(await get(`/v1/jobs/${encodeURIComponent(job)}?read_ms=${READ_MS}`, signal).catch(() => null));
    if (signal.aborted || part.shares.contains(document.activeElement)) return;
    fill(part.shares, table(jobColumns, shows.filter((show) => show && show.state !== "ended").map(jobRow), "No job runs."),
      open.length > JOBS_SHOWN ? h("p", { class: "dim" }, `The newest ${JOBS_SHOWN} of ${number(open.length)}.`) : "");
  }

  repeat(() => EVERY_MS, signal, say, async () => {
    await ask("redis", [part.workers, part.queues], "/v1/workers", ({ workers }) => {
      list = workers;
      drawWorkers();
    });
    if (signal.aborted) return;
    await ask("kafka", [part.dead], "/v1/dead", ({ dead: letters }) => {
      if (part.dead.contains(document.activeElement)) return;
      fill(part.dead, table(deadColumns, letters.slice(-100).reverse().map(deadRow), "None: every record could be used."),
        letters.length > 0 ? h("div", { class: "row" }, h("button", { onclick: () => putBack() }, "Put all back")) : "");
    });
    if (signal.aborted) return;
    const jobs = await ask("kafka", [part.shares], "/v1/jobs?counts=false", () => {});
    if (jobs) await askShares(jobs);
    if (!signal.aborted) say(null);
    return Object.keys(away).length === 0;
  });
}
