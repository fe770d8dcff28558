// Failures in groups: what is the same in their messages, how many there are, the first and the last, three of them, and all of a group once more.
import { h, number, refill } from "./dom.js";

function group(g, openItem, again) {
  return h("details", { "data-group": g.group, "data-key": `group ${g.group}` },
    h("summary", { "data-key": `words ${g.group}` }, h("b", { class: "bad" }, number(g.count)), " ", h("span", { class: "dim" }, g.type && g.type !== g.kind ? `${g.kind} ${g.type}: ` : `${g.kind}: `), g.message || "(no message)"),
    h("p", { class: "dim" }, `first at item ${number(g.first)}, last at item ${number(g.last)}`),
    again ? h("div", { class: "row" }, h("button", { "data-key": `again ${g.group}`, onclick: () => again(g) }, "Run this group again"))
      : h("p", { class: "dim cancel" }, `It can be run again when the job has ended. There is nothing of it to cancel: its ${number(g.count)} items have ended, and what still has a try left is in no group.`),
    g.samples.map((sample) => h("div", { class: "sample" }, h("button", { "data-key": `item ${g.group} ${sample.index}`, onclick: () => openItem(sample.index) }, `item ${number(sample.index)}`), h("pre", {}, sample.message || "(no message)"))));
}

/** `again` null: not while the job runs. */
export function drawFailures(into, { groups, ungrouped }, openItem, again) {
  refill(into, groups.length === 0 ? h("p", { class: "dim" }, "None.") : groups.map((g) => group(g, openItem, again)), ungrouped > 0 ? h("p", { class: "dim" }, `${number(ungrouped)} more, in further groups`) : "");
}
