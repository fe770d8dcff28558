"""Random logs, good and hostile, as the product lists them and as list_rules.py does, which was written from schemas/README.md alone."""
import os
import random
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor

import list_rules
import raw
from fleet import FANMAP, PATIENCE, Case

SEED, JOBS, PARTITIONS = int(os.environ.get("LIST_RULES_SEED", "1")), 200, 8
LONGEST = 5000  # entries of a list; what would be longer is drawn again
KINDS = ("value", "exception", "exit", "signal", "timeout", "memory", "protocol", "crashed", "unknown_task", "bad_input", "too_large",
         "cancelled", "deadline", "lost")


class Raw(bytes):
    """Bytes that are msgpack already."""


class Maker:
    """Packs, now and then in a longer form than the shortest, which readers accept."""

    def __init__(self, rng, loose):
        self.rng, self.loose = rng, loose

    def is_long(self):
        return self.loose > 0 and self.rng.random() < self.loose

    def pack(self, o):
        if isinstance(o, Raw):
            return o
        if o is None:
            return b"\xc0"
        if isinstance(o, bool):
            return b"\xc3" if o else b"\xc2"
        if isinstance(o, int):
            return self.integer(o)
        if isinstance(o, float):
            return b"\xcb" + struct.pack(">d", o)
        if isinstance(o, str):
            return self.sized(o.encode(), 0xA0, 32, (0xD9, 0xDA, 0xDB))
        if isinstance(o, bytes):
            return self.sized(o, None, 0, (0xC4, 0xC5, 0xC6))
        if isinstance(o, dict):
            return self.counted(len(o), 0x80, 0xDE) + b"".join(self.pack(k) + self.pack(v) for k, v in o.items())
        return self.counted(len(o), 0x90, 0xDC) + b"".join(self.pack(x) for x in o)

    def integer(self, n):
        if self.is_long():
            return b"\xcf" + struct.pack(">Q", n) if n >= 0 else b"\xd3" + struct.pack(">q", n)
        if 0 <= n < 128:
            return bytes([n])
        if -32 <= n < 0:
            return struct.pack("b", n)
        forms = ((0xCC, ">B"), (0xCD, ">H"), (0xCE, ">I"), (0xCF, ">Q")) if n >= 0 else ((0xD0, ">b"), (0xD1, ">h"), (0xD2, ">i"), (0xD3, ">q"))
        for first, form in forms:
            try:
                return bytes([first]) + struct.pack(form, n)
            except struct.error:
                continue
        raise ValueError(n)

    def sized(self, body, short, short_below, firsts):
        n = len(body)
        if short is not None and n < short_below and not self.is_long():
            return bytes([short | n]) + body
        for first, width in zip(firsts, (1, 2, 4)):
            if n < 256 ** width and not (width < 4 and self.is_long()):
                return bytes([first]) + n.to_bytes(width, "big") + body
        raise ValueError(n)

    def counted(self, n, short, first):
        if n < 16 and not self.is_long():
            return bytes([short | n])
        return bytes([first]) + n.to_bytes(2, "big") if n < 65536 and not self.is_long() else bytes([first + 1]) + n.to_bytes(4, "big")


class Log:
    """The records of one job, as (key, value), and what stands on the jobs topic."""

    def __init__(self, seed, job):
        self.rng = random.Random(seed)
        self.job, self.key = job, job.encode()
        self.is_hostile = self.rng.random() < 0.7
        self.maker = Maker(self.rng, 0.15 if self.is_hostile else 0)
        self.value_max = self.rng.choice((1, 10, 1 << 20))
        self.n = self.rng.randrange(0, 40)
        self.spec = self.make_spec()
        self.records = [(self.key, self.start(self.spec))]
        self.body()

    def start(self, spec):
        return self.maker.pack([1, 1, spec])

    def make_spec(self, partition=0, start_offset=-1, job=None):
        rng = self.rng
        if not hasattr(self, "policy"):
            halt = rng.choice(([0, 0, 1, False],) * 3 + tuple([when, rng.randrange(3), rng.randrange(1, 60), rng.random() < 0.5] for when in (1, 2)))
            later = rng.choice(([], [0], [0, 500, 0, [2, 2, 64, 78]], [0, 0, 0, [], 2, "other"]))
            self.policy = [rng.random() < 0.15, halt, later]
        fail_fast, halt, later = self.policy
        return [1, job or self.job, "square", "default", 8, partition, start_offset, 1700000000000, 0, "n" * 32, 15000, 2, 1000, 2000, 300000, 0,
                5000, 0, fail_fast, halt, 3, 1 << 20, self.value_max, False, self.rng.choice((None, {"a": [1]})), *later]

    # ---- records ----

    def value(self):
        rng = self.rng
        kind = rng.randrange(10)
        if kind < 5:
            return rng.randrange(-1000, 1 << 40)
        if kind == 5 and self.is_hostile:
            edge = self.value_max + 65536
            return Raw(b"\xc6" + (edge - 5 + (extra := rng.randrange(-1, 2))).to_bytes(4, "big") + bytes(edge - 5 + extra)) if edge < 1 << 17 else "big"
        if kind == 6 and self.is_hostile:
            depth = rng.randrange(126, 131)
            return Raw(b"\x91" * depth + b"\xc0")
        return rng.choice((None, True, 1.5, float("nan"), "text é", b"\0\xff", [1, [2, {}]], {"k": [None]}, {1: 2}, Raw(b"\xd4\x05\x00"), Raw(b"\xa1\xff")))

    def entry(self, index):
        rng = self.rng
        attempts, kind = rng.choice((0, 1, 1, 2, 4294967295)), 0 if rng.random() < 0.7 else rng.randrange(1, 14)
        fields = [index, attempts, kind, rng.randrange(1 << 20)]
        fields += [self.value()] if kind == 0 else ["Type" * rng.randrange(2), "it failed", rng.choice((0, 1, 255)), rng.choice((0, 9)), rng.choice((b"", b"tail")), *rng.choice(((), (), (b"said",)))]
        if not self.is_hostile:
            return fields
        odd = rng.random()
        if odd < 0.06:
            return fields + [rng.choice((7, "more", [1, 2], Raw(b"\x91" * 129 + b"\xc0")))]
        if odd < 0.09:
            return fields[:rng.randrange(len(fields))]
        if odd < 0.16:
            at = rng.randrange(len(fields))
            fields[at] = rng.choice((-1, "x", 14, 1 << 32, (1 << 64) - 1, None, [], b"x"))
        if odd > 0.98:
            return rng.choice((5, "entry", None, {}))
        return fields

    def index(self):
        rng = self.rng
        if self.is_hostile and rng.random() < 0.05:
            return rng.choice((1 << 24, (1 << 24) + 1, 1 << 40, (1 << 64) - 2, (1 << 64) - 1, self.n, self.n + 1, self.n + 7))
        return rng.randrange(0, max(1, self.n + (3 if rng.random() < 0.1 else 0)))

    def outcomes(self, indexes):
        entries = [self.entry(i) for i in indexes]
        count = len(entries)
        if self.is_hostile and self.rng.random() < 0.08:
            count = self.rng.choice((count + 1, max(0, count - 1), 0, 1 << 33))
        return self.maker.pack([1, 2, count, *entries])

    def progress(self, prefix):
        offsets = [self.rng.randrange(-1, 1 << 33) for _ in range(self.rng.choice((8, 8, 0, 3)))]
        if self.is_hostile and self.rng.random() < 0.1:
            prefix = self.rng.choice(((1 << 24) + 1 + self.n, 1 << 63, (1 << 64) - 1))
        return self.maker.pack([1, 3, prefix, self.rng.getrandbits(64), "p-1", offsets])

    def input(self):
        n, error = self.n, "" if self.rng.random() < 0.8 else "in: read error"
        if self.is_hostile and self.rng.random() < 0.3:
            n = self.rng.choice((max(0, n - 3), n + 2, 1 << 25, 1 << 63, (1 << 64) - 1))
        return self.maker.pack([1, 4, n, error])

    def noise(self):
        rng = self.rng
        what = rng.randrange(9)
        if what == 0:
            return self.key, rng.randbytes(rng.randrange(0, 40))
        if what == 1:
            return rng.choice((self.key + b"x", b"other", b"", self.key[:-1])), self.maker.pack([1, 5, 1])
        if what == 2:
            other = self.make_spec(job=rng.choice((self.job, "other")))
            other[18] = not other[18]
            return self.key, self.start(other)
        if what == 3:
            return self.key, self.maker.pack([rng.choice((0, 2, "1")), 5, 1])
        if what == 4:
            return self.key, self.maker.pack([1, rng.choice((0, 7, 255, -1)), 1])
        if what == 5:
            return self.key, self.maker.pack([1, 5, rng.choice((0, 7, -1, "1", 1 << 40))])
        if what == 6:
            return self.key, self.maker.pack([1, 6, rng.choice(("p" * 32, "p" * 33, "a\0b", 7))])
        if what == 7:
            return self.key, self.outcomes([self.index() for _ in range(rng.randrange(3))]) + b"\0"
        return self.key, self.mangled(self.outcomes([self.index() for _ in range(rng.randrange(1, 5))]))

    def mangled(self, data):
        data, rng = bytearray(data), self.rng
        for _ in range(rng.randrange(1, 3)):
            at = rng.randrange(len(data))
            what = rng.randrange(3)
            if what == 0:
                data[at] = rng.randrange(256)
            elif what == 1:
                del data[at:]
            else:
                data.insert(at, rng.randrange(256))
            if not data:
                break
        return bytes(data)

    def body(self):
        rng, left = self.rng, list(range(self.n))
        rng.shuffle(left)
        input_at = rng.random() if rng.random() < 0.7 else 2
        steps, prefix = rng.randrange(3, 15), 0
        for step in range(steps):
            if step / steps >= input_at and input_at < 2:
                self.records.append((self.key, self.input()))
                input_at = 2
            if self.is_hostile and rng.random() < 0.4:
                self.records.append(self.noise())
            if rng.random() < 0.3:
                prefix = min(self.n, prefix + rng.randrange(10))
                self.records.append((self.key, self.progress(prefix)))
            take = [left.pop() for _ in range(min(len(left), rng.randrange(0, 8)))]
            take += [self.index() for _ in range(rng.randrange(0, 3))]
            self.records.append((self.key, self.outcomes(take)))
        if rng.random() < 0.5 and left:
            self.records.append((self.key, self.outcomes(left)))
        if rng.random() < 0.5:
            self.records.append((self.key, self.input()))
        self.records.append((self.key, Maker(rng, 0).pack([1, 5, rng.randrange(1, 7)])))  # so that every list is decided
        for _ in range(rng.randrange(3)):
            self.records.append((self.key, self.outcomes([self.index()])))


def expected(log):
    reader = list_rules.List(log.key)
    for key, value in log.records:
        reader.record(key, value)
    n = reader.length if reader.input_n is not None else max(reader.end, reader.prefix)
    return (reader.state, reader.result()) if n <= LONGEST else None


def draw(number):
    """A log whose list is not too long to be printed."""
    for again in range(100):
        log = Log(SEED * 1000003 + number * 101 + again, f"j{number}")
        wanted = expected(log)
        if wanted is not None:
            return log, wanted
    raise AssertionError("no log is short enough")


def records_of(output):
    """What `gather --records --output-format msgpack` printed: (index, attempts, value as bytes or None, error as a dict)."""
    reader, out = list_rules.Reader(output), []
    while reader.at < len(output):
        members = reader.object(-4).value
        record = {k.value.decode(): v for k, v in zip(members[::2], members[1::2])}
        error = record.get("error")
        if error is not None:
            error = {k.value.decode(): v.value for k, v in zip(error.value[::2], error.value[1::2])}
        out.append((record["index"].value, record["attempts"].value, record["value"].raw if "value" in record else None, error))
    return out


def as_printed(o):
    if o.kind == list_rules.VALUE:
        return o.index, o.attempts, o.value, None
    error = {"kind": KINDS[o.kind].encode(), "message": list_rules.printed(o.message)}
    error.update({k: v for k, v in (("type", list_rules.printed(o.type)), ("stderr", list_rules.printed(o.stderr)), ("stdout", list_rules.printed(o.stdout)), ("exit_status", o.exit_status), ("signal", o.signo)) if v})
    return o.index, o.attempts, None, error


class ListRules(Case):
    bound_s = 300
    partitions = PARTITIONS

    def gather(self, job):
        done = subprocess.run([FANMAP, "gather", job, "--records", "--output-format", "msgpack", "-q"], env=self.environment(),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60 * PATIENCE)
        return done.returncode, done.stdout, done.stderr.decode(errors="replace")

    def test_two_readers_of_200_logs(self):
        self.on_fleet()
        self.run_fanmap("topics", "--create", "--partitions", PARTITIONS)
        logs = [draw(number) for number in range(JOBS)]
        partitions, jobs = [[] for _ in range(PARTITIONS)], []
        for number, (log, _) in enumerate(logs):
            partition = number % PARTITIONS
            start = len(partitions[partition])
            partitions[partition] += log.records
            jobs.append((log.key + b"/spec", Maker(log.rng, 0).pack([1, log.make_spec(partition, start)])))
        for partition, records in enumerate(partitions):
            raw.produce(self.kafka.brokers, f"{self.namespace}.results", partition, records)
        raw.produce(self.kafka.brokers, f"{self.namespace}.jobs", 0, jobs)
        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(self.gather, [log.job for log, _ in logs]))
        states = {}
        for (log, (state, outcomes)), (status, output, said) in zip(logs, answers):
            with self.subTest(job=log.job, seed=SEED):
                self.assertIn(status, (0, 1) if state == "complete" else (3, 6), f"{state}: {said}")
                got, wanted = records_of(output), [as_printed(o) for o in outcomes]
                for a, b in zip(got, wanted):
                    self.assertEqual(a, b)
                self.assertEqual(len(got), len(wanted))
            states[state] = states.get(state, 0) + 1
        self.assertTrue(states["complete"] > 5 and states["closed"] > 50, states)
