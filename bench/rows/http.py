"""The same map over HTTP and by the command line, over the same fleet."""
import json
import os
import subprocess
import time
import urllib.request

from harness import NOOP, Fleet, Result, numbers_file, pairs_of


def serve(fleet, namespace):
    """A server of this namespace, and where it is."""
    log = os.path.join(fleet.folder, f"serve.{namespace}.log")
    with open(log, "wb") as err:
        server = subprocess.Popen([fleet.map("x", "x")[0], "serve", "--namespace", namespace, "--listen", "127.0.0.1:0", "--no-token"],
                                  stderr=err, env=fleet.env)
    while "serves at" not in (said := open(log).read()):
        time.sleep(0.05)
    return server, said.split("serves at ")[1].split()[0]


def http(pairs, items):
    """no-op items through fanmap serve and curl / fanmap map"""
    with Fleet() as fleet:
        fleet.worker("http", "--tasks", NOOP, "--slots", "2")
        fleet.warm("http", "noop")
        path = numbers_file(fleet.folder, items)
        server, url = serve(fleet, "http")
        try:
            command = ["curl", "-sS", "-X", "POST", "-T", path, "-H", "Content-Type: application/x-ndjson", "-o", os.path.join(fleet.folder, "http.out"),
                       url + "/v1/map/noop"]

            def ours():
                began = time.monotonic()
                subprocess.run(command, check=True)
                return time.monotonic() - began

            def theirs():
                began = time.monotonic()
                with open(path, "rb") as stdin, open(os.path.join(fleet.folder, "map.out"), "wb") as out:
                    subprocess.run(fleet.map("http", "noop"), stdin=stdin, stdout=out, check=True, env=fleet.env)
                return time.monotonic() - began

            got = pairs_of(pairs, ours, theirs)
            with open(os.path.join(fleet.folder, "http.out"), "rb") as a, open(os.path.join(fleet.folder, "map.out"), "rb") as b:
                if a.read() != b.read():
                    raise SystemExit("bench: the lists differ")
            yield Result(f"{items:,} no-op items over HTTP / fanmap map", got, target=0.8)
        finally:
            server.kill()
            server.wait()


def opened(url, job, items):
    """Seconds until the page of a job has its first numbers, and until they are all there."""
    began, first = time.monotonic(), None
    with urllib.request.urlopen(f"{url}/v1/jobs/{job}/watch") as events:
        for line in events:
            if not line.startswith(b"data: "):
                continue
            first = first or time.monotonic() - began
            if json.loads(line[6:]).get("known") == items:
                return first, time.monotonic() - began
    raise SystemExit("bench: the events ended")


def page(pairs, items):
    """1 s / until the page of an ended job of ten times the items shows its first numbers; and all of them, when it was open before"""
    with Fleet() as fleet:
        fleet.worker("page", "--tasks", NOOP, "--slots", "2")
        fleet.warm("page", "noop")
        sizes = {"small": 1000, "large": 10 * items}
        for job, n in sizes.items():
            with open(numbers_file(fleet.folder, n), "rb") as stdin:
                subprocess.run(fleet.map("page", "noop", "--job-id", job), stdin=stdin, stdout=subprocess.DEVNULL, check=True, env=fleet.env)
        for job, n in sizes.items():
            first, again = [], []
            notes = []
            for _ in range(pairs):
                server, url = serve(fleet, "page")
                try:
                    begun, whole = opened(url, job, n)
                    first.append(begun)
                    again.append(opened(url, job, n)[1])
                    notes.append(f"all of it is there for the first time after {whole:.2f} s")
                finally:
                    server.kill()
                    server.wait()
            yield Result(f"1 s / the page of {n:,} items, first numbers", [(s, 1.0) for s in first], target=1.0, notes=notes)
            yield Result(f"1 s / the page of {n:,} items, open before, all of it", [(s, 1.0) for s in again], target=1.0)


ROWS = {"http": http, "page": page}
