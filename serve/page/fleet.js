// Who serves what, and what nobody could use.
import { get, post, repeat } from "./api.js";
import { confirmed, tell } from "./confirm.js";
import { runningOf } from "./item.js";
import { counted, duration, fill, h, number, percent, refill, table, tile, time } from "./dom.js";

const EVERY_MS = 3000;
const RUNS_SHOWN = 3;
const QUEUES_SHOWN = 50;
const READ_MS = 200; // of a job's log: only whether it has ended
const JOBS_SHOWN = 12; // each is asked for by itself
const JOBS_ASKED = 36; // of those that may have ended: at a time
const LANES_SHOWN = 8;
const SILENT_MS = 15000;

/** Those that run for longest, the others folded up; what its row has no room for is counted. */
function runs(worker) {
  const entry = ({ job, index, ms }) => h("div", {}, h("a", { href: `#/jobs/${encodeURIComponent(job)}?item=${index}`, "data-key": `${worker.id} ${job} ${index}` }, `${job} ${number(index)}`), ` for ${duration(ms)}`);
  const list = runningOf([worker]), untold = worker.running - list.length;
  return [...list.slice(0, RUNS_SHOWN).map(entry), list.length > RUNS_SHOWN ? h("details", { "data-key": worker.id }, h("summary", { "data-key": `more ${worker.id}` }, `${number(list.length - RUNS_SHOWN)} more`), list.slice(RUNS_SHOWN).map(entry)) : "",
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

const queueRow = (row) => [row.queue, row.task, number(row.workers), number(row.items), duration(row.ms)];

function workerRow(worker) {
  return [`${worker.host}:${worker.pid}`, worker.queue, worker.version || "–", worker.tasks.split(",").join(", "), `${number(worker.running)} of ${number(worker.slots)}`, number(worker.queued), number(worker.partitions),
    h("span", { class: worker.silent_ms > SILENT_MS ? "bad" : "" }, `${duration(worker.silent_ms)} ago`), duration(Date.now() - worker.started_ms), runs(worker)];
}

/** `letter` undefined: all. */
async function putBack(letter) {
  const which = letter === undefined ? "--all" : letter;
  if (!(await confirmed(`${letter === undefined ? "Every letter" : `Letter ${letter}`} goes back to where it stood, if it is an item of a job that runs; a letter stays listed until retention takes it.`, `fanmap dead replay ${which}`, letter === undefined ? "Put all back" : "Put back"))) return;
  try {
    const answer = await post(`/v1/dead/${letter === undefined ? "" : `${letter}/`}replay`);
    tell(`${number(answer.replayed)} put back, ${number(answer.refused_n)} left${answer.refused_n > 0 ? `: ${answer.refused[0].why}` : ""}`);
  } catch (error) {
    tell(error.message);
  }
}

function deadRow(letter) {
  return [letter.letter, letter.reason, number(letter.bytes), time(letter.at_ms), `${letter.topic || "?"}/${letter.partition}/${letter.offset}`,
    h("button", { "data-key": `letter ${letter.letter}`, onclick: () => putBack(letter.letter) }, "Put back")];
}

/** One that runs or is paused: its share of the fleet, by what show says. */
function jobRow(show, busy) {
  const known = (n) => (n >= 0 ? number(n) : "–");
  const lanes = show.stream ? show.stream.lanes.filter((lane) => lane.lag > 0) : [];
  const oldest = lanes.reduce((age, lane) => Math.max(age, lane.head_age_ms), -1);
  const share = show.attempts_running > 0 && busy > 0 ? h("span", { class: "dim" }, ` (${percent(Math.min(show.attempts_running, busy), busy)})`) : "";
  return [h("a", { href: `#/jobs/${encodeURIComponent(show.job)}`, "data-key": `job ${show.job}` }, show.job), `${show.task} on ${show.queue}`, [known(show.attempts_running), share], known(show.attempts_queued),
    show.concurrency > 0 ? `${known(show.tokens_held)} of ${number(show.concurrency)}${show.token_holders ? `, held by ${show.token_holders}` : ""}` : "no limit", known(show.lag),
    [lanes.slice(0, LANES_SHOWN).map((lane) => `${lane.partition}: ${number(lane.lag)}`).join(", "), lanes.length > LANES_SHOWN ? ", …" : "", oldest >= 0 ? `, the oldest for ${duration(oldest)}` : ""]];
}

/** Who answers. */
function health(word, problem) {
  return h("div", { class: "tile" }, h("b", { class: problem ? "bad" : "ok" }, problem ? "away" : "answers"), h("span", {}, problem ? `${word}: ${problem}` : word));
}

const some = (columns, rows, empty) => (rows.length > 0 ? table(columns, rows) : h("p", { class: "dim" }, empty));

const workerColumns = [["Worker", "mono"], ["Queue", ""], ["Version", ""], ["Tasks", ""], ["Slots busy", "number"], ["Items waiting", "number"], ["Partitions", "number"], ["Last heard", "number"], ["Up for", "number"], ["Runs now, longest first", "runs"]];
const queueColumns = [["Queue", ""], ["Task", ""], ["Workers", "number"], ["Items that only want a slot", "number"], ["Oldest waits", "number"]];
const deadColumns = [["Letter", "number"], ["Reason", ""], ["Bytes", "number"], ["Since", "when"], ["Stood at topic/partition/offset", "mono name"], ["", ""]];
const jobColumns = [["Job", "mono name"], ["Task", ""], ["Runs (of all that runs)", "number"], ["Waits in workers", "number"], ["Tokens", ""], ["Lag of its task", "number"], ["Lag by lane", ""]];

export function fleet({ main, signal, say }) {
  const part = Object.fromEntries(["tiles", "workers", "queues", "shares", "dead"].map((name) => [name, h("div", { class: name }, h("p", { class: "dim" }, "Asking…"))]));
  fill(main, h("h1", {}, "Fleet"), part.tiles, h("h2", {}, "Workers"), part.workers, h("h2", {}, "Queues, the oldest item first"), part.queues, h("h2", {}, "Jobs that share it"), part.shares, h("p", { class: "dim" }, "Lag: records that wait or run, on the topic of a job's task, of all its jobs; of a stream, in each partition of its source."), h("h2", {}, "Dead letters"), part.dead);
  let list = [];
  const away = {};
  const over = new Set(); // jobs of which nobody wrote down that they ended; a log that is over stays so

  function drawTiles() {
    const sum = (key) => list.reduce((total, worker) => total + worker[key], 0);
    const versions = new Set(list.map((worker) => worker.version)).size;
    refill(part.tiles, [["workers", number(list.length)], ["slots busy", `${number(sum("running"))} of ${number(sum("slots"))}`], ["items waiting in workers", number(sum("queued"))]]
      .map(([word, text]) => tile(word, away.redis ? "–" : text)), versions > 1 && !away.redis ? tile("versions of workers", number(versions), "retried") : "", health("Kafka", away.kafka), health("Redis", away.redis));
  }

  function drawWorkers() {
    const all = queueRows(list), rows = all.filter((row) => row.items > 0), idle = all.length - rows.length;
    refill(part.queues, some(queueColumns, rows.slice(0, QUEUES_SHOWN).map(queueRow), "Nothing waits for a slot."),
      rows.length > QUEUES_SHOWN ? h("p", { class: "dim" }, `The first ${QUEUES_SHOWN} of ${number(rows.length)}.`) : "",
      rows.length > 0 && idle > 0 ? h("p", { class: "dim" }, `Of ${counted(idle, "more task", "more tasks")} nothing waits for a slot.`) : "");
    refill(part.workers, some(workerColumns, list.map(workerRow), "Redis has heard of no worker within the last minute."));
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

  /** First those that run on some worker, then the newest. Which have ended only their logs say, so that those are asked for, too. */
  async function askShares({ jobs }) {
    const onWorkers = new Set(runningOf(list).map((entry) => entry.job));
    const open = jobs.filter((job) => job.state !== "ended" && !over.has(job.job)).reverse().sort((a, b) => onWorkers.has(b.job) - onWorkers.has(a.job));
    const shows = [];
    for (const { job } of open.slice(0, JOBS_ASKED)) {
      const show = shows.length < JOBS_SHOWN ? await get(`/v1/jobs/${encodeURIComponent(job)}?read_ms=${READ_MS}`, signal).catch(() => null) : null;
      if (signal.aborted) return;
      if (show?.state === "ended") over.add(job);
      else if (show) shows.push(show);
    }
    const busy = list.reduce((sum, worker) => sum + worker.running, 0), more = open.filter(({ job }) => !over.has(job)).length - shows.length;
    refill(part.shares, some(jobColumns, shows.map((show) => jobRow(show, busy)), "No job runs."),
      more > 0 ? h("p", { class: "dim" }, `${counted(more, "more job")} may be open: those that run on a worker are listed first, then the newest.`) : "");
  }

  repeat(() => EVERY_MS, signal, say, async () => {
    await ask("redis", [part.workers, part.queues], "/v1/workers", ({ workers }) => {
      list = workers;
      drawWorkers();
    });
    if (signal.aborted) return;
    await ask("kafka", [part.dead], "/v1/dead", ({ dead: letters }) => {
      refill(part.dead, some(deadColumns, letters.slice(-100).reverse().map(deadRow), "None: every record could be used."),
        letters.length > 0 ? h("div", { class: "row" }, h("button", { "data-key": "all letters", onclick: () => putBack() }, "Put all back")) : "");
    });
    if (signal.aborted) return;
    const jobs = await ask("kafka", [part.shares], "/v1/jobs?counts=false", () => {});
    if (jobs) await askShares(jobs);
    if (!signal.aborted) say(null);
    return Object.keys(away).length === 0;
  });
}
