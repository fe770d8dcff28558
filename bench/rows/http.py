"""The same map over HTTP and by the command line, over the same fleet."""
import os
import subprocess
import time

from harness import RECORDED, Fleet, Result, numbers_file, pairs_of


def http(pairs, items):
    """no-op items through fanmap serve and curl / fanmap map"""
    with Fleet() as fleet:
        fleet.worker("http", "--tasks", RECORDED, "--slots", "2")
        fleet.warm("http", "noop")
        path = numbers_file(fleet.folder, items)
        log = os.path.join(fleet.folder, "serve.log")
        with open(log, "wb") as err:
            server = subprocess.Popen([fleet.map("http", "noop")[0], "serve", "--namespace", "http", "--listen", "127.0.0.1:0", "--no-token"],
                                      stderr=err, env=fleet.env)
        try:
            while "serves at" not in (said := open(log).read()):
                time.sleep(0.05)
            url = said.split("serves at ")[1].split()[0]
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


ROWS = {"http": http}
