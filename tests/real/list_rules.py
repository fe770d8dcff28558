"""The list of a job from its log: a reader written from schemas/README.md alone, with nothing but Python's own library.

It is here to be compared with the reader of the product, so it takes nothing from it, and says each rule once more in plain steps.
"""
import re
import struct

AHEAD_MAX, FRAMING, DEPTH_MAX = 16777216, 65536, 128
U32, U64, I64 = 2 ** 32 - 1, 2 ** 64 - 1, 2 ** 63 - 1
VALUE, CANCELLED, DEADLINE, LOST = 0, 11, 12, 13


class Bad(Exception):
    """The message is not what the page says."""


# ---- msgpack: objects that remember their type and their bytes ----

class Object:
    """kind: nil bool int float str bin ext array map. `value`: the number, the bytes, or the list of objects inside (of a map keys
    and values by turns)."""

    def __init__(self, kind, value, raw=None):
        self.kind, self.value, self.raw = kind, value, raw


HEADS = {0xC4: ("bin", 1), 0xC5: ("bin", 2), 0xC6: ("bin", 4), 0xC7: ("ext", 1), 0xC8: ("ext", 2), 0xC9: ("ext", 4),
         0xD9: ("str", 1), 0xDA: ("str", 2), 0xDB: ("str", 4), 0xDC: ("array", 2), 0xDD: ("array", 4), 0xDE: ("map", 2),
         0xDF: ("map", 4)}
FIXED = {0xCA: (">f", "float"), 0xCB: (">d", "float"), 0xCC: (">B", "int"), 0xCD: (">H", "int"), 0xCE: (">I", "int"),
         0xCF: (">Q", "int"), 0xD0: (">b", "int"), 0xD1: (">h", "int"), 0xD2: (">i", "int"), 0xD3: (">q", "int")}


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if n > len(self.data) - self.at:
            raise Bad("the bytes end early")
        self.at += n
        return self.data[self.at - n:self.at]

    def head(self):
        """(kind, what it holds or how many of it follow)"""
        c = self.take(1)[0]
        if c < 0x80:
            return "int", c
        if c >= 0xE0:
            return "int", c - 256
        if c < 0x90:
            return "map", c & 15
        if c < 0xA0:
            return "array", c & 15
        if c < 0xC0:
            return "str", c & 31
        if c == 0xC0:
            return "nil", None
        if c == 0xC1:
            raise Bad("0xc1")
        if c in (0xC2, 0xC3):
            return "bool", c == 0xC3
        if c in FIXED:
            form, kind = FIXED[c]
            return kind, struct.unpack(form, self.take(struct.calcsize(form)))[0]
        if c in HEADS:
            kind, width = HEADS[c]
            return kind, int.from_bytes(self.take(width), "big")
        return "ext", 1 << (c - 0xD4)

    def object(self, depth=0):
        start = self.at
        kind, n = self.head()
        if kind in ("array", "map"):
            if depth == DEPTH_MAX:
                raise Bad("too deep")
            n = n * (2 if kind == "map" else 1)
            if n > len(self.data) - self.at:
                raise Bad("more objects than bytes")
            n = [self.object(depth + 1) for _ in range(n)]
        elif kind in ("str", "bin"):
            n = self.take(n)
        elif kind == "ext":
            n = self.take(n + 1)
        return Object(kind, n, self.data[start:self.at])

    def array(self):
        """How many elements; they follow one by one, each with a depth of its own."""
        kind, n = self.head()
        if kind != "array":
            raise Bad("no array")
        return n


def number(o, low=0, high=U64):
    if o.kind != "int" or not low <= o.value <= high:
        raise Bad("no number in its range")
    return o.value


def boolean(o):
    if o.kind != "bool":
        raise Bad("no bool")
    return o.value


def text(o, longest):
    if o.kind != "str" or len(o.value) > longest or b"\0" in o.value:
        raise Bad("no text")
    return o.value


def of_kind(o, kind):
    if o.kind != kind:
        raise Bad("another type")
    return o.value


def name(o, pattern):
    value = text(o, 63)
    if not re.fullmatch(pattern, value):
        raise Bad("no such name")
    return value


JOB, TASK, QUEUE = rb"(?![.-])[A-Za-z0-9._-]{1,63}", rb"[A-Za-z0-9._-]{1,63}", rb"[a-z0-9-]{1,48}"


# ---- the records of a log ----

def need(array, n):
    if len(array) < n:
        raise Bad("a field is missing")


def halt_of(o):
    parts = of_kind(o, "array")
    need(parts, 4)
    when, what, threshold = number(parts[0], 0, 2), number(parts[1], 0, 2), number(parts[2], 0, U32)
    is_percent = boolean(parts[3])
    if when and (threshold < 1 or (is_percent and threshold > 100)):
        raise Bad("a rule that cannot be")
    return when, what, threshold, is_percent


def spec_of(o):
    f = of_kind(o, "array")
    need(f, 25)
    if number(f[0]) != 1:
        raise Bad("another version")
    spec = {"job": name(f[1], JOB)}
    name(f[2], TASK)
    name(f[3], QUEUE)
    number(f[4], 1, 100000)
    spec["results_partition"] = number(f[5], 0, 99999)
    spec["start_offset"] = number(f[6], -1, I64)
    number(f[7], 0, I64)
    number(f[8])
    text(f[9], 32)
    number(f[10], 1, U32)
    number(f[11], 0, U32)
    number(f[12], 0, U32)
    number(f[13], 1, U32)
    for at in (14, 15, 16):
        number(f[at], 0, U32)
    number(f[17], 0, I64)
    spec["fail_fast"] = boolean(f[18])
    spec["halt"] = halt_of(f[19])
    number(f[20], 1, U32)
    number(f[21], 1, U32)
    spec["value_bytes_max"] = number(f[22], 1, U32)
    if boolean(f[23]):
        raise Bad("signed")
    if f[24].kind not in ("nil", "map"):
        raise Bad("bound is no map")
    later = f[25:]
    if later:
        number(later[0])
    for o in later[1:3]:
        number(o, 0, U32)
    if len(later) > 3:
        exits = [number(o, 0, 255) for o in of_kind(later[3], "array")]
        if len(exits) % 2 or len(exits) > 32 or any(a > b for a, b in zip(exits[::2], exits[1::2])):
            raise Bad("final_exits")
    if len(later) > 4:
        number(later[4], 0, 64)
    if len(later) > 5 and text(later[5], 63):
        name(later[5], JOB)
    return spec


def decode(data):
    """(type, its fields behind the type). Of outcomes the entries are still arrays of objects."""
    reader = Reader(data)
    n = reader.array()
    if n < 3:
        raise Bad("a field is missing")
    if number(reader.object()) != 1:
        raise Bad("another version")
    type_ = number(reader.object())
    f = [None, None]
    for at in range(2, n):
        # What is around a value or a bind does not count for its depth: the entry, or the spec, is no level.
        is_around = (type_ == 1 and at == 2) or (type_ == 2 and 3 <= at < 3 + number(f[2]))
        f.append(reader.object(-1 if is_around else 0))
    if reader.at != len(data):
        raise Bad("bytes behind the array")
    if type_ == 1:
        return type_, spec_of(f[2])
    if type_ == 2:
        count = number(f[2])
        need(f, 3 + count)
        return type_, [of_kind(entry, "array") for entry in f[3:3 + count]]
    if type_ == 3:
        need(f, 6)
        number(f[3])
        text(f[4], 32)
        for offset in of_kind(f[5], "array"):
            number(offset, -I64 - 1, I64)
        return type_, number(f[2])
    if type_ == 4:
        need(f, 4)
        return type_, (number(f[2]), of_kind(f[3], "str"))
    if type_ == 5:
        return type_, number(f[2], 1, 6)
    if type_ == 6:
        return type_, text(f[2], 32)
    raise Bad("no such type")


class Outcome:
    def __init__(self, index, attempts, kind):
        self.index, self.attempts, self.kind = index, attempts, kind
        self.value = self.type = self.message = self.stderr = self.stdout = b""
        self.exit_status = self.signo = 0


def outcome_of(entry):
    need(entry, 4)
    o = Outcome(number(entry[0]), number(entry[1], 0, U32), number(entry[2], 0, LOST))
    number(entry[3])
    need(entry, 5 if o.kind == VALUE else 9)
    if o.kind == VALUE:
        o.value = entry[4].raw
        return o
    o.type, o.message = of_kind(entry[4], "str"), of_kind(entry[5], "str")
    o.exit_status, o.signo = number(entry[6], -2 ** 31, 2 ** 31 - 1), number(entry[7], -2 ** 31, 2 ** 31 - 1)
    o.stderr = of_kind(entry[8], "bin")
    if len(entry) > 9:
        o.stdout = of_kind(entry[9], "bin")
    return o


def printed(data):
    """A text of an error, as it is printed."""
    out, at = "", 0
    while at < len(data):
        n = 1
        for n in (1, 2, 3, 4, 0):
            try:
                character = data[at:at + n].decode()
                break
            except UnicodeDecodeError:
                continue
        out += character if n and character != "\0" else "\ufffd"
        at += max(n, 1)
    return out.encode()


# ---- the list ----

class List:
    """Records go in by `record`; `state` says open, closed or complete, `result` what the list is."""

    def __init__(self, job):
        self.job, self.spec, self.state = job, None, "open"
        self.known = {}
        self.end = self.prefix = self.failed = 0
        self.input_n = self.input_error = self.wanted = None
        self.has_halted, self.missing = False, CANCELLED

    def within(self, n):
        return n - self.prefix <= AHEAD_MAX

    def record(self, key, value):
        if self.state != "open" or key != self.job:
            return
        try:
            type_, body = decode(value)
        except Bad:
            return
        if type_ == 1:
            if self.spec is None and body["job"] == self.job:
                self.spec = body
        elif self.spec is None:
            return
        elif type_ == 2:
            self.outcomes(body)
        elif type_ == 3:
            if self.within(body):
                self.prefix = max(self.prefix, body)
        elif type_ == 4:
            self.input(*body)
        elif type_ == 5:
            self.state, self.missing = "closed", DEADLINE if body == 2 else CANCELLED

    def outcomes(self, entries):
        for entry in entries:
            try:
                o = outcome_of(entry)
            except Bad:
                return
            if self.counts(o) and o.index not in self.known:
                self.outcome(o)
            if self.state != "open":
                return

    def counts(self, o):
        if o.index == U64 or not self.within(o.index + 1):
            return False
        if self.input_n is not None and o.index >= self.input_n:
            return False
        return len(o.value) <= self.spec["value_bytes_max"] + FRAMING

    def outcome(self, o):
        self.known[o.index] = o
        self.end = max(self.end, o.index + 1)
        self.failed += o.kind != VALUE
        when = self.spec["halt"][0]
        if self.spec["fail_fast"] and o.kind != VALUE:
            self.state = "closed"
        elif when == 1 and self.condition():
            self.state = "closed"
        if when == 2 and self.condition():
            self.has_halted = True
        if self.state == "open":
            self.decide()

    def condition(self):
        _, what, threshold, is_percent = self.spec["halt"]
        given = len(self.known)
        hits = (self.failed, given - self.failed, given)[what]
        if is_percent:
            return given >= 3 and hits * 100 >= threshold * given
        return hits >= threshold

    def input(self, n, error):
        if self.input_n is not None or n > I64 or not self.within(n):
            return
        self.input_n, self.input_error = n, error
        self.wanted = n + sum(index >= n for index in self.known)
        self.length = max(n, self.end)
        self.decide()

    def decide(self):
        if self.input_n is not None and len(self.known) >= self.wanted:
            self.state = "closed" if self.input_error or self.has_halted else "complete"

    def result(self):
        n = self.length if self.input_n is not None else max(self.end, self.prefix)
        return [self.known.get(index) or Outcome(index, 0, self.missing) for index in range(n)]
