"""What a stream may be told: orders, beginnings, formats, where errors go, and what a task that fails whole transactions leaves behind."""
import json
import os
import signal
import struct
import sys
import time

import raw
from fleet import PATIENCE, wait_until
from test_stream import StreamCase


class Terms(StreamCase):
    def echo(self, *words, to=True, **more):
        """A stream of `echo`, which gives back what it gets."""
        return self.start("stream", "echo", "--from", self.source, *(["--to", self.to] if to else []), *words, *self.connect_args(),
                          "--session-timeout", "10s", **more)

    def put(self, lane, key, value, headers=(), at_ms=0):
        raw.produce_one(self.kafka.brokers, self.source, lane, key, value, headers, at_ms)

    def committed(self, lane, job="echo"):
        return raw.committed(self.kafka.port, f"{self.namespace}.stream.{job}", self.source, lane)

    def test_nobody_serves_it(self):
        """Said once in the words of a map, until the stream goes on; and again when all have left. A worker of another task is none."""
        self.worker("--exec", "shout=tr a-z A-Z", tasks=None)
        self.nobody_serves()

    def test_nobody_serves_it_without_redis(self):
        """Then Kafka says who takes part in the stream."""
        self.nobody_serves(env={"FANMAP_REDIS": "none"})

    def nobody_serves(self, **more):
        def said(word):
            return [line for line in stream.err().splitlines() if word in line]
        stream = self.echo(**more)
        self.put(0, b"k", b"1")
        wait_until(lambda: said("no worker serves"), 10 * PATIENCE, "it says that nobody is there")
        self.assertIn(f"no worker serves task echo on queue default; start one: fanmap worker --queue default --namespace {self.namespace}",
                      stream.err())
        time.sleep(6)  # long enough to ask once more
        self.assertEqual((len(said("no worker serves")), said("goes on")), (1, []))
        worker = self.worker(**more)
        self.read(self.to, self.lanes, 1, quiet_s=0)
        wait_until(lambda: said("stream echo goes on"), 10 * PATIENCE, "it goes on")
        time.sleep(6)  # quiet, and served
        self.assertEqual((len(said("no worker serves")), len(said("goes on"))), (1, 1))
        worker.signal(signal.SIGTERM)
        self.finish(worker, 30)
        self.put(0, b"k", b"2")
        wait_until(lambda: len(said("no worker serves")) == 2, 15 * PATIENCE, "nobody is there again")

    def test_no_order(self):
        """Each outcome once; a slow record holds up none, not even of its key."""
        go = os.path.join(self.folder, "go")
        self.stream_worker()
        self.stream("--order", "none", "--to-partition", "same")
        self.write(0, 41, until=lambda n: go if n == 0 else "/")
        self.read(self.to, self.lanes, 41, quiet_s=0)  # 28, of its key and its partition, among them
        open(go, "w").close()
        numbers = [json.loads(value)["n"] for _, _, value, _ in self.read(self.to, self.lanes, 42)]
        self.assertEqual(sorted(numbers), list(range(42)))
        self.assertLess(numbers.index(28), numbers.index(0))

    def test_from_a_time(self):
        """A new stream begins at the first record of that time or later; one that is there goes on where it was."""
        old, new = 1700000000000, 1700003600000  # 2023-11-14T22:13:20Z, and an hour later
        raw.configure_topic(self.kafka.port, self.source, "retention.ms", "-1")
        for lane in range(2):
            for n, at_ms in ((1, old), (2, new - 1), (3, new), (4, new + 1)):
                self.put(lane, b"k", b"%d" % n, at_ms=at_ms)
        self.worker()
        first = self.echo("--start", "2023-11-14T23:13:20Z")
        self.assertEqual(sorted(value for _, _, value, _ in self.read(self.to, self.lanes, 4)), [b"3", b"3", b"4", b"4"])
        wait_until(lambda: [self.committed(lane) for lane in range(self.lanes)] == [4, 4, 0, 0], 30 * PATIENCE, "its positions")
        first.kill()
        self.echo("--start", "earliest")
        self.put(2, b"k", b"5", at_ms=old)
        self.assertEqual(self.read(self.to, self.lanes, 5)[-1][2], b"5")
        self.assert_one_line(self.finish(self.echo("--start", "yesterday"), 30, 2), "--start", "yesterday")

    def formats(self, taken, given, pairs):
        """The value that each of `pairs` becomes; None: an error."""
        name = f"{taken}-{given}"
        raw.create_topic(self.kafka.port, self.source + name, 1)
        raw.create_topic(self.kafka.port, self.to + name, 1)
        self.start("stream", "echo", "--job-id", name, "--from", self.source + name, "--to", self.to + name, "--from-format", taken,
                   "--to-format", given, *self.connect_args())
        for value, _ in pairs:
            raw.produce_one(self.kafka.brokers, self.source + name, 0, b"k", value)
        got = [None if "fanmap-error-kind" in headers else value
               for _, _, value, headers in self.read(self.to + name, 1, len(pairs), quiet_s=0)]
        self.assertEqual(got, [wanted for _, wanted in pairs], name)

    def test_formats(self):
        """What is no value of the format is `bad_input`, which stands in the output where errors have no topic."""
        self.worker()
        self.formats("json", "msgpack", [(b'{"a":[1,null]}', b"\x81\xa1a\x92\x01\xc0"), (b"{", None), (b"7", b"\x07")])
        self.formats("msgpack", "json", [(b"\x81\xa1a\x92\x01\xc0", b'{"a":[1,null]}'), (b"\x92\x01", None), (b"\xc4\x01\xff", b'{"$binary":"/w=="}')])
        self.formats("text", "json", [(b"a \"word\"", b'"a \\"word\\""'), (b"\xff", None), (b"", b'""')])
        self.formats("binary", "text", [(b"\xff\0", b"\xff\0"), (b"plain", b"plain")])

    def test_errors_in_the_output(self):
        """Where errors have no topic: a record of each input, in order, with what went wrong."""
        self.worker("--exec", f"double={sys.executable} {self.script}", "--command-output", "json", tasks=None)
        self.start("stream", "double", "--from", self.source, "--to", self.to, "--to-partition", "same", "--tombstones", "fail",
                   *self.connect_args())
        for n, fails in ((0, False), (1, True), (2, False)):
            self.put(0, b"k", json.dumps({"n": n, "fails": fails}).encode(), [("mine", b"1"), ("long" * 100, b"2"), ("", b"3")])
        self.put(0, b"gone", None)
        got = self.read(self.to, self.lanes, 4)
        self.in_order(got)
        self.assertEqual([key for _, key, _, _ in got], [b"k", b"k", b"k", b"gone"])
        self.assertEqual([headers.get("fanmap-error-kind") for _, _, _, headers in got], [None, b"exit", None, b"bad_input"])
        error = json.loads(got[1][2])["$error"]
        self.assertEqual((error["kind"], error["attempts"]), ("exit", 1))
        for _, _, _, headers in got[:3]:
            self.assertEqual((headers["mine"], headers["long" * 100], headers[""]), (b"1", b"2", b"3"))

    def test_no_output(self):
        """The side effect is all there is, and the offsets tell how far it came; errors have their topic all the same."""
        self.stream_worker()
        self.start("stream", "double", "--from", self.source, "--errors-to", self.errors, *self.connect_args())
        self.write(0, 39, fails=lambda n: n == 13)
        ((_, _, value, _),) = self.read(self.errors, 1, 1)
        self.assertEqual(json.loads(value)["n"], 13)
        wait_until(lambda: [self.committed(lane, "double") for lane in range(self.lanes)] == [10] * self.lanes, 30 * PATIENCE, "the offsets")
        wait_until(lambda: json.loads(self.run_fanmap("show", "double", "--json").out())["stream"]["lanes"][0]["ungathered"] == 0, 30 * PATIENCE,
                   "all of it is gathered")

    def test_errors_in_all_words(self):
        """Each dialect's headers, bounded; those of these names that a record had are replaced; `dead replay` takes all of them off."""
        self.stream_worker()
        self.stream("--dead-headers", "fanmap,spring,connect,streams")
        self.put(1, b"k", json.dumps({"n": 1, "fails": "x" * 5000}).encode(),
                 [("mine", b"1"), ("__connect.errors.topic", b"another"), ("fanmap-error-kind", b"old")])
        ((_, _, _, headers),) = self.read(self.errors, 1, 1, quiet_s=0)
        self.assertEqual((headers["mine"], headers["fanmap-error-kind"]), (b"1", b"exit"))
        self.assertEqual((headers["__connect.errors.topic"], headers["__connect.errors.partition"], headers["__connect.errors.offset"]),
                         (self.source.encode(), b"1", b"0"))
        self.assertEqual((headers["__streams.errors.topic"], headers["__streams.errors.partition"], headers["__streams.errors.offset"]),
                         (self.source.encode(), b"1", b"0"))
        self.assertEqual((headers["kafka_dlt-original-topic"], headers["kafka_dlt-original-offset"]), (self.source.encode(), struct.pack(">q", 0)))
        self.assertLessEqual(max(len(value or b"") for value in headers.values()), 2000)
        self.assertIn(b"1 put back, 0 left", self.run_fanmap("dead", "replay", "--stream", "double").out())
        reader = raw.Committed(self.kafka.brokers, self.source, self.lanes)
        self.addCleanup(reader.close)
        records = []
        wait_until(lambda: (record := reader.poll()) and records.append(record) or len(records) == 2, 30 * PATIENCE, "it is back", 0)
        self.assertEqual(set(records[1][3]), {"mine"})


class PartOfATransaction(StreamCase):
    """A transaction that was written in part, and is not committed."""

    def records(self):
        return sum(raw.end(self.kafka.port, self.to, lane) for lane in range(self.lanes))

    def whole(self, n):
        got = self.read(self.to, self.lanes, n)
        self.in_order(got)
        return sorted(json.loads(value)["n"] for _, _, value, _ in got)

    def test_taken_away(self):
        """Another takes over its id while records are written: they are aborted, and written again, each visible once."""
        self.stream_worker()
        stream = self.stream("--commit-every", "5s")
        self.write(0, 3)
        wait_until(lambda: self.records() >= 4, 60 * PATIENCE, "the first is committed, or on its way")
        self.read(self.to, self.lanes, 4, quiet_s=0)
        before = self.records()
        self.write(4, 23)
        wait_until(lambda: self.records() >= before + 10, 30 * PATIENCE, "some are written")
        raw.take_transaction(self.kafka.port, f"{self.namespace}.gather.double.")
        self.assertEqual(self.whole(24), list(range(24)))
        self.assertTrue(stream.alive(), stream.err())
        self.assertGreater(self.records() - before, 30)  # those that nobody sees stand there, too

    def test_refused_in_part(self):
        """An errors topic that is compacted takes no record without a key: the whole transaction is dropped, one line says why, and
        what was in it is written once by the next."""
        raw.delete_topic(self.kafka.port, self.errors)
        raw.create_topic(self.kafka.port, self.errors, 1, cleanup_policy="compact")
        self.stream_worker()
        stream = self.stream("--commit-every", "3s")
        self.write(0, 3)
        self.read(self.to, self.lanes, 4, quiet_s=0)
        self.write(4, 11)
        raw.produce_one(self.kafka.brokers, self.source, 0, None, json.dumps({"n": 12, "fails": True}).encode())
        self.write(13, 20)
        refused = self.finish(stream, 60 * PATIENCE, 2)
        self.assertIn(f"topic {self.errors} refuses the record", refused.err())
        again = self.finish(self.stream(), 60 * PATIENCE, 2)
        self.assertIn(f"topic {self.errors} refuses the record", again.err())
        raw.configure_topic(self.kafka.port, self.errors, "cleanup.policy", "delete")
        self.stream()
        ((_, key, value, _),) = self.read(self.errors, 1, 1)
        self.assertEqual((key, json.loads(value)["n"]), (None, 12))
        self.assertEqual(self.whole(20), [n for n in range(21) if n != 12])

    def test_a_topic_that_takes_no_old_records(self):
        """An output that refuses old timestamps: one line, and all of it is there once the topic takes them."""
        raw.configure_topic(self.kafka.port, self.to, "message.timestamp.before.max.ms", "3600000")
        self.stream_worker()
        stream = self.stream()
        raw.produce_one(self.kafka.brokers, self.source, 0, b"k", b'{"n": 0}', timestamp_ms=int(time.time() - 7200) * 1000)
        self.assertIn(f"topic {self.to} refuses the record", self.finish(stream, 60 * PATIENCE, 2).err())
        raw.configure_topic(self.kafka.port, self.to, "message.timestamp.before.max.ms", str(2**63 - 1))
        self.stream()
        self.assertEqual(self.whole(1), [0])
