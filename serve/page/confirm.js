// A question before something is done: what it would do, and the command that does the same.
import { h } from "./dom.js";

/** `verb`: what the button that does it says. */
export function confirmed(words, command, verb, isDanger = false) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { onclose: (event) => { resolve(event.target.returnValue === "yes"); event.target.remove(); } },
      h("p", {}, words), h("p", { class: "dim" }, "The same from a shell:"), h("pre", {}, command),
      h("form", { method: "dialog", class: "row" }, h("button", { value: "yes", class: isDanger ? "danger" : "" }, verb), h("button", { value: "no", autofocus: true }, "Leave it")));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** What came of it, until it is closed. */
export function tell(words) {
  const dialog = h("dialog", { onclose: () => dialog.remove() }, h("p", { role: "status" }, words), h("form", { method: "dialog", class: "row" }, h("button", { autofocus: true }, "Close")));
  document.body.append(dialog);
  dialog.showModal();
}
