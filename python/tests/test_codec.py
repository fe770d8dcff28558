"""Values: what passes, what is refused, and the bytes of each."""

import dataclasses
import datetime
import enum
import random
import unittest

from fanmap import Ext
from fanmap._codec import NotAValue, pack, pickled, unpack, unpack_many
from fanmap._task import make_record

UTC = datetime.timezone.utc
GOLDEN = [
    (None, "c0"), (False, "c2"), (True, "c3"), (0, "00"), (127, "7f"), (128, "cc80"), (255, "ccff"), (256, "cd0100"),
    (65536, "ce00010000"),
    (1 << 32, "cf0000000100000000"), ((1 << 64) - 1, "cfffffffffffffffff"), (-1, "ff"), (-32, "e0"),
    (-33, "d0df"), (-129, "d1ff7f"), (-32769, "d2ffff7fff"), (-(1 << 63), "d38000000000000000"),
    (1.5, "cb3ff8000000000000"), ("", "a0"), ("é", "a2c3a9"),
    ("x" * 32, "d920" + "78" * 32), (b"", "c400"), (b"\0\1", "c4020001"),
    ([], "90"), ([1, [2]], "92019102"), ({}, "80"), ({"a": 1}, "81a16101"), ({1: None, b"k": 2}, "8201c0c4016b02"),
    (datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), "d6ff00000001"),
    (datetime.datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC), "d7ff00004e2000000001"),
    (datetime.datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), "c70cff00000000ffffffffffffffff"),
    (Ext(5, b"abc"), "c70305616263"),
]  # fmt: skip


@dataclasses.dataclass
class Point:
    x: int
    y: "Point | None" = None


class Model:
    def model_dump(self):
        return {"name": "a model"}


class Colour(enum.IntEnum):
    RED = 7


class Codec(unittest.TestCase):
    def test_golden_bytes(self):
        for value, hexed in GOLDEN:
            with self.subTest(value=value):
                self.assertEqual(pack(value).hex(), hexed)
                back = unpack(bytes.fromhex(hexed))
                self.assertEqual(back, value)
                self.assertIs(type(back), type(value))

    def test_lengths_at_each_border(self):
        for n in (31, 32, 255, 256, 65535, 65536):
            for value in ("x" * n, b"x" * n, [0] * n, {i: i for i in range(n)}):
                self.assertEqual(unpack(pack(value)), value)

    def test_random_values_pass(self):
        rng = random.Random(7)

        def some(depth):
            kind = rng.randrange(8 if depth else 6)
            if kind == 6:
                return [some(depth - 1) for _ in range(rng.randrange(20))]
            if kind == 7:
                return {rng.choice([some(0), rng.random()]): some(depth - 1) for _ in range(rng.randrange(20))}
            bits = rng.randrange(64)
            return [None, rng.random() < 0.5, rng.getrandbits(bits + 1), -rng.getrandbits(bits + 0 if bits else 1),
                    rng.random(), "é" * rng.randrange(40)][kind]  # fmt: skip

        for _ in range(2000):
            value = some(3)
            self.assertEqual(unpack(pack(value)), value)

    def test_what_becomes_something_near(self):
        self.assertEqual(unpack(pack((1, (2,)))), [1, [2]])
        self.assertEqual(unpack(pack(bytearray(b"x"))), b"x")
        self.assertEqual(unpack(pack(Colour.RED)), 7)
        self.assertEqual(unpack(pack(Point(1, Point(2)))), {"x": 1, "y": {"x": 2, "y": None}})
        self.assertEqual(unpack(pack([Model()])), [{"name": "a model"}])
        self.assertEqual(unpack(bytes.fromhex("81920102c0")), {(1, 2): None})
        self.assertEqual(unpack(bytes.fromhex("ca3fc00000")), 1.5)
        self.assertEqual(pack(unpack(b"\xa2\xff\xfe")), b"\xa2\xff\xfe")  # text that is not UTF-8 stays what it is

    def test_what_is_refused_says_why(self):
        loop = []
        loop.append(loop)
        for value, why in ((1 << 64, "64 bits"), (-(1 << 63) - 1, "64 bits"), ({1}, "of a set send a list"),
                           (object(), "object is no value"), (datetime.datetime(2020, 1, 1), "time zone"),
                           ((i for i in ()), "return a list"), (loop, "deeper than 128")):  # fmt: skip
            with self.subTest(why=why), self.assertRaisesRegex(NotAValue, why):
                pack([value])

    def test_bytes_that_are_no_object(self):
        for text in ("", "c1", "91", "a3ff", "cd01", "0000", "c4", "d6ff"):
            with self.subTest(text=text), self.assertRaises(ValueError):
                unpack(bytes.fromhex(text))

    def test_pickles_only_when_asked(self):
        data = pack({"s": {1, 2}}, pickled)
        self.assertEqual(unpack(data, trust=True), {"s": {1, 2}})
        self.assertIsInstance(unpack(data)["s"], Ext)

    def test_many(self):
        values = [1, "two", [3], 1000]
        self.assertEqual(list(unpack_many(b"".join(map(pack, values)), 4)), values)

    def test_the_record_of_a_stream(self):
        record = make_record(
            unpack(pack(["orders", 3, 7, -1, b"k", ["n", b"a", "x", None, "n", b"b", "later", b""], 9, "later"]))
        )
        self.assertEqual((record.topic, record.partition, record.offset, record.key), ("orders", 3, 7, b"k"))
        self.assertEqual(record.headers, [("n", b"a"), ("x", None), ("n", b"b"), ("later", b"")])
        self.assertEqual(record.schema_id, 9)
        self.assertEqual((record.header("n"), record.header("x"), record.header("y")), (b"b", None, None))


if __name__ == "__main__":
    unittest.main()
