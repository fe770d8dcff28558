// The page: finds the view for the address, shows it, and ends it when the address changes.
import { Problem, setToken } from "./api.js";
import { fill, h } from "./dom.js";
import { fleet } from "./fleet.js";
import { job } from "./job.js";
import { jobs } from "./jobs.js";

const main = document.getElementById("main");
const link = document.getElementById("link");
let ending = new AbortController();

/** What a view is given: where it draws, when it ends, and whom it tells that the server does not answer. */
function context() {
  ending.abort();
  ending = new AbortController();
  return { main, signal: ending.signal, say };
}

function askToken(error) {
  const field = h("input", { type: "password", autocomplete: "off", size: 50, "aria-label": "Token" });
  const form = h("form", { class: "row", onsubmit: (event) => { event.preventDefault(); setToken(field.value.trim()); show(); } }, field, h("button", {}, "Open"));
  fill(main, h("h1", {}, "Who are you?"), h("p", {}, error.message), form);
  field.focus();
}

/** null: all is well. */
function say(error) {
  if (error instanceof Problem && error.status === 401) askToken(error);
  else link.textContent = error ? `Not up to date: ${error.message}` : "";
}

const views = [
  [/^#\/jobs\/([^?]+)(\?.*)?$/, (ctx, match) => job(ctx, decodeURIComponent(match[1]), new URLSearchParams(match[2] || ""))],
  [/^#\/jobs(\?.*)?$/, (ctx, match) => jobs(ctx, new URLSearchParams(match[1] || ""))],
  [/^#\/fleet$/, (ctx) => fleet(ctx)],
];

function show() {
  const address = location.hash || "#/jobs";
  const found = views.find(([pattern]) => pattern.test(address));
  for (const a of document.querySelectorAll("nav a")) {
    if (address.startsWith(a.getAttribute("href"))) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  say(null);
  if (found) found[1](context(), found[0].exec(address));
  else fill(main, h("h1", {}, "There is nothing at this address"), h("p", {}, h("a", { href: "#/jobs" }, "All jobs")));
}

addEventListener("hashchange", show);
show();
