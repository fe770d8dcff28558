#!/usr/bin/env python3
"""A service with a rate limit, called with retries: at most 4 calls at once, each slot paced, and 429 tried again.

The service is a small one that this program starts itself, so that the example runs anywhere.
"""

import http.server
import threading
import time
import urllib.error
import urllib.request

import fanmap

CALLS_PER_SECOND = 100.0  # of one slot


class Pace:
    def __init__(self) -> None:
        self.next = time.monotonic()

    def wait(self) -> None:
        now = time.monotonic()
        self.next = max(self.next, now) + 1 / CALLS_PER_SECOND
        time.sleep(max(0.0, self.next - now - 1 / CALLS_PER_SECOND))


@fanmap.task(setup=Pace, retries=5, backoff=(0.05, 2, 1), timeout=10)
def ask(n: int, ctx: fanmap.Context, base: str) -> str:
    ctx.state.wait()
    try:
        with urllib.request.urlopen(f"{base}/{n}", timeout=5) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as e:
        e.close()
        if e.code != 429:
            fanmap.fail(f"status {e.code}")  # what is wrong will be wrong again
        raise


class Service(http.server.BaseHTTPRequestHandler):
    """Answers; every tenth call is one too many."""

    calls = 0

    def do_GET(self) -> None:
        Service.calls += 1
        body = f"answer {self.path[1:]}".encode()
        self.send_response(429 if Service.calls % 10 == 0 else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    got = list(fanmap.map(ask, range(60), concurrency=4, bind={"base": base}, return_exceptions=True))
    failed = sum(isinstance(g, fanmap.TaskError) for g in got)
    print(f"{len(got) - failed} answers, {failed} failed")
    server.shutdown()


if __name__ == "__main__":
    main()
