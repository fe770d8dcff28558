// What the page asks of its server. The token comes from the address once (#token=...), or from whoever is asked, and stays in this tab.
import { decoded } from "./dom.js";

const KEY = "fanmap-token";

export function takeTokenFromAddress() {
  const match = /[#&]token=([^&]+)/.exec(location.hash);
  if (!match) return;
  sessionStorage.setItem(KEY, decoded(match[1]) ?? "");
  history.replaceState(null, "", "#/jobs");
}

export const setToken = (token) => sessionStorage.setItem(KEY, token);

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || `the server answered ${status}`);
    this.status = status;
    this.code = body.code;
  }
}

function headers(more = {}) {
  const token = sessionStorage.getItem(KEY);
  return token ? { Authorization: `Bearer ${token}`, ...more } : more;
}

async function call(path, options = {}) {
  const response = await fetch(path, { ...options, headers: headers(options.headers) }).catch((error) => {
    throw options.signal?.aborted ? error : new Error("fanmap serve does not answer"); // what a browser says of that differs, and says less
  });
  if (response.ok) return response;
  throw new Problem(response.status, await response.json().catch(() => ({})));
}

/** `signal`: who has left a view does not want its answers, and the server need not look for them. */
export const get = async (path, signal) => (await call(path, { signal })).json();

export const post = async (path, body = {}, method = "POST") =>
  (await call(path, { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json" } })).json();

const APART_MAX_MS = 30000;

/** Asks now and again until `signal` is aborted: `everyMs()` apart, and nine times as long as an answer took, so that a large fleet is not
 * asked without a pause; not so after a failure (`ask` gives false, or throws), since whoever comes back is to be seen soon. */
export async function repeat(everyMs, signal, say, ask) {
  while (!signal.aborted) {
    const began = performance.now();
    let isAnswered = false;
    try {
      isAnswered = (await ask()) !== false;
    } catch (error) {
      if (!signal.aborted) say(error);
    }
    const took = performance.now() - began;
    const wait = isAnswered ? Math.max(everyMs(), Math.min(9 * took, APART_MAX_MS)) : everyMs();
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

/** Calls `onBegin` when the answer begins, and `onLine` with each line of JSON as it comes; ends with the answer. */
export async function followLines(path, signal, onBegin, onLine) {
  const { body } = await call(path, { signal });
  onBegin();
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (text + value).split("\n");
    text = lines.pop();
    for (const line of lines) onLine(JSON.parse(line));
  }
}

/** Calls `onData` with each event of a stream, and begins again after it broke off, until `signal` is aborted. */
export async function follow(path, signal, onData, onState) {
  for (let wait = 500; !signal.aborted; wait = Math.min(wait * 2, 10000)) {
    try {
      const response = await call(path, { signal });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      onState(null);
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        wait = 500;
        const events = (text + value).split("\n\n");
        text = events.pop();
        for (const event of events) if (event.startsWith("data: ")) onData(JSON.parse(event.slice(6)));
      }
    } catch (error) {
      if (signal.aborted) return;
      onState(error);
      if (error instanceof Problem && error.status < 500) return;
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
