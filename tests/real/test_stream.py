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
while item is not None and not os.path.exists(item.get("until", "/")):
    time.sleep(0.05)
if item is not None and (item.get("fails") or not os.path.exists(item.get("needs", "/"))):
    sys.exit("no good")
record = [os.environ.get("FANMAP_" + name) for name in ("KEY", "TOPIC", "PARTITION", "OFFSET")]
print(json.dumps({"record": record, "schema": os.environ.get("FANMAP_SCHEMA_ID"), "n": None if item is None else item["n"], "twice": None if item is None else 2 * item["n"],
                  **({"pad": "x" * item["pad"]} if item is not None and item.get("pad") else {})}))
"""


class StreamCase(Case):
    bound_s = 240
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

    def read(self, topic, lanes, n, bound_s=60, quiet_s=2):
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


class Stream(StreamCase):
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
            self.assertEqual([word.encode() for word in json.loads(value)["record"]],
                             [key, self.source.encode(), headers["fanmap-source-partition"], headers["fanmap-source-offset"]])
            self.assertEqual((headers["fanmap-job"], headers["fanmap-source-topic"]), (b"double", self.source.encode()))
            self.assertEqual((headers["fanmap-attempts"], int(headers["fanmap-source-partition"])), (b"1", n % self.lanes))
        bad = {key: (value, headers) for _, key, value, headers in self.read(self.errors, 1, 2)}
        value, headers = bad[b"k%d" % (13 % 7)]
        self.assertEqual(json.loads(value), {"n": 13, "fails": True})
        self.assertEqual(headers["fanmap-error-kind"], b"exit")
        value, headers = bad[b"odd"]
        self.assertEqual((value, headers["fanmap-error-kind"]), (b"{not json", b"bad_input"))
        wait_until(lambda: "handed out" in stream.err(), 60 * PATIENCE, "it says how far it is")
        self.assertIn("/s, 2 failed", stream.err().rpartition("handed out")[2])
        said = self.run_fanmap("map", "double", "--retry-failed", "double", exit_status=2)
        self.assert_one_line(said, "is a stream", "dead replay --stream")
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
        go = os.path.join(self.folder, "go")
        self.stream_worker()
        stream = self.stream("--order", "key")
        self.write(0, 41, until=lambda n: go if n == 3 else "/")
        wait_until(lambda: "info: stream double" in stream.err(), 30 * PATIENCE, "the stream is there")
        wait_until(lambda: b"partition 3 stands at offset 0: attempt 1 of it has run for" in self.run_fanmap("show", "double").out(),
                   60 * PATIENCE, "show says what partition 3 waits for")
        self.read(self.to, self.lanes, 40, quiet_s=0)  # all but that one and what has its key in its partition, 31
        open(go, "w").close()
        numbers = [json.loads(value)["n"] for _, _, value, _ in self.read(self.to, self.lanes, 42)]
        for key in range(7):
            for lane in range(self.lanes):
                mine = [n for n in numbers if n % 7 == key and n % self.lanes == lane]
                self.assertEqual(mine, sorted(mine))
        self.assertLess(numbers.index(3), numbers.index(31))

    def shown_as_stored(self):
        shown = json.loads(self.run_fanmap("show", "double", "--json").out())
        return shown if shown["lag"] == 8 and all(lane["ungathered"] == 0 for lane in shown["stream"]["lanes"]) else None

    def test_control(self):
        """Paused, resumed, limited, cancelled as a job; and what cannot be begun is one line."""
        self.stream_worker()
        stream = self.stream()
        self.write(0, 7)
        self.read(self.to, self.lanes, 8)
        self.run_fanmap("pause", "double")
        time.sleep(10)  # workers see it within two seconds, and say nothing of it
        self.write(8, 15)
        self.read(self.to, self.lanes, 8)
        shown = wait_until(self.shown_as_stored, 30 * PATIENCE, "what was handed out is stored")
        self.assertEqual((shown["lag"], shown["stream"]["gatherers"], len(shown["stream"]["lanes"])), (8, 1, self.lanes))
        for lane in shown["stream"]["lanes"]:
            self.assertEqual((lane["lag"], lane["head"], lane["ungathered"]), (2, 2, 0))
            self.assertGreater(lane["head_age_ms"], 1000)
        self.assertIn("paused", " ".join(shown["waits"]))
        self.run_fanmap("resume", "double")
        self.read(self.to, self.lanes, 16)
        self.assertIn("double", self.run_fanmap("jobs").out().decode())
        self.assert_one_line(self.run_fanmap("map", "double", "--job-id", "double", data=b"1\n", exit_status=2), "is a stream")
        other = self.stream("--retries", "3", "-j", "2")
        wait_until(lambda: "info: stream double" in other.err(), 30 * PATIENCE, "another joins it")
        self.assertIn("--retries 0 (not 3), --concurrency 0 (not 2); its limit can be changed (fanmap set double --concurrency N)", other.err())
        self.assertNotIn("goes on as it is", stream.err())
        differs = self.stream("--order", "key", "--to-partition", "same", "--max-age", "90s", "--dead-headers", "fanmap,connect", "--queue", "other",
                              "--deliver", "at-least-once", "--errors-to", self.to)
        self.assert_one_line(self.finish(differs, 30, 2), "stream double is there", f"--errors-to {self.errors} (not {self.to})",
                             "--queue default (not other)", "--order partition (not key)", "--dead-headers fanmap (not fanmap,connect)",
                             "--deliver exactly-once (not at-least-once)", "--to-partition key (not same)", "--max-age none (not 90s)")
        differs = self.start("stream", "twice", "--job-id", "double", "--from", self.source, *self.connect_args())
        self.assert_one_line(self.finish(differs, 30, 2), f"the task double (not twice), --to {self.to} (not none), --errors-to {self.errors} (not none)")
        self.assert_one_line(self.finish(self.stream("--no-wait"), 30, 2), "--wait is for jobs that end")
        self.run_fanmap("cancel", "double")
        self.assertIn("stream double was cancelled", self.finish(stream, 30, 3).err())
        self.assert_one_line(self.finish(self.stream(), 30, 3), "was cancelled")
        other = self.start("stream", "double", "--from", "nowhere", "--job-id", "b", *self.connect_args())
        self.assert_one_line(self.finish(other, 30, 2), "nowhere")
        early = self.stream("--job-id", "c")
        wait_until(lambda: "info: stream c" in early.err(), 30 * PATIENCE, "the stream to begin")
        early.signal(signal.SIGTERM)  # before it is in its group
        self.finish(early, 30)


class StreamTrouble(StreamCase):
    """What an operator, or time, can do to a stream."""

    def end(self, program):
        program.signal(signal.SIGTERM)
        self.finish(program, 30)

    def test_forgotten_positions(self):
        """Kafka forgets the positions of a group that nobody is in for a week: nothing begins again."""
        worker, stream = self.stream_worker(), self.stream()
        self.write(0, 7)
        self.read(self.to, self.lanes, 8, quiet_s=0)
        self.end(stream)
        self.end(worker)
        for group in ("gather", "stream"):  # that of the workers is looked at before
            raw.delete_group(self.kafka.port, f"{self.namespace}.{group}.double")
            refused = self.finish(self.stream(), 30, 6)
            self.assertIn(f"group {self.namespace}.{group}.double has no position", refused.err())
        log = f"{self.namespace}.stream.double"
        ends = [raw.end(self.kafka.port, log, lane) for lane in range(self.lanes)]
        worker = self.stream_worker()
        wait_until(lambda: "its group has no position" in worker.err(), 30 * PATIENCE, "the worker to refuse")
        self.assertEqual([raw.end(self.kafka.port, log, lane) for lane in range(self.lanes)], ends)

    def test_topics_that_take_less(self):
        """What is too large for the output is an error; what is too large for that topic, too, is one line, and nothing is lost."""
        raw.configure_topic(self.kafka.port, self.to, "max.message.bytes", "3000")
        raw.configure_topic(self.kafka.port, self.errors, "max.message.bytes", "2000")
        self.stream_worker()
        stream = self.stream()
        self.write(0, 7, pad=lambda n: 5000 if n == 3 else 100)  # more than one fits into a transaction, and into no batch
        self.assertEqual({json.loads(value)["n"] for _, _, value, _ in self.read(self.to, self.lanes, 7, quiet_s=0)}, set(range(8)) - {3})
        ((_, key, value, headers),) = self.read(self.errors, 1, 1, quiet_s=0)
        self.assertEqual((key, json.loads(value), headers["fanmap-error-kind"]), (b"k3", {"n": 3, "pad": 5000}, b"too_large"))
        self.write(8, 8, fails=lambda n: "x" * 3000)
        self.assertIn(f"topic {self.errors} takes no record of", self.finish(stream, 30, 2).err())
        raw.configure_topic(self.kafka.port, self.errors, "max.message.bytes", "9000")
        stream = self.stream()
        self.assertEqual([json.loads(value)["n"] for _, _, value, _ in self.read(self.errors, 1, 2, quiet_s=0)], [3, 8])
        raw.configure_topic(self.kafka.port, self.to, "max.message.bytes", "1500")
        self.write(9, 9, pad=lambda n: 2000)  # as the stream knows it, it fits
        self.assertIn(f"topic {self.to} takes no record of", self.finish(stream, 30, 2).err())
        self.stream()
        self.assertEqual(len(self.read(self.errors, 1, 3)), 3)

    def test_a_worker_without_redis(self):
        """It leaves a stream that has a limit to others, as long as it has one."""
        without = self.stream_worker("--redis", "none")
        self.stream("-j", "2")
        waits = "stream double waits: it has a limit, and this worker has no Redis"
        wait_until(lambda: waits in without.err(), 30 * PATIENCE, "it says that it waits")
        other = self.stream_worker()
        self.write(0, 7)
        self.assertEqual(len(self.read(self.to, self.lanes, 8, quiet_s=0)), 8)
        self.run_fanmap("set", "double", "--concurrency", "0")
        wait_until(lambda: "stream double: takes records" in without.err(), 30 * PATIENCE, "it takes part")
        self.end(other)
        self.write(8, 15)
        self.assertEqual(len(self.read(self.to, self.lanes, 16, quiet_s=0)), 16)
        self.run_fanmap("set", "double", "--concurrency", "2")
        wait_until(lambda: without.err().count(waits) == 2, 30 * PATIENCE, "it leaves")

    def test_a_log_that_was_deleted(self):
        """What is lost is said before it is passed, and passed only where that is asked for."""
        self.stream_worker()
        stream = self.stream()
        self.write(0, 7)
        self.read(self.to, self.lanes, 8, quiet_s=0)
        self.end(stream)
        log = f"{self.namespace}.stream.double"
        begin = raw.end(self.kafka.port, log, 0)
        self.write(8, 8)
        wait_until(lambda: raw.end(self.kafka.port, log, 0) > begin, 30 * PATIENCE, "an outcome")
        said = self.run_fanmap("show", "double").out().decode()
        self.assertRegex(said, "; [1-9] records of its log are not gathered")  # it, and how far the log is whole
        self.assertIn("gatherers  none: outcomes wait", said)
        raw.delete_records(self.kafka.port, log, 0, -1)
        self.write(12, 12)
        for _ in range(2):
            self.assertIn("between offsets 2 and 2 of", self.finish(self.stream(), 30, 6).err())
        self.stream("--skip-lost")
        numbers = [json.loads(value)["n"] for _, _, value, _ in self.read(self.to, self.lanes, 9)]
        self.assertEqual(sorted(numbers), [*range(8), 12])
