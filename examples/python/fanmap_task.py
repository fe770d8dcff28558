"""Tasks of fanmap in Python: a whole slot program, in the standard library alone.

    import fanmap_task

    @fanmap_task.task
    def square(x):
        return x * x

    fanmap_task.serve()

    fanmap worker --serve square='python3 squares.py'

fanmap starts the program once in each slot and hands it one item after the other. What a function returns is the item's
value. Where several sequences are zipped their parts are its arguments, `def mul(a, b)`, and what --bind gives fills the
keyword arguments of that name. An exception that it raises is the item's error, with the class as its type and the
traceback as its stderr; `Final` (or any exception with a true attribute `final`) is not tried again. print() goes to the worker's log, with job, index and attempt before each line.

    fanmap_task.attempt     of the item that runs: job, task, index, attempt, attempts_max, fence, deadline_ms, slot, bound,
                            parts (of a zipped item; else 0), record (of a stream: a dict of topic, partition,
                            offset, timestamp_ms, key and headers, a list of name and value; else None),
                            traceparent (of a job that was submitted with one: the attempt's own span; else None),
                            each (in a call of several items the attempt of each of them, in order; this one has the
                            index, record and the like of the first),
                            and cancelled, which becomes true when the item has to stop (timeout, cancel); what runs then
                            also gets `Cancelled` raised, unless serve(raise_on_cancel=False)

Items and values are what JSON has, with bytes as bytes. serve(encoding="msgpack") speaks msgpack frames instead of JSON
lines. The protocol: docs/tasks.md.
"""
import base64
import copy
import inspect
import json
import os
import signal
import socket
import struct
import sys
import traceback

__all__ = ["task", "serve", "attempt", "Final", "Cancelled"]

VERSION = 1
HELLO, READY, DONE, JOB, RUN, CANCEL, BYE, RUN_BATCH = range(1, 9)
AHEAD = 256


class Final(Exception):
    """An error that trying again does not help."""
    final = True


class Cancelled(BaseException):
    """The item that runs has to stop."""


class Attempt:
    """What a function may know of the item that runs."""
    job = task = None
    index = attempt = attempts_max = fence = 0
    deadline_ms = -1
    parts = 0
    slot = int(os.environ.get("FANMAP_SLOT", 0))
    bound = record = traceparent = None
    cancelled = False
    _runs = ()  # of a call: what _begin takes, of each item

    def _begin(self, wire, index, number, fence, deadline_ms, context=None, traceparent=None):
        self.index, self.attempt, self.fence, self.deadline_ms = index, number, fence, deadline_ms
        self.record = None if context is None else wire.record(context)
        self.traceparent = traceparent

    @property
    def each(self):
        attempts = [copy.copy(self) for _ in self._runs]
        for one, (wire, run) in zip(attempts, self._runs):
            one._runs = ()
            one._begin(wire, *run)
        return attempts or [self]


attempt = Attempt()
_tasks = {}
_calls = set()
_permits = int(os.environ.get("FANMAP_SLOT_GO", -1))


def task(function=None, *, name=None, batch=False):
    """Makes a function a task, under its own name or another. With batch it takes a list of items (as many as the job's --batch
    says) and returns a list with a value for each, or an exception."""
    if function is None:
        return lambda f: task(f, name=name, batch=batch)
    _tasks[name or function.__name__] = function
    if batch:
        _calls.add(name or function.__name__)
    return function


# ---- JSON lines ----

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class JsonLines:
    name = "json"

    def __init__(self, read, write):
        self.lines, self.out = read, write

    def receive(self):
        line = self.lines.readline()
        return json.loads(line) if line else None

    @staticmethod
    def record(context):
        return _unwrapped(context)

    def send(self, **message):
        self.out.write(json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n")
        self.out.flush()

    def hello(self, tasks, ahead, calls):
        more = {"ahead": AHEAD} if ahead else {}
        self.send(type="hello", v=VERSION, encoding="json", tasks=tasks, **more, **({"calls": calls} if calls else {}))

    def ready(self):
        self.send(type="ready")

    def value(self, n, value):
        text = "null" if value is None else _encode(_wrapped(value))
        self.out.write(b'{"type":"done","n":%d,"value":%s}\n' % (n, text.encode()))

    def error(self, n, kind, message, final, report="", whole=False):
        more = {"stderr": report} if report else {}
        if whole:
            more["whole"] = True
        self.send(type="done", n=n, error={"type": kind, "message": message, "final": final, **more})

    @staticmethod
    def item(value):
        return _unwrapped(value)


_SPECIAL = ({"$binary"}, {"$value"}, {"$error"})


def _wrapped(value):
    """bytes as {"$binary":...}; a dict that could be mistaken for such an object as {"$value":...}. What a message cannot
    hold is refused here, where it is still the item's error."""
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        raise OverflowError("an integer over 64 bits")
    if isinstance(value, str):
        value.encode()
    if isinstance(value, (bytes, bytearray)):
        return {"$binary": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [_wrapped(v) for v in value]
    if isinstance(value, dict):
        if not all(isinstance(k, str) for k in value):
            raise TypeError("a key that is no str")
        plain = {_wrapped(k): _wrapped(v) for k, v in value.items()}
        return {"$value": plain} if set(plain) in _SPECIAL else plain
    return value


def _unwrapped(value):
    if isinstance(value, list):
        return [_unwrapped(v) for v in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"$binary"}:
        return base64.b64decode(value["$binary"])
    if set(value) == {"$value"}:
        inner = value["$value"]
        if isinstance(inner, dict) and set(inner) in _SPECIAL:
            return {k: _unwrapped(v) for k, v in inner.items()}
        return _unwrapped(inner)
    return {k: _unwrapped(v) for k, v in value.items()}


# ---- msgpack frames ----

def _pack_length(out, n, fixed, fixed_max, codes):
    if fixed is not None and n <= fixed_max:
        out.append(bytes([fixed | n]))
    elif n < 1 << 8 and codes[0]:
        out.append(struct.pack(">BB", codes[0], n))
    elif n < 1 << 16:
        out.append(struct.pack(">BH", codes[1], n))
    else:
        out.append(struct.pack(">BI", codes[2], n))


def _pack_int(out, x):
    if 0 <= x < 128 or -32 <= x < 0:
        out.append(struct.pack(">B" if x >= 0 else ">b", x))
    elif x >= 0:
        for code, form, top in ((0xCC, "B", 8), (0xCD, "H", 16), (0xCE, "I", 32), (0xCF, "Q", 64)):
            if x < 1 << top:
                out.append(struct.pack(">B" + form, code, x))
                return
        raise OverflowError("an integer over 64 bits")
    else:
        for code, form, top in ((0xD0, "b", 7), (0xD1, "h", 15), (0xD2, "i", 31), (0xD3, "q", 63)):
            if x >= -(1 << top):
                out.append(struct.pack(">B" + form, code, x))
                return
        raise OverflowError("an integer over 64 bits")


def _pack(out, x):
    if x is None:
        out.append(b"\xc0")
    elif x is True or x is False:
        out.append(b"\xc3" if x else b"\xc2")
    elif isinstance(x, int):
        _pack_int(out, x)
    elif isinstance(x, float):
        out.append(struct.pack(">Bd", 0xCB, x))
    elif isinstance(x, str):
        text = x.encode()
        _pack_length(out, len(text), 0xA0, 31, (0xD9, 0xDA, 0xDB))
        out.append(text)
    elif isinstance(x, (bytes, bytearray)):
        _pack_length(out, len(x), None, 0, (0xC4, 0xC5, 0xC6))
        out.append(bytes(x))
    elif isinstance(x, (list, tuple)):
        _pack_length(out, len(x), 0x90, 15, (0, 0xDC, 0xDD))
        for v in x:
            _pack(out, v)
    elif isinstance(x, dict):
        _pack_length(out, len(x), 0x80, 15, (0, 0xDE, 0xDF))
        for k, v in x.items():
            _pack(out, k)
            _pack(out, v)
    else:
        raise TypeError(f"{type(x).__name__} is no value: want what JSON has, or bytes")


class _Unpacker:
    NUMBERS = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h",
               0xD2: ">i", 0xD3: ">q"}
    LENGTHS = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I", 0xC4: ">B", 0xC5: ">H", 0xC6: ">I", 0xDC: ">H", 0xDD: ">I",
               0xDE: ">H", 0xDF: ">I"}

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def value(self):
        code = self.take(1)[0]
        if code < 0x80 or code >= 0xE0:
            return code if code < 0x80 else code - 256
        if code < 0x90:
            return self.map(code & 15)
        if code < 0xA0:
            return [self.value() for _ in range(code & 15)]
        if code < 0xC0:
            return self.text(code & 31)
        if code in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[code]
        if code in self.NUMBERS:
            return self.number(self.NUMBERS[code])
        n = self.number(self.LENGTHS[code])
        if code >= 0xDE:
            return self.map(n)
        if code >= 0xDC:
            return [self.value() for _ in range(n)]
        return self.text(n) if code >= 0xD9 else self.take(n)

    def text(self, n):
        return self.take(n).decode("utf-8", "surrogateescape")

    def map(self, n):
        return {self.value(): self.value() for _ in range(n)}


class Msgpack:
    name = "msgpack"
    FIELDS = {JOB: ("job", ("id", "job", "task", "attempts_max", "value_bytes_max", "bound", "parts")),
              RUN: ("run", ("n", "index", "attempt", "fence", "deadline_ms", "in", "context", "traceparent")),
              RUN_BATCH: ("run_batch", ("runs", "call")),
              CANCEL: ("cancel", ("n",)), BYE: ("bye", ())}

    def __init__(self, read, write):
        self.read, self.out = read, write

    def receive(self):
        head = self.read.read(4)
        if len(head) < 4:
            return None
        fields = _Unpacker(self.read.read(struct.unpack("<I", head)[0])).value()
        kind, names = self.FIELDS.get(fields[0], ("unknown", ()))
        return dict(zip(names, fields[1:]), type=kind)

    @staticmethod
    def record(context):
        names, headers = ("topic", "partition", "offset", "timestamp_ms", "key"), context[5]
        more = {"schema_id": context[6]} if len(context) > 6 else {}
        return dict(zip(names, context), headers=[list(pair) for pair in zip(headers[::2], headers[1::2])], **more)

    def send(self, *fields):
        out = []
        _pack(out, fields)
        frame = b"".join(out)
        self.out.write(struct.pack("<I", len(frame)) + frame)
        self.out.flush()

    def hello(self, tasks, ahead, calls):
        more = [AHEAD if ahead else 0, calls] if calls else [AHEAD] if ahead else []
        self.send(HELLO, VERSION, "msgpack", tasks, *more)

    def ready(self):
        self.send(READY)

    def value(self, n, value):
        self.send(DONE, n, False, 0, 0, value)

    def error(self, n, kind, message, final, report="", whole=False):
        self.send(DONE, n, final, 1, 0, kind, message, 0, 0, report.encode("utf-8", "replace"), *([True] if whole else []))

    @staticmethod
    def item(value):
        return value


# ---- the slot ----

def _channel():
    """The descriptor of FANMAP_SLOT_FD; without one, stdin and stdout, and then print() goes to stderr."""
    if "FANMAP_SLOT_FD" in os.environ:
        slot = socket.socket(fileno=int(os.environ["FANMAP_SLOT_FD"]))
        slot.set_inheritable(False)
        return slot.makefile("rb"), slot.makefile("wb")
    write = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return os.fdopen(os.dup(0), "rb"), write


def _keywords(function, bound, parts):
    """What of the bound arguments the function takes by keyword, behind the arguments that an item fills."""
    if not isinstance(bound, dict):
        return {}
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # of some builtins nobody knows them
        return {}
    if any(p.kind == p.VAR_KEYWORD for p in parameters):
        taken = {p.name for p in parameters[:parts or 1] if p.kind == p.POSITIONAL_OR_KEYWORD}
        return {name: value for name, value in bound.items() if name not in taken}
    places = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} - set(places[:parts or 1])
    return {name: value for name, value in bound.items() if name in names}


def _traceback(e):
    """Where runs are told ahead it goes with the error, for what is printed could be taken for that of the run before or behind
    it; else to stderr, the tail of which stands in the error. Our own line is left out."""
    text = "".join(traceback.format_exception(type(e), e, e.__traceback__ and e.__traceback__.tb_next))
    text = text.encode("utf-8", "replace").decode()[-4000:]
    if _permits >= 0:
        return text
    sys.stderr.write(text)
    sys.stderr.flush()
    return ""


def _run(wire, n, index, number, fence, deadline_ms, item, context=None, traceparent=None):
    attempt._begin(wire, index, number, fence, deadline_ms, context, traceparent)
    attempt._runs, attempt.cancelled = (), False
    try:
        attempt.running = True
        item = wire.item(item)
        if attempt.task in _calls:
            value = _values([item])[0]
            if isinstance(value, Exception):
                raise value
        else:
            value = _tasks[attempt.task](*(item if attempt.parts else [item]), **attempt.keywords)
        attempt.running = False
        wire.value(n, value)
    except Cancelled:
        wire.error(n, "Cancelled", "the attempt was cancelled", False)
    except Exception as e:  # the item's error, whatever it is
        attempt.running = False
        _fail(wire, n, e)
    finally:
        attempt.running = False
        wire.out.flush()
        sys.stdout.flush()


def _values(items):
    values = list(_tasks[attempt.task](items, **attempt.keywords))
    if len(values) != len(items):
        raise TypeError(f"{attempt.task} takes batches: want {len(items)} values, one an item, not {len(values)}")
    return values


def _fail(wire, n, e, whole=False):
    text = str(e).encode("utf-8", "replace").decode()
    wire.error(n, type(e).__name__, text or repr(e), bool(getattr(e, "final", False)), _traceback(e), whole)


def _run_call(wire, runs):
    """One call for all of them. What it raises is the error of the whole call: they are tried again in smaller ones."""
    first = runs[0][0]
    attempt._runs = [(wire, run[1:5] + run[6:]) for run in runs]
    attempt._begin(wire, *attempt._runs[0][1])
    attempt.cancelled = False
    try:
        attempt.running = True
        values = _values([wire.item(run[5]) for run in runs])
        attempt.running = False
    except Cancelled:
        wire.error(first, "Cancelled", "the attempt was cancelled", False, whole=True)
    except Exception as e:  # whose fault it is nobody knows yet
        attempt.running = False
        _fail(wire, first, e, True)
    else:
        for (n, *_), value in zip(runs, values):
            if isinstance(value, Exception):
                _fail(wire, n, value)
                continue
            try:
                wire.value(n, value)
            except Exception as e:
                _fail(wire, n, e)
        wire.out.flush()
    finally:
        attempt.running = False
        sys.stdout.flush()


def _on_term(raise_on_cancel):
    def handler(signo, frame):
        attempt.cancelled = True
        if not getattr(attempt, "running", False):
            sys.exit(0)
        if raise_on_cancel:
            attempt.running = False
            raise Cancelled
    return handler


def serve(encoding="json", raise_on_cancel=True):
    """Serves every task until fanmap says bye. Returns then."""
    sys.stdout.reconfigure(line_buffering=True)
    signal.signal(signal.SIGTERM, _on_term(raise_on_cancel))
    wire = {"json": JsonLines, "msgpack": Msgpack}[encoding](*_channel())
    wire.hello(sorted(_tasks), _permits >= 0, sorted(_calls))
    wire.ready()
    while True:
        message = wire.receive()
        if message is None or message["type"] == "bye":
            return
        if message["type"] == "job":
            attempt.job, attempt.task = message["job"], message["task"]
            attempt.attempts_max = message["attempts_max"]
            attempt.bound = None if message["bound"] is None else wire.item(message["bound"])
            attempt.parts = message.get("parts", 0)
            function = _tasks.get(attempt.task)
            attempt.keywords = _keywords(function, attempt.bound, attempt.parts) if function else {}
        elif message["type"] == "run":
            names = ("n", "index", "attempt", "fence", "deadline_ms", "in")
            _run(wire, *(message[name] for name in names), message.get("context"), message.get("traceparent"))
        elif message["type"] == "run_batch" and message.get("call"):
            _run_call(wire, message["runs"])
        elif message["type"] == "run_batch":
            for run in message["runs"]:
                if os.read(_permits, 1) == b"g":  # else it was taken back
                    _run(wire, *run)
