"""What a stream does with single records: errors in several dialects, put back; what is stepped over; headers that go through."""
import json
import os
import shutil
import struct
import sys

import raw
from fleet import FANMAP, ROOT, Program, wait_until
from test_stream import StreamCase

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def murmur2(data):
    """As Kafka's own producers hash a key."""
    mask, m = 0xffffffff, 0x5bd1e995
    h = 0x9747b28c ^ len(data)
    for i in range(0, len(data) - 3, 4):
        k = int.from_bytes(data[i:i + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    rest = data[len(data) & ~3:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


class Errors(StreamCase):
    def test_the_hash_itself(self):
        known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536, b"abc": 479470107}
        for key, value in known.items():  # those of Kafka's own tests
            self.assertEqual(murmur2(key), value & 0xffffffff)

    def test_errors_in_other_words_and_put_back(self):
        """Spring's binary numbers; `dead replay` puts each error back once, without what was added, and they go well then."""
        self.stream_worker()
        self.stream("--dead-headers", "fanmap,spring")
        needed = os.path.join(self.folder, "needed")
        self.write(0, 11, needs=lambda n: needed if n % 3 == 0 else "/")
        raw.produce_one(self.kafka.brokers, self.source, 2, b"t", json.dumps({"n": 12, "needs": needed}).encode(),
                        [("traceparent", TRACE), ("mine", b"\xff")])
        self.read(self.to, self.lanes, 8, quiet_s=0)
        for _, key, value, headers in self.read(self.errors, 1, 5, quiet_s=0):
            n = json.loads(value)["n"]
            self.assertEqual(headers["kafka_dlt-original-partition"], struct.pack(">i", n % 4 if n != 12 else 2))
            self.assertEqual(headers["kafka_dlt-original-offset"], struct.pack(">q", int(headers["fanmap-source-offset"])))
            self.assertEqual(headers["kafka_dlt-original-consumer-group"].decode(), f"{self.namespace}.stream.double")
        listed = [json.loads(line) for line in self.run_fanmap("dead", "list", "--stream", "double", "--json").out().splitlines()]
        self.assertEqual(sorted((letter["stage"], letter["topic"]) for letter in listed), [("exit", self.source)] * 5)
        with open(needed, "w"):
            pass
        self.assertIn(b"5 put back, 0 left", self.run_fanmap("dead", "replay", "--stream", "double").out())
        got = self.read(self.to, self.lanes, 13)
        self.assertEqual(sorted(json.loads(value)["n"] for _, _, value, _ in got), list(range(13)))
        for partition, key, _, _ in got:
            self.assertEqual(partition, (murmur2(key) & 0x7fffffff) % self.lanes)
        headers = next(headers for _, _, value, headers in got if json.loads(value)["n"] == 12)
        self.assertEqual((headers["traceparent"], headers["mine"], headers["fanmap-attempts"]), (TRACE, b"\xff", b"1"))
        self.assertFalse([name for name in headers if name.startswith(("kafka_dlt", "fanmap-error"))])
        self.assertIn(b"0 put back, 0 left", self.run_fanmap("dead", "replay", "--stream", "double").out())

    def test_put_back_from_a_topic_of_others(self):
        """Outcomes that are no errors stay where they are, where they share the topic, and so do errors of a stream of this name elsewhere."""
        self.stream_worker()
        self.start("stream", "double", "--from", self.source, "--to", self.to, "--errors-to", self.to, *self.connect_args())
        self.write(0, 3, fails=lambda n: n == 2)
        self.read(self.to, self.lanes, 4, quiet_s=0)
        raw.produce_one(self.kafka.brokers, self.to, 0, b"k", b'{"n": 4}',
                        [("fanmap-job", b"double"), ("fanmap-source-topic", b"another"), ("fanmap-source-partition", b"0"),
                         ("fanmap-source-offset", b"0"), ("fanmap-error-kind", b"exit")])
        listed = [json.loads(line) for line in self.run_fanmap("dead", "list", "--stream", "double", "--json").out().splitlines()]
        self.assertEqual([(letter["topic"], letter["partition"], letter["stage"]) for letter in listed], [(self.source, 2, "exit")])
        self.assertIn(b"1 put back, 0 left", self.run_fanmap("dead", "replay", "--stream", "double").out())
        self.assertEqual([raw.end(self.kafka.port, self.source, lane) for lane in range(self.lanes)], [1, 1, 2, 1])


class Records(StreamCase):
    def test_what_is_stepped_over(self):
        """Filter, tombstones, age and schema in one stream that begins at the end: what is skipped is committed, and is nowhere."""
        keep = [("kind", b"new")]

        def put(lane, n, headers, key=b"k", value=None, at_ms=0):
            raw.produce_one(self.kafka.brokers, self.source, lane, key,
                            json.dumps({"n": n}).encode() if value is None else value, headers, at_ms)

        put(0, 0, keep)  # before the beginning
        self.stream_worker()
        self.stream("--start", "latest", "--filter", "kind=new", "--tombstones", "skip", "--max-age", "1h", "--schema", "strip",
                    "--to-partition", "same")
        wait_until(lambda: self.committed(0) == 1, 30, "the beginning of the stream")
        put(0, 1, keep + [("traceparent", TRACE)], value=b"\0\0\0\1\2" + b'{"n":1}')
        put(0, 2, [("kind", b"old")])
        put(0, 3, [])
        put(0, 4, keep, key=b"x")
        raw.produce_one(self.kafka.brokers, self.source, 0, b"k", None, keep)
        got = self.read(self.to, self.lanes, 2)
        self.assertEqual([(partition, key, json.loads(value)["n"]) for partition, key, value, _ in got], [(0, b"k", 1), (0, b"x", 4)])
        self.assertEqual(json.loads(got[0][2])["schema"], "258")
        self.assertEqual(got[0][3]["traceparent"], TRACE)
        put(0, 5, keep, at_ms=1700000000000)  # the broker's clock is known by what was stored
        put(0, 6, keep)
        self.assertEqual([json.loads(value)["n"] for _, _, value, _ in self.read(self.to, self.lanes, 3)], [1, 4, 6])
        wait_until(lambda: self.committed(0) == 8, 30, "what is skipped is committed")
        wait_until(lambda: json.loads(self.run_fanmap("show", "double", "--json").out())["stream"]["skipped"] == 4, 30, "it is counted")
        self.read(self.errors, 1, 0, quiet_s=0)

    def committed(self, partition):
        return raw.committed(self.kafka.port, f"{self.namespace}.stream.double", self.source, partition)


class Examples(StreamCase):
    def test_orders(self):
        """examples/python/orders.py on a stream that was begun by --detach: JSON to JSON, a customer's in order, errors aside."""
        self.worker("--serve", f"enrich={sys.executable} {os.path.join(ROOT, 'examples', 'python', 'orders.py')}", tasks=None)
        words = ("stream", "enrich", "--from", self.source, "--to", self.to, "--errors-to", self.errors, "--order", "key")
        self.run_fanmap(*words, "--detach")
        for n, (customer, article) in enumerate((("ada", "pencil"), ("alan", "paper"), ("ada", "paper"), ("bob", "paper"), ("alan", "ink"))):
            self.order(n, customer, article)
        self.start(*words, *self.connect_args())
        got = {value["order"]: value for value in (json.loads(value) for _, _, value, _ in self.read(self.to, self.lanes, 3, quiet_s=0))}
        self.assertEqual({n: (o["customer"], o["total"], o["shop"]) for n, o in got.items()},
                         {0: ("Ada Lovelace", 216, "Z\u00fcrich"), 1: ("Alan Turing", 900, "Z\u00fcrich"), 2: ("Ada Lovelace", 810, "Z\u00fcrich")})
        self.assertEqual(got[2]["id"], f"{self.source}/0/1")
        bad = {key: headers["fanmap-error-message"] for _, key, _, headers in self.read(self.errors, 1, 2, quiet_s=0)}
        self.assertEqual(bad, {b"bob": b"no such customer: bob", b"alan": b"no such article: ink"})
        self.sink()

    def sink(self):
        """examples/streams/sink, where there is kcat."""
        if shutil.which("kcat") is None:
            return
        path = os.path.join(self.folder, "sink")
        self.program("sink", os.path.join(ROOT, "examples", "streams", "sink"), self.kafka.brokers, self.to, self.namespace, path)

        def lines():
            if not os.path.exists(path):
                return []
            with open(path) as f:
                return f.readlines()

        wait_until(lambda: len(lines()) >= 3, 60, "three lines")
        self.assertEqual(sorted(json.loads(line)["order"] for line in lines()), [0, 1, 2])

    def order(self, n, customer, article):
        order = {"order": n, "lines": [{"article": article, "count": 2}]}
        raw.produce_one(self.kafka.brokers, self.source, n % 2, customer.encode(), json.dumps(order).encode(), [("shop", b"Z\xc3\xbcrich")])

    def program(self, name, *command):
        program = Program(name, command, self.folder, self.environment({"FANMAP": FANMAP}))
        self.programs.append(program)
        return program

    def test_thumbnails(self):
        """examples/streams/thumbnail.py: an image in, a small one out, byte by byte; what is none stands aside."""
        command = f"{sys.executable} {os.path.join(ROOT, 'examples', 'streams', 'thumbnail.py')} 2"
        self.worker("--exec", f"thumbnail={command}", "--raw", tasks=None)
        self.start("stream", "thumbnail", "--from", self.source, "--to", self.to, "--errors-to", self.errors, "--from-format", "binary",
                   "--to-format", "binary", *self.connect_args())
        image = b"P6\n4 4\n255\n" + bytes(range(48))
        raw.produce_one(self.kafka.brokers, self.source, 0, b"a", image)
        raw.produce_one(self.kafka.brokers, self.source, 1, b"b", b"GIF89a")
        ((_, key, value, _),) = self.read(self.to, self.lanes, 1, quiet_s=0)
        self.assertEqual((key, value), (b"a", b"P6 2 2 255\n" + bytes([0, 1, 2, 6, 7, 8, 24, 25, 26, 30, 31, 32])))
        ((_, key, value, _),) = self.read(self.errors, 1, 1, quiet_s=0)
        self.assertEqual((key, value), (b"b", b"GIF89a"))
        self.counts(image)

    def counts(self, image):
        """examples/python/results.py counts each outcome once, though it is killed in between."""
        path = os.path.join(self.folder, "counts")

        def consumer():
            return self.program("results", sys.executable, os.path.join(ROOT, "examples", "python", "results.py"), "thumbnail", path)

        def counted():
            if not os.path.exists(path):
                return None
            with open(path) as f:
                state = json.load(f)
            return state["done"], state["failed"]

        first = consumer()
        wait_until(lambda: counted() == (1, 1), 60, "the counts")
        first.kill()
        for lane in (0, 1):
            raw.produce_one(self.kafka.brokers, self.source, lane, b"c", image)
        consumer()
        wait_until(lambda: counted() == (3, 1), 60, "the new counts")


class AtLeastOnce(StreamCase):
    def test_without_transactions(self):
        """Everything comes, also when the writer is killed; no transaction's marker stands in the output."""
        self.stream_worker()
        words = ("--deliver", "at-least-once")
        first = self.stream(*words)
        self.write(0, 39)
        self.read(self.to, self.lanes, 40, quiet_s=0)
        wait_until(lambda: sum(max(raw.committed(self.kafka.port, f"{self.namespace}.gather.double", f"{self.namespace}.stream.double", lane), 0)
                               for lane in range(self.lanes)) > 0, 30, "positions")
        self.assertEqual(sum(raw.end(self.kafka.port, self.to, lane) for lane in range(self.lanes)), 40)
        first.kill()
        self.write(40, 59, fails=lambda n: n == 50)
        self.stream(*words)
        seen = set()
        reader = raw.Committed(self.kafka.brokers, self.to, self.lanes)
        self.addCleanup(reader.close)
        wait_until(lambda: (record := reader.poll()) and seen.add(json.loads(record[2])["n"]) or len(seen) == 59, 60, "every output", 0)
        self.assertEqual(seen, set(range(60)) - {50})
        self.read(self.errors, 1, 1, quiet_s=0)
