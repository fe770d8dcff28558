// The page: finds the view for the address, shows it, and ends it when the address changes.
import { Problem, setToken, takeTokenFromAddress } from "./api.js";
import { decoded, fill, h } from "./dom.js";
import { fleet } from "./fleet.js";
import { job } from "./job.js";
import { jobs } from "./jobs.js";

const main = document.getElementById("main");
const link = document.getElementById("link");
let ending = new AbortController();
const problems = new Map(); // by which part of the view has one

/** What a view is given: where it draws, when it ends, and whom it tells that the server does not answer. */
function context() {
  ending.abort();
  ending = new AbortController();
  return { main, signal: ending.signal, say };
}

function askToken(error) {
  ending.abort(); // what the view goes on asking for would take the field from under somebody's hands
  const field = h("input", { type: "password", autocomplete: "off", size: 50, "aria-label": "Token" });
  const form = h("form", { class: "row", onsubmit: (event) => { event.preventDefault(); setToken(field.value.trim()); show(); } }, field, h("button", {}, "Open"));
  fill(main, h("h1", {}, "Who are you?"), h("p", {}, error.message), form);
  field.focus();
}

/** null: all is well, as far as this part of the view knows. */
function say(error, part = "") {
  if (error instanceof Problem && error.status === 401) return askToken(error);
  if (error) problems.set(part, error.message);
  else problems.delete(part);
  const [first] = problems.values();
  link.classList.toggle("stale", Boolean(first));
  link.textContent = first ? `Not up to date: ${first}` : "";
}

const nothing = () => fill(main, h("h1", {}, "There is nothing at this address"), h("p", {}, h("a", { href: "#/jobs" }, "All jobs")));

const views = [
  [/^#\/jobs\/([^?]+)(\?.*)?$/, (ctx, match) => (decoded(match[1]) === null ? nothing() : job(ctx, decoded(match[1]), new URLSearchParams(match[2] || "")))],
  [/^#\/jobs(\?.*)?$/, (ctx, match) => jobs(ctx, new URLSearchParams(match[1] || ""))],
  [/^#\/fleet$/, (ctx) => fleet(ctx)],
];

function show() {
  takeTokenFromAddress(); // also into a page that is open
  const address = location.hash || "#/jobs";
  const found = views.find(([pattern]) => pattern.test(address));
  const named = /^#\/(?:jobs\/)?([^?/]+)/.exec(address);
  document.title = named ? `${decoded(named[1]) ?? ""} – fanmap` : "fanmap"; // one tab is told from another
  for (const a of document.querySelectorAll("nav a")) {
    if (address.startsWith(a.getAttribute("href"))) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  problems.clear();
  say(null);
  const ctx = context(); // whatever comes now, what was shown before has ended
  if (found) found[1](ctx, found[0].exec(address));
  else nothing();
}

addEventListener("hashchange", show);
show();
