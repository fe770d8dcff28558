// What can be done to a job: each says before what it would do, and the command that does the same.
import { post } from "./api.js";
import { confirmed, tell } from "./confirm.js";
import { counted, h, number } from "./dom.js";

/** What failed, or one group of it, as a new job, which is then looked at. */
export async function runAgain(id, group) {
  const words = group ? `A new job with the whole list of this one: the ${counted(group.count, "item")} of this group run again, all others keep their value or error.`
    : "A new job with the whole list of this one: values stay, and what has none runs again.";
  if (!(await confirmed(words, `fanmap submit --retry-failed ${id}${group ? ` --retry-group ${group.group}` : ""}`, "Run again"))) return;
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

/** `without`: how many items have no value; `done`: called after something was done. */
export function controls(id, show, without, done) {
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  const it = show.stream ? "stream" : "job";
  const limit = h("input", { type: "number", min: 0, value: show.concurrency, size: 6 });
  const act = async (words, command, verb, what, isDanger) => {
    if (!(await confirmed(words, command, verb, isDanger))) return;
    try { await what(); done(); } catch (error) { tell(error.message); }
  };
  if (show.state === "ended") return h("div", { class: "row" }, h("span", { class: "dim" }, `The ${it} has ended.`),
    without > 0 ? h("button", { onclick: () => runAgain(id, null) }, "Run what failed again") : "");
  const pause = () => act("Nothing more starts; what runs goes on to its end.", `fanmap pause ${id}`, "Pause", () => post(`${path}/pause`));
  const resume = () => act("Items start again, as tokens and slots allow.", `fanmap resume ${id}`, "Resume", () => post(`${path}/resume`));
  const set = () => act(Number(limit.value) > 0 ? `At most ${counted(Number(limit.value), "attempt")} at once; nothing is killed.` : "No limit: as many at once as there are slots.",
    `fanmap set ${id} --concurrency ${Number(limit.value)}`, Number(limit.value) > 0 ? `Limit to ${number(Number(limit.value))}` : "Take the limit away", () => post(path, { concurrency: Number(limit.value) }, "PATCH"));
  const cancel = () => act(show.stream ? "Attempts that run are killed, and no more records are read. This cannot be undone." : "Attempts that run are killed, all other items end as cancelled. This cannot be undone.",
    `fanmap cancel ${id}`, `Cancel the ${it}`, () => post(`${path}/cancel`), true);
  return h("div", { class: "row" },
    show.state === "paused" ? h("button", { onclick: resume }, "Resume") : h("button", { onclick: pause }, "Pause"),
    h("label", {}, "Attempts at once (0: no limit)", limit), h("button", { onclick: set }, "Set"),
    h("button", { class: "danger", onclick: cancel }, `Cancel the ${it}`));
}
