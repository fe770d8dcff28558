"""Streams over whatever a source can be: full of holes, compacted, growing, with keys that hold up nothing but themselves."""
import json
import signal
import time

import raw
from fleet import PATIENCE, wait_until
from test_stream import StreamCase


class Sources(StreamCase):
    def numbers(self, topic, lanes, n, **more):
        return [json.loads(value)["n"] for _, _, value, _ in self.read(topic, lanes, n, **more)]

    def put(self, lane, numbers, key=b"k"):
        raw.produce(self.kafka.brokers, self.source, lane, [(key, json.dumps({"n": n}).encode()) for n in numbers])

    def committed(self, lane):
        return raw.committed(self.kafka.port, f"{self.namespace}.stream.double", self.source, lane)

    def test_holes(self):
        """A deleted prefix, transactions that were aborted and committed, records without key, without value, and without both."""
        def transaction(numbers, commits):
            raw.transaction(self.kafka.brokers, self.source, 0, [(b"t", b'{"n": %d}' % n) for n in numbers], commits)

        self.put(0, range(10))
        raw.delete_records(self.kafka.port, self.source, 0, 4)
        transaction(range(20, 25), False)
        worker = self.stream_worker()
        self.stream("--to-partition", "same")
        self.assertEqual(self.numbers(self.to, self.lanes, 6, quiet_s=0), list(range(4, 10)))
        self.assertIn("offsets 0 to 3 were deleted before they were read", worker.err())
        transaction(range(30, 33), True)
        transaction(range(40, 45), False)
        for key, value in ((None, b'{"n": 50}'), (b"k", None), (None, None)):
            raw.produce_one(self.kafka.brokers, self.source, 0, key, value)
        transaction(range(60, 62), False)
        got = self.read(self.to, self.lanes, 12)
        self.assertEqual([(key, json.loads(value)["n"]) for _, key, value, _ in got[6:]],
                         [(b"t", 30), (b"t", 31), (b"t", 32), (None, 50), (b"k", None), (None, None)])
        wait_until(lambda: self.committed(0) == int(got[-1][3]["fanmap-source-offset"]) + 1, 30, "the last record is committed")
        said = json.loads(self.run_fanmap("show", "double", "--json").out())
        self.assertEqual(said["lag"], 0)  # no record is behind, though the last transaction's stand behind the position
        self.read(self.errors, 1, 0, quiet_s=0)

    def test_records_too_large_for_the_log(self):
        """By their value, their headers or their key: an error each, the partition goes on, and none of them is put back without its value."""
        topic, large = self.source + "-large", b"x" * 1500000
        raw.create_topic(self.kafka.port, topic, 1, max_message_bytes=12000000)
        raw.configure_topic(self.kafka.port, self.to, "max.message.bytes", "12000000")
        puts = [(b"value", b'{"n": "%s"}' % large, [("mine", b"1")]), (b"headers", b'{"n": 1}', [(f"h{i}", large) for i in range(3)]),
                (large, b'{"n": 2}', []), (b"last", b'{"n": 3}', [])]
        for key, value, headers in puts:
            raw.produce_one(self.kafka.brokers, topic, 0, key, value, headers)
        self.stream_worker()
        self.start("stream", "double", "--from", topic, "--to", self.to, "--errors-to", self.errors, *self.connect_args())
        self.assertEqual(self.numbers(self.to, self.lanes, 1, quiet_s=0), [3])
        bad = [(key, value, headers["fanmap-error-kind"], headers["fanmap-error-message"][:8], headers.get("mine")) for _, key, value, headers in self.read(self.errors, 1, 3, quiet_s=0)]
        self.assertEqual(bad, [(b"value", None, b"too_large", b"the item", b"1"), (b"headers", None, b"too_large", b"the brok", None),
                               (None, None, b"too_large", b"the brok", None)])
        replay = self.run_fanmap("dead", "replay", "--stream", "double", exit_status=1)
        self.assertIn(b"0 put back, 3 left", replay.out())
        self.assertIn("is on the source alone", replay.err())

    def test_compacted(self):
        """What compaction took away is stepped over, wherever the stream begins; each record that is there has its outcome."""
        topic = self.source + "-compacted"
        raw.create_topic(self.kafka.port, topic, 1, cleanup_policy="compact", segment_ms=200, min_cleanable_dirty_ratio=0.01)

        def count():
            reader, n = raw.Committed(self.kafka.brokers, topic, 1), 0
            while reader.poll(1000):
                n += 1
            reader.close()
            return n

        for n in range(40):
            raw.produce_one(self.kafka.brokers, topic, 0, b"k%d" % (n % 4), b'{"n": %d}' % n)
        time.sleep(0.3)  # the age of a segment that is full
        raw.produce_one(self.kafka.brokers, topic, 0, b"last", b'{"n": 40}')
        wait_until(lambda: count() == 5, 60, "the topic is compacted", 0.5)
        self.stream_worker()
        self.source = topic
        self.stream()
        self.assertEqual(sorted(self.numbers(self.to, self.lanes, 5)), list(range(36, 41)))
        wait_until(lambda: self.committed(0) == 41, 30, "the position")

    def test_more_partitions(self):
        """Partitions that the source gets while the stream runs are its own from then on, from their first record; also after a stop."""
        self.stream_worker()
        first = self.stream()
        self.write(0, 7)
        self.read(self.to, self.lanes, 8, quiet_s=0)
        raw.add_partitions(self.kafka.port, self.source, 6)
        for lane in (4, 5):
            self.put(lane, range(100 * lane, 100 * lane + 5))
        got = self.read(self.to, self.lanes, 18)
        self.in_order(got)
        self.assertEqual(sorted(json.loads(value)["n"] for _, _, value, _ in got),
                         [*range(8), *range(400, 405), *range(500, 505)])
        first.signal(signal.SIGTERM)
        self.finish(first, 30)
        self.stream()
        self.put(5, range(505, 507))
        self.assertEqual(sorted(self.numbers(self.to, self.lanes, 20))[-2:], [505, 506])
        shown = json.loads(self.run_fanmap("show", "double", "--json").out())
        self.assertEqual([lane["lag"] for lane in shown["stream"]["lanes"]], [0] * 6)


class Keys(StreamCase):
    def test_a_key_that_fails(self):
        """It is tried five times, up to eight seconds apart, before the next of its key; the other keys, 20,000, do not wait for it."""
        self.worker(slots=4)
        self.start("stream", "trouble", "--from", self.source, "--to", self.to, "--errors-to", self.errors, "--order", "key",
                   "--retries", "5", "--backoff", "8s,1", "--to-partition", "same", *self.connect_args())
        raw.produce(self.kafka.brokers, self.source, 0, [(b"bad", b"-4"), (b"bad", b"7")])
        for lane in range(self.lanes):  # all within the windows, of 10,000 a partition
            raw.produce(self.kafka.brokers, self.source, lane, [(b"%d" % n, b"%d" % n) for n in range(lane, 20000, self.lanes)])
        got = self.read(self.to, self.lanes, 20001, bound_s=100)
        self.assertEqual(sorted((key, int(value)) for _, key, value, _ in got),
                         sorted([(b"bad", 49), *((b"%d" % n, n * n) for n in range(20000))]))
        self.assertEqual(got[-1][1:3], (b"bad", b"49"))
        ((_, key, value, headers),) = self.read(self.errors, 1, 1, quiet_s=0)
        self.assertEqual((key, value, headers["fanmap-attempts"]), (b"bad", b"-4", b"6"))

    def write_keys(self, n):
        """Each number below n is a key of its own, with one record, or with two where a thousand divides it."""
        for first in range(0, n, 200000):  # a producer takes 100,000 at a time
            for lane in range(self.lanes):
                raw.produce(self.kafka.brokers, self.source, lane,
                            ((b"%d" % key, b"[%d,%d]" % (key, place)) for key in range(first + lane, min(first + 200000, n), self.lanes)
                             for place in range(2 if key % 1000 < self.lanes else 1)))

    def test_a_million_keys(self):
        """Each outcome comes once, those of a key in their order, and nobody remembers a key that is done."""
        n, records, seen, mib = 1000000, 1004000, bytearray(1000000), 1024
        self.write_keys(n)
        worker = self.worker(slots=2)
        stream = self.start("stream", "echo", "--from", self.source, "--to", self.to, "--order", "key", *self.connect_args())
        reader = raw.Committed(self.kafka.brokers, self.to, self.lanes)
        self.addCleanup(reader.close)
        began = None
        for i in range(records):
            record = reader.poll(int(60000 * PATIENCE), has_headers=False)
            key, place = json.loads(record[2])
            self.assertEqual((record[1], place), (b"%d" % key, seen[key]))
            seen[key] += 1
            if i == records // 8:  # the log grows meanwhile, so that every window is full behind it
                stream.signal(signal.SIGSTOP)
                time.sleep(3)
                stream.signal(signal.SIGCONT)
            if i == records // 3:
                began = worker.memory_peak_kib(), stream.memory_peak_kib()
        self.assertEqual(sum(seen), records)
        self.assertIsNone(reader.poll(1000))
        self.assertLess(worker.memory_peak_kib() - began[0], 16 * mib, "worker")
        self.assertLess(stream.memory_peak_kib() - began[1], 16 * mib, "stream")
        print(f"    worker {began[0] // mib} to {worker.peak_kib // mib} MiB, stream {began[1] // mib} to {stream.peak_kib // mib} MiB")

    def test_a_poison_record(self):
        """What takes its slots down is aside at the cap, and its partition goes on, in order."""
        self.worker(slots=2)
        self.start("stream", "trouble", "--from", self.source, "--to", self.to, "--errors-to", self.errors, "--retries", "50",
                   "--backoff", "1ms", *self.connect_args())
        raw.produce(self.kafka.brokers, self.source, 0, [(b"a", b"1"), (b"a", b"-1"), (b"a", b"3"), (b"a", b"4")])
        self.assertEqual([value for _, _, value, _ in self.read(self.to, self.lanes, 3)], [b"1", b"9", b"16"])
        ((_, key, value, headers),) = self.read(self.errors, 1, 1, quiet_s=0)
        self.assertEqual((key, value, headers["fanmap-error-kind"]), (b"a", b"-1", b"crashed"))
