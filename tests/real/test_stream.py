"""fanmap stream: an existing topic in, a topic out, each outcome visible once, whoever dies."""
import json
import os
import random
import signal
import sys
import time

import raw
from fleet import PATIENCE, Case, wait_until

TASK = """
import json, os, sys, time
text = sys.stdin.read()
item = json.loads(text)
if item is not None and item.get("ms"):
    time.sleep(item["ms"] / 1000)
if item is not None and item.get("fails"):
    sys.exit("no good")
print(json.dumps({"n": None if item is None else item["n"], "twice": None if item is None else 2 * item["n"]}))
"""


class Stream(Case):
    bound_s = 120
    lanes = 4

    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.source, self.to, self.errors = (f"{self.namespace}-{name}" for name in ("in", "out", "bad"))
        raw.create_topic(self.kafka.port, self.source, self.lanes)
        raw.create_topic(self.kafka.port, self.to, self.lanes)
        raw.create_topic(self.kafka.port, self.errors, 1)
        self.script = os.path.join(self.folder, "task.py")
        with open(self.script, "w") as f:
            f.write(TASK)

    def stream_worker(self, *args, **more):
        return self.worker("--exec", f"double={sys.executable} {self.script}", "--command-output", "json", *args, tasks=None, **more)

    def stream(self, *args):
        return self.start("stream", "double", "--from", self.source, "--to", self.to, "--errors-to", self.errors, *args,
                          *self.connect_args(), "--session-timeout", "10s")

    def write(self, first, last, **fields):
        """Records first..last, dealt out by number, keyed by it modulo 7."""
        for lane in range(self.lanes):
            raw.produce(self.kafka.brokers, self.source, lane,
                        [(b"k%d" % (n % 7), json.dumps({"n": n, **{k: f(n) for k, f in fields.items()}}).encode())
                         for n in range(first, last + 1) if n % self.lanes == lane])

    def read(self, topic, lanes, n, bound_s=30, quiet_s=2):
        """n records, and after them none more for a while."""
        reader, got = raw.Committed(self.kafka.brokers, topic, lanes), []
        self.addCleanup(reader.close)
        until, quiet = time.monotonic() + bound_s * PATIENCE, None
        while time.monotonic() < until and (quiet is None or time.monotonic() < quiet):
            record = reader.poll()
            if record:
                got.append(record)
            quiet = None if len(got) < n else quiet or time.monotonic() + quiet_s
        self.assertEqual(len(got), n, f"records of {topic}")
        return got

    def in_order(self, got):
        """No outcome came twice, and in each partition of the output those of one source partition are in its order."""
        seen, at = set(), {}
        for partition, _, _, headers in got:
            lane, offset = int(headers["fanmap-source-partition"]), int(headers["fanmap-source-offset"])
            self.assertNotIn((lane, offset), seen)
            seen.add((lane, offset))
            self.assertGreater(offset, at.get((partition, lane), -1))
            at[partition, lane] = offset

    def test_a_limit_that_counts_processors_is_refused(self):
        said = self.run_fanmap("stream", "echo", "--from", "in", "-j", "50%", exit_status=2).err()
        self.assertIn("counts the processors of this machine", said)

    def test_values_errors_and_headers(self):
        self.stream_worker()
        stream = self.stream()
        self.write(0, 39, fails=lambda n: n == 13)
        raw.produce(self.kafka.brokers, self.source, 0, [(b"odd", b"{not json")])
        got = self.read(self.to, self.lanes, 39)
        self.in_order(got)
        self.assertEqual(sorted(json.loads(value)["n"] for _, _, value, _ in got), [n for n in range(40) if n != 13])
        for _, key, value, headers in got:
            n = json.loads(value)["n"]
            self.assertEqual((key, json.loads(value)["twice"]), (b"k%d" % (n % 7), 2 * n))
            self.assertEqual((headers["fanmap-job"], headers["fanmap-source-topic"]), (b"double", self.source.encode()))
            self.assertEqual((headers["fanmap-attempts"], int(headers["fanmap-source-partition"])), (b"1", n % self.lanes))
        bad = {key: (value, headers) for _, key, value, headers in self.read(self.errors, 1, 2)}
        value, headers = bad[b"k%d" % (13 % 7)]
        self.assertEqual(json.loads(value), {"n": 13, "fails": True})
        self.assertEqual(headers["fanmap-error-kind"], b"exit")
        value, headers = bad[b"odd"]
        self.assertEqual((value, headers["fanmap-error-kind"]), (b"{not json", b"bad_input"))
        stream.signal(signal.SIGTERM)
        self.finish(stream, 30)
        again = self.stream()  # goes on where the other was
        self.write(40, 49)
        self.assertEqual(len(self.read(self.to, self.lanes, 49)), 49)
        self.assertTrue(again.alive())

    def test_whoever_dies(self):
        """Workers and gatherers are killed in turn; one gatherer is stopped for longer than its session, and goes on."""
        def stream():
            return self.start("stream", "echo", "--from", self.source, "--to", self.to, *self.connect_args(), "--session-timeout", "6s")

        workers = [self.worker(slots=2, name=f"w{i}", session="6s") for i in range(2)]
        gatherers = [stream() for _ in range(2)]
        n, chosen = 40000, random.Random(7)
        for turn in range(4):
            self.write(turn * n // 4, (turn + 1) * n // 4 - 1)
            i = chosen.randrange(2)
            workers[i].kill()
            workers[i] = self.worker(slots=2, name=f"w{i}", session="6s")
            gatherers[1].kill()
            gatherers[1] = stream()
            if turn == 1:
                gatherers[0].signal(signal.SIGSTOP)
                time.sleep(8)
                gatherers[0].signal(signal.SIGCONT)
        got = self.read(self.to, self.lanes, n, bound_s=80, quiet_s=4)
        self.in_order(got)
        self.assertEqual(sorted(json.loads(value)["n"] for _, _, value, _ in got), list(range(n)))

    def test_order_of_keys(self):
        """A slow item holds up its own key and nothing else; each key is in its order."""
        self.stream_worker()
        self.stream("--order", "key")
        self.write(0, 41, ms=lambda n: 8000 if n == 3 else 0)
        numbers = [json.loads(value)["n"] for _, _, value, _ in self.read(self.to, self.lanes, 42)]
        for key in range(7):
            for lane in range(self.lanes):
                mine = [n for n in numbers if n % 7 == key and n % self.lanes == lane]
                self.assertEqual(mine, sorted(mine))
        beside = [n for n in range(42) if n % 7 != 3]
        self.assertLess(max(numbers.index(n) for n in beside[:20]), numbers.index(3))

    def test_control(self):
        """Paused, resumed, limited, cancelled as a job; and what cannot be begun is one line."""
        self.stream_worker()
        stream = self.stream()
        self.write(0, 7)
        self.read(self.to, self.lanes, 8)
        self.run_fanmap("pause", "double")
        time.sleep(1)
        self.write(8, 15)
        self.read(self.to, self.lanes, 8)
        self.run_fanmap("resume", "double")
        self.read(self.to, self.lanes, 16)
        self.assertIn("double", self.run_fanmap("jobs").out().decode())
        for words in (("gather", "double"), ("map", "double", "--job-id", "double")):
            self.assert_one_line(self.run_fanmap(*words, data=b"1\n", exit_status=2), "is a stream")
        self.run_fanmap("cancel", "double")
        stream.signal(signal.SIGTERM)
        self.finish(stream, 30)
        self.assert_one_line(self.finish(self.stream(), 30, 3), "was cancelled")
        other = self.start("stream", "double", "--from", "nowhere", "--job-id", "b", *self.connect_args())
        self.assert_one_line(self.finish(other, 30, 2), "nowhere")
