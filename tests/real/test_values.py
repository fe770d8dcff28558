"""Values survive the whole way, bit for bit. The same tests on the fleet and embedded."""
import base64
import json
import math
import struct

from fleet import RECORDED, Case

INTEGERS = [0, 1, -1, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53 - 1, 2**53,
            2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, -32, -33, -128, -129, -(2**31), -(2**53) - 1, -(2**63), 1 - 2**63]
DOUBLES = [0.0, -0.0, 1.0, -1.0, 0.1, 1 / 3, 1e22, 1e23, 5e-324, 2.2250738585072014e-308, 2.225073858507201e-308,
           1.7976931348623157e308, -1.7976931348623157e308, 123456789012345680.0, 9007199254740993.0, math.pi, 1e-7, 1e16,
           4.35, 0.000001, 18446744073709551616.0]


def scalars():
    """Both sides of every border that an encoder can get wrong, and a sample of every block of 256."""
    borders = [0, 1, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFDD0, 0xFEFF, 0xFFFD, 0xFFFE, 0xFFFF]
    for plane in range(1, 17):
        borders += [plane << 16, (plane << 16) + 1, (plane << 16) | 0xFFFE, (plane << 16) | 0xFFFF]
    sampled = range(0, 0x110000, 251)
    return sorted({c for c in [*borders, *range(0x300), *sampled] if not 0xD800 <= c <= 0xDFFF})


def same(a, b):
    """Equal in type too, and doubles in every bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack(">d", a) == struct.pack(">d", b)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return a == b


class Values:
    """Mixed into the two classes below, which say how `echo` is run."""

    bound_s = 90

    def echo(self, data, *args, **kwargs):
        raise NotImplementedError

    def check(self, values):
        data = "".join(json.dumps(v, ensure_ascii=i % 2 == 0) + "\n" for i, v in enumerate(values))
        lines = self.echo(data).out().decode().split("\n")
        self.assertEqual(lines.pop(), "")
        self.assertEqual(len(lines), len(values))
        for value, line in zip(values, lines):
            self.assertTrue(same(json.loads(line), value), f"sent {json.dumps(value)[:300]}, got {line[:300]}")

    def test_integers_keep_64_bits(self):
        self.check(INTEGERS + [INTEGERS])

    def test_doubles_keep_every_bit(self):
        self.check(DOUBLES + [DOUBLES])

    def test_every_unicode_scalar_value(self):
        self.check([chr(c) for c in scalars()] + ["".join(map(chr, scalars()))])

    def test_text_of_every_length_near_a_border(self):
        self.check(["é" * n for n in (0, 1, 15, 16, 31, 32, 127, 128, 255, 256, 32767, 32768, 65535, 65536)])

    def test_nul_and_controls_in_text(self):
        self.check(["\0", "a\0b", "\0\0", "".join(map(chr, range(32))), "\x7f\u2028\u2029", '"\\/'])

    def test_nesting_and_containers(self):
        deep = 1
        for _ in range(30):
            deep = [deep, {"k": deep if not isinstance(deep, list) else None}]
        wide = {f"key{i}": [i, None, True, False, {"": ""}] for i in range(300)}
        self.check([deep, wide, [], {}, [[]], [{}], {"": {}}, [None] * 70_000, True, False, None])

    def test_empty_input_returns_at_once(self):
        self.assertEqual(self.echo("").out(), b"")

    def test_empty_strings(self):
        self.check(["", [""], {"": ""}])
        lines = self.echo("\n\na\n\n", "--input-format", "lines", "--output-format", "lines")
        self.assertEqual(lines.out(), b"\n\na\n\n")

    def test_a_last_line_without_its_newline(self):
        self.assertEqual(self.echo("1\n2").out(), b"1\n2\n")

    def test_crlf_is_white_space_in_jsonl_and_data_in_lines(self):
        self.assertEqual(self.echo("1\r\n[2]\r\n").out(), b"1\n[2]\n")
        lines = self.echo("a\r\nb\r\n", "--input-format", "lines", "--output-format", "lines")
        self.assertEqual(lines.out(), b"a\r\nb\r\n")

    def test_one_byte_under_the_limit(self):
        # msgpack of a long string is five bytes and the text; the default limit is 1 MiB.
        text = "x" * ((1 << 20) - 5 - 1)
        self.check([text])

    def test_dollar_keys(self):
        plain = [{"$error": 1, "a": 2}, {"$other": 1}, {"a": {"$b": 1}}, ["$value"]]
        self.check(plain)
        wrapped = '{"$value":{"$error":{"kind":"exit"}}}\n{"$value":{"$binary":"no"}}\n{"$value":{"$value":1}}\n'
        self.assertEqual(self.echo(wrapped).out().decode(), wrapped)
        self.assertEqual(self.echo('{"$value":5}\n').out(), b"5\n")

    def test_binary(self):
        data = [bytes(range(256)), b"", b"\0", b"\xff" * 70_000]
        lines = "".join(json.dumps({"$binary": base64.b64encode(d).decode()}, separators=(",", ":")) + "\n" for d in data)
        self.assert_same(self.echo(lines).out(), lines.encode())

    def test_lines_that_are_not_utf8_stay_as_they_are(self):
        data = b"\xff\xfe\nplain\n\x80\n"
        run = self.echo(data, "--input-format", "lines", "--output-format", "lines")
        self.assertEqual(run.out(), data)

    def test_nul_format(self):
        data = b"one\ntwo\0\0three\0"
        self.assertEqual(self.echo(data, "--input-format", "nul", "--output-format", "nul").out(), data)

    def test_values_on_the_command_line(self):
        self.assertEqual(self.echo(None, ":::", "1", '"two"', "[3]").out(), b'1\n"two"\n[3]\n')


class ValuesOnTheFleet(Values, Case):
    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.worker(slots=2)

    def echo(self, data, *args, **kwargs):
        return self.run_map("echo", *args, data=data, **kwargs)


class ValuesEmbedded(Values, Case):
    def echo(self, data, *args, **kwargs):
        data = data.encode() if isinstance(data, str) else data
        return self.run_fanmap("map", "--local", "--tasks", RECORDED, "echo", *args, data=data, bound_s=60, **kwargs)
