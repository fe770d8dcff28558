"""fanmap serve as its clients meet it: maps and jobs over HTTP give what the command line gives; who may not is refused; clients
that are slow, gone or hostile hurt nobody else."""
import http.client
import json
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import raw
from fleet import BUILD, FANMAP, PATIENCE, ROOT, Case, seq, squares, wait_until

NDJSON, JSON = "application/x-ndjson", "application/json"

# A client of the standard library alone. Argv: port, token, job, file of items, file of outcomes. It submits the items as that job, which may be done
# again, and appends outcomes to the file; beside it stands how many bytes of it count and the position behind them. Killed at any time and
# started again it goes on from there.
MAPPER = """
import http.client, json, os, sys
port, token, job, items, out = int(sys.argv[1]), sys.argv[2], *sys.argv[3:]
headers = {"Authorization": "Bearer " + token, "Content-Type": "application/x-ndjson"}
def ask(method, path, body=None):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=100)
    c.request(method, path, body=body, headers=headers)
    return c.getresponse()
try:
    length, position = json.load(open(out + ".place"))
except FileNotFoundError:
    length, position = 0, None
while position is None:  # a 409 that says "try again": the one that was killed may still be sending, as far as anybody knows
    with open(items, "rb") as f:
        r = ask("PUT", f"/v1/jobs/{job}?task=square", f)
        if r.status in (200, 201):
            position = "0"
        elif r.status != 409 or b"try again" not in r.read():
            sys.exit(f"PUT: {r.status}")
f = open(out, "ab")
f.truncate(length)
while True:
    r = ask("GET", f"/v1/jobs/{job}/outcomes?live=poll&limit=2000&from={position}")
    if r.status != 200:
        sys.exit(f"GET: {r.status}")
    f.write(r.read())
    f.flush()
    position = r.headers["Fanmap-Next"]
    with open(out + ".new", "w") as place:
        json.dump((f.tell(), position), place)
    os.rename(out + ".new", out + ".place")
    if r.headers.get("Fanmap-End"):
        break
"""

# Argv: port, token, how many connections at once; each maps again and again until stdin is closed. Says what was wrong, and how many lists there were.
SMALL_MAPS = """
import http.client, resource, sys, threading
port, token, n = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
threading.stack_size(256 << 10)
all_here, is_over, lists = threading.Barrier(n), threading.Event(), []
def one(i):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=150)
    c.connect()
    all_here.wait()
    k = 0
    while k == 0 or not is_over.is_set():
        first, k = 1000 * i + k, k + 1
        c.request("POST", "/v1/map/square?crash-cap=50", body=b"%d\\n%d\\n" % (first, first + 1),
                  headers={"Authorization": "Bearer " + token, "Content-Type": "application/x-ndjson"})
        got = c.getresponse().read()
        if got != b"%d\\n%d\\n" % (first ** 2, (first + 1) ** 2):
            print("wrong:", first, got, flush=True)
    lists.append(k)
    c.close()
threads = [threading.Thread(target=one, args=(i,)) for i in range(n)]
[t.start() for t in threads]
sys.stdin.read()
is_over.set()
[t.join() for t in threads]
print(len(lists), "of them mapped", sum(lists), "times")
"""


class Serve(Case):
    bound_s = 180

    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.tokens = os.path.join(self.folder, "serve.token")
        self.serve()

    def serve(self):
        self.server = self.start("serve", "--listen", "127.0.0.1:0", "--token-file", self.tokens, *self.connect_args())
        self.port = int(wait_until(lambda: self.listens(self.server), 20 * PATIENCE, "the server listens"))
        with open(self.tokens) as f:
            self.read_token, self.submit_token = [line.split()[1] for line in f]

    def numbers(self, slots):
        return self.worker(tasks=os.path.join(BUILD, "examples", "numbers.so"), slots=slots)

    def listens(self, server):
        lines = [line for line in server.err().splitlines() if "serves at http" in line]
        return lines and lines[0].rsplit(":", 1)[1]

    def headers(self, token=None, **more):
        return {"Authorization": "Bearer " + (token or self.submit_token), **more}

    def ask(self, method, path, body=None, token=None, **more):
        """(status, body, headers)"""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60 * PATIENCE)
        if method != "GET":
            more.setdefault("Content-Type", JSON)
        c.request(method, path, body=body, headers=self.headers(token, **more))
        r = c.getresponse()
        answer = (r.status, r.read(), r.headers)
        c.close()
        return answer

    def map(self, task, body, query="", status=200):
        got = self.ask("POST", f"/v1/map/{task}{query}", body, **{"Content-Type": NDJSON})
        self.assertEqual(got[0], status, got[1][:300])
        return got[1]

    def job(self, job):
        status, body, _ = self.ask("GET", f"/v1/jobs/{job}")
        self.assertEqual(status, 200, body)
        return json.loads(body)

    def raw(self, *pieces, wait_s=0.0):
        """What comes back for these bytes, until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60 * PATIENCE) as s:
            for piece in pieces:
                s.sendall(piece)
                time.sleep(wait_s)
            got = b""
            while True:
                try:
                    more = s.recv(65536)
                except ConnectionResetError:
                    return got
                if not more:
                    return got
                got += more

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.server.pid}/fd"))


class Maps(Serve):
    def test_the_same_bytes_as_the_command_line(self):
        self.numbers(2)
        items = seq(1, 100000)
        command = [FANMAP, "map", "square", *self.connect_args(), "-q"]
        printed = subprocess.run(command, input=items, env=self.environment(), capture_output=True, timeout=120 * PATIENCE)
        path = self.input_file(items)
        curl = subprocess.run(["curl", "-sS", "-X", "POST", "-T", path, "-H", f"Authorization: Bearer {self.submit_token}",
                               "-H", f"Content-Type: {NDJSON}", f"http://127.0.0.1:{self.port}/v1/map/square"],
                              capture_output=True, timeout=120 * PATIENCE)
        self.assert_same(curl.stdout, printed.stdout)
        self.assert_same(printed.stdout, squares(100000))

    def test_errors_formats_and_options(self):
        self.numbers(2)
        got = self.map("square", b'1\n"x"\n\n  \n{"broken\n3').splitlines()
        self.assertEqual([json.loads(line).get("$error", {}).get("kind") if line.startswith(b"{") else line for line in got],
                         [b"1", "exception", "bad_input", b"9"])
        records = [json.loads(line) for line in self.map("square", b"1\n2\n", "?records=true&concurrency=1").splitlines()]
        self.assertEqual([(r["index"], r["value"]) for r in records], [(0, 1), (1, 4)])
        self.assertEqual(self.map("square", b""), b"")
        self.assertIn(b"no option", self.map("square", b"1", "?brokers=evil:9092", status=400))
        self.assertIn(b"retries", self.map("square", b"1", "?retries=many", status=400))
        self.assertIn(b"too_large", self.map("echo", b'"' + b"x" * 3000000 + b'"\n1\n'))

    def test_items_and_outcomes_at_once_on_one_connection(self):
        self.numbers(2)
        with socket.create_connection(("127.0.0.1", self.port), timeout=60 * PATIENCE) as s:
            s.sendall(f"POST /v1/map/square HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.submit_token}\r\n"
                      f"Content-Type: {NDJSON}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            stream = s.makefile("rb")
            for i in range(1, 6):  # each item is sent when the one before has come back
                s.sendall(b"2\r\n%d\n\r\n" % i)
                if i == 1:
                    while stream.readline() != b"\r\n":
                        pass
                self.assertEqual(stream.readline(), b"%x\r\n" % (len(str(i * i)) + 1))
                self.assertEqual(stream.readline(), b"%d\n" % (i * i))
                stream.readline()
            s.sendall(b"0\r\n\r\n")
            self.assertEqual(stream.read(), b"0\r\n\r\n")

    def test_who_goes_away_cancels_unless_detached(self):
        recorder = self.recorder()
        self.worker(slots=2)
        for query, ends in (("?job-id=gone", True), ("?job-id=left&detach=true", False)):
            before = recorder.started()
            with socket.create_connection(("127.0.0.1", self.port), timeout=60 * PATIENCE) as s:
                body = b"[60000,1]\n" if ends else b"[3000,1]\n"
                s.sendall(f"POST /v1/map/recorded_sleep{query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.submit_token}\r\n"
                          f"Content-Type: {NDJSON}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
                recorder.wait_started(before + 1, 30)
        wait_until(lambda: self.job("gone")["state"] == "ended", 30 * PATIENCE, "the job whose client went is cancelled")
        self.assertEqual(self.job("gone")["reason"], "cancel")
        wait_until(lambda: self.job("left")["state"] == "ended", 30 * PATIENCE, "the detached job ends by itself")
        self.assertEqual((self.job("left")["reason"], self.job("left")["known"]), ("complete", 1))

    def test_who_goes_away_while_nothing_is_read(self):
        """A job that takes no more leaves the body unread, and so the end of the connection behind it."""
        recorder = self.recorder()
        self.worker(slots=1)
        with socket.create_connection(("127.0.0.1", self.port), timeout=60 * PATIENCE) as s:
            s.sendall(f"POST /v1/map/recorded_sleep?job-id=full&ahead=4 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.submit_token}\r\n"
                      f"Content-Type: {NDJSON}\r\nContent-Length: 200000000\r\n\r\n".encode())
            s.sendall(b"[60000,1]\n" * 16000)  # more than waits in the server, and the end has room behind it in the window
            recorder.wait_started(1, 30)
        wait_until(lambda: self.job("full")["state"] == "ended", 20 * PATIENCE, "the job whose client went is cancelled")
        self.assertEqual(self.job("full")["reason"], "cancel")

    def slow_readers(self, n):
        """Connections whose outcomes nobody takes."""
        big = self.ask("PUT", "/v1/jobs/big?task=echo", b'"%s"\n' % (b"x" * 1000) * 20000, **{"Content-Type": NDJSON})
        self.assertEqual(big[0], 201, big[1])
        slow = []
        for _ in range(n):
            s = socket.create_connection(("127.0.0.1", self.port))
            s.sendall(f"GET /v1/jobs/big/outcomes HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.read_token}\r\n\r\n".encode())
            slow.append(s)
        return slow

    def kill_workers(self, n, every_s):
        """One after the other, each replaced at once."""
        for _ in range(n):
            time.sleep(every_s)
            next(p for p in self.programs if p.name.startswith("worker") and p.alive()).kill()
            self.small_maps_worker()

    def small_maps_worker(self):
        self.worker(tasks=os.path.join(BUILD, "examples", "numbers.so"), slots=4, session="6s")

    def test_many_small_maps_beside_slow_readers_and_kills(self):
        """FANMAP_TEST_MAPS=1000 is the whole of it: so many connections at once, each with one map after the other, and 100 that read nothing, while one worker
        after the other is killed. Lists are exact, memory is bounded, no descriptor is left."""
        whole = os.environ.get("FANMAP_TEST_MAPS")
        maps = int(whole or 60)
        for _ in range(3):
            self.small_maps_worker()
        self.assertEqual(self.map("square", b"3\n"), b"9\n")
        slow = self.slow_readers(100)
        client = subprocess.Popen([sys.executable, "-c", SMALL_MAPS, str(self.port), self.submit_token, str(maps)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        self.addCleanup(client.kill)
        self.kill_workers(20 if whole else 3, 1.5)
        said = client.communicate(timeout=120 * PATIENCE)[0]
        self.assertRegex(said, rf"^{maps} of them mapped \d+ times\n$")
        memory_kib, descriptors = self.server.memory_peak_kib(), self.descriptors()
        if whole:
            print(f"    {said.strip()}, beside 100 slow readers and under 20 kills: serve took {memory_kib / 1024:.0f} MiB at most, and {descriptors} descriptors at the end")
        self.assertLess(memory_kib, (500 + maps // 4) * 1024)
        self.assertGreater(descriptors, 200)
        for s in slow:
            s.close()
        # a few readers of Kafka stay for those who come next
        wait_until(lambda: self.descriptors() < 150, 60 * PATIENCE, "no descriptor is left of them")


class Jobs(Serve):
    def test_put_may_be_sent_again(self):
        self.numbers(2)
        put = lambda body: self.ask("PUT", "/v1/jobs/j?task=square", body, **{"Content-Type": NDJSON})[:2]
        self.assertEqual(put(b"1\n2\n3\n"), (201, b'{"job":"j","items":3}\n'))
        self.assertEqual(put(b"1\n2\n3\n"), (200, b'{"job":"j","items":3}\n'))
        status, body = put(b"1\n2\n4\n")
        self.assertEqual((status, json.loads(body)["code"]), (409, "conflict"))
        self.assertEqual(self.ask("GET", "/v1/jobs/j/outcomes")[1], b"1\n4\n9\n")
        status, body, _ = self.ask("POST", "/v1/jobs?task=square", b"5\n", **{"Content-Type": NDJSON})
        self.assertEqual(status, 201)
        self.assertEqual(self.ask("GET", f"/v1/jobs/{json.loads(body)['job']}/outcomes")[1], b"25\n")
        self.assertEqual(self.ask("POST", "/v1/jobs", b"5\n", **{"Content-Type": NDJSON})[0], 400)

    def test_many_who_put_the_same_at_once(self):
        """One makes the job, one at a time goes on with it, and who is told to wait finds it whole."""
        self.numbers(2)
        answers, body = [], seq(1, 20000)
        put = lambda: answers.append(self.ask("PUT", "/v1/jobs/j?task=square", body, **{"Content-Type": NDJSON})[:2])
        threads = [threading.Thread(target=put) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertLessEqual({status for status, _ in answers}, {200, 201, 409})
        self.assertEqual({json.loads(answer)["items"] for status, answer in answers if status < 300}, {20000})
        self.assertEqual(self.ask("PUT", "/v1/jobs/j?task=square", body, **{"Content-Type": NDJSON})[:2], (200, b'{"job":"j","items":20000}\n'))
        self.assert_same(self.ask("GET", "/v1/jobs/j/outcomes")[1], squares(20000))

    def put_until_nothing_is_read(self, job, body):
        """A PUT whose body is sent until nobody takes more of it, as Kafka is away; then its client goes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60 * PATIENCE) as s:
            s.sendall(f"PUT /v1/jobs/{job}?task=square HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.submit_token}\r\n"
                      f"Content-Type: {NDJSON}\r\nContent-Length: {len(body)}\r\n\r\n".encode())
            sent = s.send(body[:20000])
            wait_until(lambda: json.loads(self.ask("GET", "/v1/jobs?counts=false")[1])["jobs"], 30 * PATIENCE, "the job is known")
            self.kafka.pause()
            s.settimeout(3)
            try:
                while sent < len(body):
                    sent += s.send(body[sent:sent + 65536])
            except TimeoutError:
                pass
            self.assertLess(sent, len(body))

    def test_who_puts_and_goes_away_while_nothing_is_read(self):
        """What was taken stays, the same PUT adds the rest: nothing twice, nothing lost, no connection left over."""
        self.numbers(2)
        self.addCleanup(self.kafka.resume)
        body = b"".join(b"%-999d\n" % n for n in range(1, 100001))  # 100 MB: more than the job takes while Kafka is away
        before = self.descriptors()
        self.put_until_nothing_is_read("half", body)
        self.assertEqual(self.ask("GET", "/healthz")[0], 200)
        self.kafka.resume()
        wait_until(lambda: self.descriptors() <= before + 20, 60 * PATIENCE, "its connection is closed")
        half = self.job("half")
        self.assertEqual((half["state"], half.get("total")), ("running", None))

        def put_again():  # the producer that broke off may still be at work, as far as anybody knows
            status, answer, _ = self.ask("PUT", "/v1/jobs/half?task=square", body, **{"Content-Type": NDJSON})
            return None if status == 409 and b"try again" in answer else (status, json.loads(answer))

        self.assertEqual(wait_until(put_again, 60 * PATIENCE, "the rest is taken", 1), (200, {"job": "half", "items": 100000}))
        self.assert_same(self.ask("GET", "/v1/jobs/half/outcomes")[1], squares(100000))

    def test_what_is_listed_is_what_the_command_line_lists(self):
        self.numbers(2)
        self.ask("PUT", "/v1/jobs/j?task=square", b"1\n2\n", **{"Content-Type": NDJSON})
        wait_until(lambda: self.job("j")["state"] == "ended", 30 * PATIENCE, "the job ended")
        self.assertEqual(self.job("j"), json.loads(self.run_fanmap("show", "j", "--json").out()))
        listed = json.loads(self.ask("GET", "/v1/jobs?state=ended&task=square")[1])["jobs"]
        self.assertEqual(listed, [json.loads(line) for line in self.run_fanmap("jobs", "--json").out().splitlines()])
        self.assertEqual(json.loads(self.ask("GET", "/v1/jobs?task=other")[1]), {"jobs": []})
        self.assertEqual([w["tasks"].split(",")[0] for w in json.loads(self.ask("GET", "/v1/workers")[1])["workers"]],
                         [json.loads(self.run_fanmap("workers", "--json").out())["tasks"].split(",")[0]])
        self.assertEqual(json.loads(self.ask("GET", "/v1/dead")[1]), {"dead": []})

    def test_what_can_be_run_is_listed(self):
        self.worker("--exec", "shout=tr a-z A-Z", "--exec", "hush=true", tasks=None, slots=3)
        wait_until(lambda: json.loads(self.ask("GET", "/v1/tasks")[1])["tasks"], 20 * PATIENCE, "the worker is known")
        self.assertEqual(json.loads(self.ask("GET", "/v1/tasks")[1])["tasks"],
                         [{"task": task, "queue": "default", "workers": 1, "slots": 3, "running": 0} for task in ("hush", "shout")])

    def test_dead_letters_are_put_back(self):
        self.run_fanmap("topics", "--create", "--task", "echo", "--partitions", "2")
        item = b"\x95\x01\x01\x00\x00\x07"
        raw.produce(self.kafka.brokers, f"{self.namespace}.items.default.echo", 1, [(b"later", item), (b"not a job!", b"\xc1junk")])
        self.numbers(1)
        listed = lambda: json.loads(self.ask("GET", "/v1/dead")[1])["dead"]
        letters = wait_until(lambda: len(got := listed()) == 2 and got, 30 * PATIENCE, "two letters")
        self.assertEqual(letters, [json.loads(line) for line in self.run_fanmap("dead", "list", "--json").out().splitlines()])
        status, body, _ = self.ask("POST", "/v1/dead/replay", b"")
        answer = json.loads(body)
        self.assertEqual((status, answer["replayed"], answer["refused_n"]), (200, 0, 2))
        self.assertEqual({(r["letter"], "no item" in r["why"]) for r in answer["refused"]}, {(x["letter"], "index" not in x) for x in letters})
        junk = next(x["letter"] for x in letters if "index" not in x)
        self.assertEqual(json.loads(self.ask("POST", f"/v1/dead/{junk}/replay?force=true", b"")[1]), {"refused": [], "refused_n": 0, "replayed": 1})
        wait_until(lambda: len(listed()) == 3, 30 * PATIENCE, "it is buried again")
        self.assertEqual(self.ask("POST", "/v1/dead/x/replay", b"")[0], 400)
        self.assertEqual(self.ask("POST", "/v1/dead/replay?all=true", b"")[0], 400)
        self.assertEqual(self.ask("POST", f"/v1/dead/{junk}/replay", b"", token=self.read_token)[0], 403)

    def test_control(self):
        recorder = self.recorder()
        self.worker(slots=4)
        self.ask("PUT", "/v1/jobs/j?task=recorded_sleep&concurrency=1", b"[300,1]\n" * 200, **{"Content-Type": NDJSON})
        recorder.wait_started(1, 30)
        self.assertEqual(self.ask("PATCH", "/v1/jobs/j", b'{"concurrency": 4}')[:2], (200, b'{"job":"j"}\n'))
        wait_until(lambda: recorder.report()["max"] == 4, 30 * PATIENCE, "four at once")
        self.assertEqual(self.ask("POST", "/v1/jobs/j/pause", b"")[0], 200)
        self.assertEqual(self.job("j")["state"], "paused")
        self.assertEqual(self.ask("POST", "/v1/jobs/j/resume", b"")[0], 200)
        self.assertEqual(self.ask("POST", "/v1/jobs/j/cancel", b"")[0], 200)
        wait_until(lambda: self.job("j")["state"] == "ended", 30 * PATIENCE, "it is cancelled")
        status, body, _ = self.ask("POST", "/v1/jobs/j/cancel", b"")
        self.assertEqual((status, json.loads(body)["code"]), (409, "stopped"))
        self.assertEqual(self.ask("POST", "/v1/jobs/none/cancel", b"")[0], 404)
        for wrong in (b"", b"{}", b'{"concurrency":-1}', b'{"concurrency":"4"}', b'{"slots":4}', b"[4]"):
            self.assertEqual(self.ask("PATCH", "/v1/jobs/j", wrong)[0], 400, wrong)

    def test_failed_items_run_again(self):
        recorder = self.recorder()
        self.worker("--exec", "modulo=sh -c 'read n; case $((n % 5)) in 1) echo \"no $n\" >&2; exit 1;; 2) echo \"never $n\" >&2; exit 2;; *) echo $n;; esac'")
        self.ask("PUT", "/v1/jobs/old?task=modulo", seq(0, 99), **{"Content-Type": NDJSON})
        wait_until(lambda: self.job("old")["state"] == "ended", 60 * PATIENCE, "the job ended")
        group = next(f for f in self.job("old")["failures"] if f["message"] == "never N")
        self.assertEqual((group["count"], group["first"], group["last"]), (20, 2, 97))
        for job, body, runs in (("group", {"group": group["group"]}, 20), ("items", {"items": [1, 2, 3]}, 2), ("all", None, 40)):
            started = recorder.started()
            status, answer, _ = self.ask("POST", f"/v1/jobs/old/retry-failed?task=recorded&job-id={job}", json.dumps(body) if body else b"")
            self.assertEqual((status, json.loads(answer)), (201, {"job": job, "items": 100}))
            wait_until(lambda: self.job(job)["state"] == "ended", 60 * PATIENCE, "the second try ended")
            self.assertEqual((recorder.started() - started, self.job(job)["failed"]), (runs, 40 - runs))
        lines = self.ask("GET", "/v1/jobs/group/outcomes")[1].splitlines()
        self.assertEqual([line for i, line in enumerate(lines) if i % 5 == 2], [b"%d" % (i * i) for i in range(2, 100, 5)])
        for wrong in (b"[]", b'{"group":"x"}', b'{"items":[-1]}', b'{"items":[]}', b'{"jobs":1}', b'{"group":"000000000000"}'):
            self.assertEqual(self.ask("POST", "/v1/jobs/old/retry-failed", wrong)[0], 400, wrong)
        self.assertEqual(self.ask("POST", "/v1/jobs/none/retry-failed", b"")[0], 404)

    def test_a_client_that_is_killed_goes_on_from_its_position(self):
        """100,000 items by a script of the standard library alone, killed while it submits and while it reads: the bytes of fanmap map."""
        self.numbers(2)
        items = self.input_file(seq(1, 100000))
        out = os.path.join(self.folder, "outcomes")
        command = [sys.executable, "-c", MAPPER, str(self.port), self.submit_token, "j", items, out]

        def begin():
            client = subprocess.Popen(command)
            self.addCleanup(client.kill)
            return client

        def size():
            return os.path.getsize(out) if os.path.exists(out) else 0

        client = begin()
        wait_until(lambda: json.loads(self.ask("GET", "/v1/jobs?counts=false")[1])["jobs"], 30 * PATIENCE, "it submits")
        client.kill()
        client.wait()
        for n in (1000, 150000, 400000):
            client = begin()
            wait_until(lambda: size() > n or client.poll() is not None, 60 * PATIENCE, "outcomes", 0.005)
            client.kill()
            client.wait()
        self.assertEqual(begin().wait(120 * PATIENCE), 0)
        with open(out, "rb") as f:
            got = f.read()
        self.assert_same(got, self.run_map("square", "-q", data=seq(1, 100000)).out())
        self.assert_same(got, squares(100000))

    def test_a_position_outlives_the_beginning_of_the_log(self):
        """What a reader had may go; what it still needs may not."""
        self.numbers(2)
        self.ask("PUT", "/v1/jobs/j?task=square", seq(1, 3000), **{"Content-Type": NDJSON})
        at = "/v1/jobs/j/outcomes?live=poll&limit=1500&from="
        _, first, middle = self.ask("GET", at + "0")
        _, second, end = self.ask("GET", at + middle["Fanmap-Next"])
        while not end["Fanmap-End"]:
            _, more, end = self.ask("GET", at + end["Fanmap-Next"])
            second += more
        self.assertEqual(first + second, squares(3000))
        for partition in range(self.partitions):
            raw.delete_records(self.kafka.port, f"{self.namespace}.results", partition, -1)
        self.serve()  # another one, which has nothing of it in memory
        self.assertEqual(self.ask("GET", at + end["Fanmap-Next"])[:2], (200, b""))
        self.assertEqual(self.ask("GET", at + "2999")[0], 410)
        self.assertEqual(self.ask("GET", at + middle["Fanmap-Next"])[0], 410)

    def test_events(self):
        self.numbers(2)
        self.ask("PUT", "/v1/jobs/j?task=square", b"1\n2\n3\n", **{"Content-Type": NDJSON})
        _, body, headers = self.ask("GET", "/v1/jobs/j/outcomes", Accept="text/event-stream")
        self.assertEqual(headers["Content-Type"], "text/event-stream")
        events = [event for event in body.decode().split("\n\n") if event]
        self.assertEqual([event.split("\n")[1] for event in events], ["data: 1", "data: 4", "data: 9", 'data: {"result":"complete"}'])
        last = events[1].split("\n")[0].removeprefix("id: ")
        _, body, _ = self.ask("GET", "/v1/jobs/j/outcomes?live=sse", **{"Last-Event-ID": last})
        self.assertEqual([line for line in body.decode().split("\n") if line.startswith("data: ")][0], "data: 9")
        self.assertEqual(self.ask("GET", "/v1/jobs/none/outcomes")[0], 404)
        self.assertEqual(self.ask("GET", "/v1/jobs/j/outcomes?from=-1")[0], 400)


    def reading(self, path, method="GET", body=None, **more):
        """A thread that reads the whole answer: .status, .lines, when it .ended, and whether it .is_whole or broke off."""
        def read():  # by hand: http.client takes a body that broke off for whole when it is read by lines
            fields = {"Host": "localhost", "Content-Length": len(body or b""), "Content-Type": JSON, **self.headers(**more)}
            head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            with socket.create_connection(("127.0.0.1", self.port), timeout=90 * PATIENCE) as s, s.makefile("rb") as f:
                s.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + (body or b""))
                thread.status = int(f.readline().split()[1])
                got = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in iter(f.readline, b"\r\n"))}
                rest = b""
                while size := int(f.readline() or b"0", 16) if b"transfer-encoding" in got else int(got.pop(b"content-length", 0)):
                    *lines, rest = (rest + f.read(size)).split(b"\n")
                    thread.lines += [line + b"\n" for line in lines]
                    if b"transfer-encoding" in got:
                        f.read(2)
                thread.is_whole = b"transfer-encoding" not in got or f.read(2) == b"\r\n"
            thread.ended = time.monotonic()
        thread = threading.Thread(target=read, daemon=True)
        thread.lines, thread.status, thread.ended = [], None, None
        thread.start()
        return thread

    def test_a_log_that_is_deleted_under_its_readers(self):
        """Each of them is told within seconds, however it reads: who maps, who follows lines, events or pages, and who comes then."""
        recorder = self.recorder()
        self.worker(slots=2)
        body = b"".join(b"[200,%d]\n" % n for n in range(2000))
        self.ask("PUT", "/v1/jobs/j?task=recorded_sleep", body, **{"Content-Type": NDJSON})
        recorder.wait_started(4, 30)
        at = "/v1/jobs/j/outcomes"
        readers = {"lines": self.reading(at), "events": self.reading(at, Accept="text/event-stream"),
                   "map": self.reading("/v1/map/recorded_sleep", "POST", body, **{"Content-Type": NDJSON})}
        wait_until(lambda: all(len(r.lines) > 2 for r in readers.values()), 30 * PATIENCE, "each has outcomes")
        raw.delete_topic(self.kafka.port, f"{self.namespace}.results")
        began = time.monotonic()
        wait_until(lambda: all(r.ended for r in readers.values()), 40 * PATIENCE, "all are told")
        self.assertLess(max(r.ended for r in readers.values()) - began, 30 * PATIENCE)
        self.assertEqual([(r.status, r.is_whole) for r in readers.values()], [(200, False)] * 3)
        for name in ("lines", "map"):
            end = json.loads(readers[name].lines[-1])["$end"]
            self.assertEqual((end["code"], "no longer whole" in end["detail"]), ("lost", True), end)
            self.assertEqual(readers[name].lines[:-1], [b"%d\n" % n for n in range(len(readers[name].lines) - 1)])
        self.assertEqual(readers["events"].lines[-3], b"event: end\n")
        self.assertIn(b'"result":"lost","detail":"the log of job j', readers["events"].lines[-2])
        self.is_told_to_who_comes_then(at, body)

    def is_told_to_who_comes_then(self, at, body):
        """The topic is there again: the job's log is another one, in which it never began. Of this server, and of one that knows nothing of it."""
        for server in ("old", "new"):
            if server == "new":
                self.serve()
            readers = {"lines": self.reading(at), "events": self.reading(at, Accept="text/event-stream"), "page": self.reading(f"{at}?live=poll&from=1999"),
                       "put": self.reading("/v1/jobs/j?task=recorded_sleep", "PUT", body, **{"Content-Type": NDJSON})}
            wait_until(lambda: all(r.ended for r in readers.values()), 40 * PATIENCE, "all are told")
            for name, r in readers.items():
                self.assertEqual((r.status, json.loads(r.lines[-1])["code"]), (410, "lost"), (server, name))
            shown = self.job("j")
            self.assertTrue(shown.get("log_gone"), shown)

    def lane(self, position, query="", **more):
        status, body, headers = self.ask("GET", f"/v1/jobs/flow/outcomes?lane=1&from={position}{query}", **more)
        self.assertEqual(status, 200, body)
        return body.decode().splitlines(), headers

    def test_a_lane_of_a_stream(self):
        """Each outcome once, in the order of its partition, in pages, as events and to its end; nobody runs fanmap stream."""
        topic = f"{self.namespace}-in"
        raw.create_topic(self.kafka.port, topic, 2)
        self.numbers(4)
        self.run_fanmap("stream", "sleep_ms", "--from", topic, "--job-id", "flow", "--detach", *self.connect_args())
        items = [b"%d" % (n * 7 % 10) for n in range(3000)]
        items[1234] = b"no JSON"
        raw.produce(self.kafka.brokers, topic, 1, [(b"k", item) for item in items])
        raw.produce(self.kafka.brokers, topic, 0, [(b"k", b"1")])
        want = [item.decode() for item in items]
        got, positions = [], [""]
        while len(got) < 3000:
            lines, headers = self.lane(positions[-1], "&live=poll&limit=700")
            self.assertLessEqual(len(lines), 700)
            got += lines
            positions.append(headers["Fanmap-Next"])
        self.assertEqual(json.loads(got[1234])["$error"]["kind"], "bad_input")
        self.assertEqual([line for i, line in enumerate(got) if i != 1234], [line for i, line in enumerate(want) if i != 1234])
        self.assertEqual(positions, sorted(positions))
        # From the middle of a page, as events; and until it is cancelled.
        self.run_fanmap("cancel", "flow")
        events, _ = self.lane("", "&live=sse&records=true", **{"Last-Event-ID": positions[2]})
        ids = [line.removeprefix("id: ") for line in events if line.startswith("id: ")]
        records = [json.loads(line.removeprefix("data: ")) for line in events if line.startswith("data: {") and "index" in line]
        self.assertEqual([r["index"] for r in records], list(range(3000 - len(records), 3000)))
        self.assertEqual(len(self.lane(ids[99])[0]), len(records) - 100)
        self.assertEqual(self.lane(ids[-1], "&live=poll")[1]["Fanmap-End"], "true")
        for query, status in (("lane=2", 400), ("lane=x", 400), ("lane=1&from=7", 400)):
            self.assertEqual(self.ask("GET", f"/v1/jobs/flow/outcomes?{query}")[0], status, query)
        # What was deleted behind a position is said.
        raw.delete_records(self.kafka.port, f"{self.namespace}.stream.flow", 1, -1)
        self.assertEqual(self.ask("GET", f"/v1/jobs/flow/outcomes?lane=1&from={positions[2]}")[0], 410)


class Logs(Serve):
    def test_what_attempts_write(self):
        """What the command line says, in pieces, from a position on, of one item, as events, and live."""
        go = os.path.join(self.folder, "go")
        self.worker("--exec", f"many=sh -c 'read n; i=0; while [ $i -lt 1300 ]; do i=$((i + 1)); echo line $i of $n >&2; done'",
                    "--exec", f"steps=sh -c 'echo one >&2; while [ ! -e {go} ]; do sleep 0.1; done; echo two >&2'", tasks=None, slots=2)
        self.ask("PUT", "/v1/jobs/many?task=many", seq(0, 1), **{"Content-Type": NDJSON})
        wait_until(lambda: self.job("many")["state"] == "ended", 60 * PATIENCE, "the job ended")
        printed = wait_until(lambda: (got := self.run_fanmap("logs", "many", "--json").out()).count(b"\n") == 2600 and got, 30 * PATIENCE, "all lines are stored")
        status, body, headers = self.ask("GET", "/v1/jobs/many/logs")
        self.assertEqual((status, headers["Content-Type"]), (200, NDJSON))
        self.assert_same(body, printed)
        lines = [json.loads(line) for line in printed.splitlines()]
        middle = lines[1300]["position"]
        self.assert_same(self.ask("GET", f"/v1/jobs/many/logs?after={middle}")[1],
                         b"".join(line + b"\n" for line in printed.splitlines() if json.loads(line)["position"] > middle))
        self.assertEqual([json.loads(line)["text"] for line in self.ask("GET", "/v1/jobs/many/logs?index=1")[1].splitlines()],
                         [f"line {i} of 1" for i in range(1, 1301)])
        events = self.ask("GET", "/v1/jobs/many/logs?index=1", Accept="text/event-stream")[1].decode().split("\n\n")
        self.assertEqual((events[0].split("\n")[0], events[-2]), (f"id: {[line for line in lines if line['index'] == 1][0]['position']}", "event: end\ndata: {}"))
        self.assertEqual(self.ask("GET", "/v1/jobs/none/logs")[0], 404)
        self.assertEqual(self.ask("GET", "/v1/jobs/many/logs?index=x")[0], 400)

        self.ask("PUT", "/v1/jobs/steps?task=steps", b"1\n", **{"Content-Type": NDJSON})
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60 * PATIENCE)
        c.request("GET", "/v1/jobs/steps/logs?follow=true", headers=self.headers(self.read_token))
        live = c.getresponse()
        self.assertEqual(json.loads(live.readline())["text"], "one")
        self.assertEqual(self.job("steps")["state"], "running")
        open(go, "w").close()
        self.assertEqual([json.loads(line)["text"] for line in live.read().splitlines()], ["two"])
        c.close()


class Access(Serve):
    def test_who_may(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.tokens).st_mode), 0o600)
        self.assertEqual(self.ask("GET", "/v1/jobs", token="0" * 48)[0], 401)
        self.assertEqual(self.ask("GET", "/v1/jobs", token=self.read_token)[0], 200)
        for method, path in (("POST", "/v1/map/square"), ("PUT", "/v1/jobs/j?task=square"), ("POST", "/v1/jobs/j/cancel"), ("PATCH", "/v1/jobs/j")):
            self.assertEqual(self.ask(method, path, b"1\n", token=self.read_token)[0], 403, path)
        self.assertEqual(self.ask("POST", "/v1/map/square", b"1\n", **{"Content-Type": "text/plain"})[0], 415)
        self.assertEqual(self.ask("POST", "/v1/map/square", b"1\n", **{"Content-Type": JSON, "Origin": "http://evil.example"})[0], 403)
        self.assertEqual(self.ask("GET", "/healthz", Host="evil.example")[0], 421)
        self.assertEqual(self.ask("GET", "/healthz", token="none")[0], 200)
        for path, allow in (("/v1/jobs/j", "PUT, GET, HEAD, PATCH"), ("/v1/jobs/j/cancel", "POST"), ("/v1/jobs/j/watch", "GET"), ("/v1/dead", "GET, HEAD")):
            status, _, headers = self.ask("PUT" if "/j/" in path or "dead" in path else "POST", path, b"")
            self.assertEqual((status, headers["Allow"]), (405, allow), path)
        self.assertNotIn("Access-Control-Allow-Origin", self.ask("GET", "/v1/jobs")[2])
        for path in ("/../etc/passwd", "/v1/jobs/../../x", "/v1/jobs/%2e%2e%2f", "//", "/v1/map/%00", "/v1"):
            self.assertIn(self.ask("GET", path)[0], (400, 404, 405), path)

    def test_openapi_names_every_route(self):
        described = json.loads(self.ask("GET", "/openapi.json", token="none")[1])["paths"]
        with open(os.path.join(ROOT, "serve", "routes.c")) as f:
            routes = re.findall(r'\{HTTP_(\w+), "([^"]+)"', f.read())
        self.assertEqual(sorted((method.lower(), re.sub(r"\{\}", "*", path)) for method, path in routes),
                         sorted((method, re.sub(r"\{\w+\}", "*", path)) for path, methods in described.items() for method in methods))

    def test_where_it_may_listen(self):
        wide = self.start("serve", "--listen", "0.0.0.0:0", "--no-token")
        self.finish(wide, 20, 2)
        self.assertIn("refused", wide.err())
        os.chmod(self.tokens, 0o644)
        self.assertIn("chmod 600", self.finish(self.start("serve", "--listen", "127.0.0.1:0", "--token-file", self.tokens), 20, 2).err())
        path = os.path.join(self.folder, "s.sock")
        server = self.start("serve", "--socket", path)
        wait_until(lambda: os.path.exists(path) and "serves at" in server.err(), 20 * PATIENCE, "it listens")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        got = subprocess.run(["curl", "-sS", "--unix-socket", path, "http://localhost/v1/jobs"], capture_output=True, timeout=60 * PATIENCE)
        self.assertEqual(json.loads(got.stdout), {"jobs": []})
        self.finish(self.start("serve", "--socket", path), 20, 6)  # somebody answers there
        server.signal(signal.SIGTERM)
        self.finish(server, 20)
        self.assertFalse(os.path.exists(path))

    def test_what_could_be_read_in_two_ways(self):
        head = f"POST /v1/map/square HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.submit_token}\r\nContent-Type: {NDJSON}\r\n".encode()
        for more, status in ((b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n1\n", b"400"),
                             (b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n1\n", b"400"),
                             (b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n1\n\r\n0\r\n\r\n", b"400"),
                             (b"Transfer-Encoding: chunked\r\n\r\nffffffffff\r\n", b"400"),
                             (b"Transfer-Encoding: xchunked\r\n\r\n", b"501"),
                             (b"X: " + b"y" * 20000, b"431")):
            self.assertEqual(self.raw(head + more).split(b" ")[1:2], [status], more[:40])
        self.assertEqual(self.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").split(b" ")[1:2], [b"400"])  # TLS
        two = self.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        self.assertEqual(two.count(b"200 OK"), 2)

    def test_what_nobody_expects(self):
        for view in ("outcomes", "watch"):  # a body where none is wanted
            got = self.raw(f"GET /v1/jobs/none/{view} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.read_token}\r\n"
                           "Content-Length: 3\r\nConnection: close\r\n\r\nabc".encode())
            self.assertIn(b"404 Not Found", got)
        self.assertEqual(self.ask("PUT", "/v1/jobs/%zz?task=square", b"1\n", **{"Content-Type": NDJSON})[0], 400)
        with socket.create_connection(("127.0.0.1", self.port)) as s:  # requests in a row, and nobody reads the answers
            s.settimeout(2)
            try:
                for _ in range(100):
                    s.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500)
            except TimeoutError:
                pass
            self.assertEqual(self.ask("GET", "/healthz")[0], 200)
        self.assertLess(self.server.memory_peak_kib(), 150 * 1024)
        path = self.input_file(b"mine")
        self.finish(self.start("serve", "--socket", path), 20, 6)
        with open(path, "rb") as f:
            self.assertEqual(f.read(), b"mine")

    def test_when_descriptors_run_out(self):
        """Who comes waits, the loop rests meanwhile, and all goes on when there are some again."""
        self.numbers(1)
        self.assertEqual(self.map("square", b"3\n"), b"9\n")
        soft, hard = resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, (self.descriptors() + 5, hard))
        idle = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(50)]
        time.sleep(1)
        before = self.cpu_s()
        time.sleep(2)  # what must not happen has no event of its own
        self.assertLess(self.cpu_s() - before, 0.5)
        for s in idle:
            s.close()
        self.assertEqual(self.ask("GET", "/healthz")[0], 200)
        resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, (soft, hard))
        self.assertEqual(self.map("square", b"4\n"), b"16\n")

    def cpu_s(self):
        with open(f"/proc/{self.server.pid}/stat") as f:
            user, system = f.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class OutOfReach(Serve):
    own_redis = True

    def test_nobody_asks_for_longer_than_the_connect_timeout(self):
        self.numbers(2)
        quiet = self.start("serve", "--listen", "127.0.0.1:0", "--token-file", self.tokens, "--connect-timeout", "3s", *self.connect_args())
        self.port = int(wait_until(lambda: self.listens(quiet), 20 * PATIENCE, "the server listens"))
        time.sleep(8)  # what must not happen has no event of its own
        self.assertEqual(self.map("square", b"3\n"), b"9\n")

    def test_who_asked_and_left_is_not_asked_for(self):
        self.redis.pause()
        self.addCleanup(self.redis.resume)
        self.assertEqual(self.ask("GET", "/v1/jobs?counts=false")[0], 200)

        def ask_in_vain():  # it would take ten seconds
            s = socket.create_connection(("127.0.0.1", self.port))
            s.sendall(f"GET /v1/workers HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.read_token}\r\n\r\n".encode())
            return s

        asking = [ask_in_vain() for _ in range(8)]
        s = socket.create_connection(("127.0.0.1", self.port), timeout=60 * PATIENCE)
        s.sendall(f"GET /v1/jobs?counts=false HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.read_token}\r\n\r\n".encode())
        began = time.monotonic()
        for one in asking:
            one.close()
        self.assertIn(b" 200 OK", s.recv(100))
        self.assertLess(time.monotonic() - began, 9 * PATIENCE)
        s.close()
        asking = ask_in_vain()
        self.assertEqual(self.ask("GET", "/healthz")[0], 200)  # it is being asked
        began = time.monotonic()
        self.server.signal(signal.SIGTERM)
        self.finish(self.server, 20)
        self.assertLess(time.monotonic() - began, 9 * PATIENCE)
        asking.close()

    def test_many_who_ask_and_leave(self):
        """Whatever they asked, whenever they leave: what is still under way for them reaches nobody."""
        self.numbers(2)
        self.ask("PUT", "/v1/jobs/j?task=sleep_ms&concurrency=1", b"500\n" * 1000, **{"Content-Type": NDJSON})
        script = ("import random, socket, threading, time\n"
                  "asked = ['jobs', 'jobs?counts=false', 'jobs/j', 'jobs/j?read_ms=0', 'jobs/j/item?index=1', 'jobs/j/watch', 'jobs/j/logs', 'jobs/j/outcomes', 'workers', 'dead', 'tasks']\n"
                  "end = time.monotonic() + 8\n"
                  "def leave():\n"
                  "  while time.monotonic() < end:\n"
                  f"    with socket.create_connection(('127.0.0.1', {self.port}), timeout=60) as s:\n"
                  "      s.sendall(f'GET /v1/{random.choice(asked)} HTTP/1.1\\r\\nHost: localhost\\r\\n"
                  f"Authorization: Bearer {self.read_token}\\r\\n\\r\\n'.encode())\n"
                  "      time.sleep(random.choice((0, 0.002, 0.01, 0.03, 0.1)))\n"
                  "threads = [threading.Thread(target=leave) for _ in range(6)]\n"
                  "[t.start() for t in threads]; [t.join() for t in threads]; print('done')\n")
        left = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=100 * PATIENCE)
        self.assertEqual((left.stdout, self.server.process.poll()), (b"done\n", None), left.stderr[-500:])
        self.assertEqual(self.job("j")["state"], "running")
        self.assertEqual(self.ask("POST", "/v1/jobs/j/cancel", b"")[0], 200)

    def test_the_loop_turns_while_services_are_away(self):
        self.redis.kill()
        self.assertEqual(self.ask("GET", "/healthz")[0], 200)
        status, body, _ = self.ask("GET", "/v1/workers")
        self.assertEqual((status, json.loads(body)["code"]), (503, "unreachable"))
