"""Tasks that the tests map: an importable module, as a user's."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sys
import time
from typing import Optional

import fanmap

MARK = []


@fanmap.task
def square(x: int) -> int:
    return x * x


def identity(x):
    return x


def add(a, b):
    return a + b


def power(base, exponent=2):
    return base**exponent


def show(x, unit="m", scale=1):
    return f"{x * scale}{unit}"


def nap(seconds):
    time.sleep(seconds)
    return seconds


def waits_for(path):
    """For a file that somebody else makes; "": for nothing."""
    if path and not FileEvent(path).wait():
        raise TimeoutError(path)
    return path


def odd_fails(x):
    if x % 2:
        raise ValueError(f"{x} is odd")
    return x


class Picky(Exception):
    def __init__(self, what, why):
        super().__init__(what, why)


def picky(x):
    raise Picky(x, "because")


def chained(x):
    try:
        raise KeyError(x)
    except KeyError as e:
        raise RuntimeError("no such thing") from e


def without_a_message(x):
    class Mute(Exception):
        def __str__(self):
            raise KeyError("none")

    raise Mute


def says_a_surrogate(x):
    raise ValueError("a lone \ud800")


async def cancels_itself(x):
    raise asyncio.CancelledError


def gives_exception(x):
    return ValueError(x)


def gives_generator(x):
    return (i for i in range(x))


def generator(x):
    yield x


async def async_double(x):
    await asyncio.sleep(0.001)
    return 2 * x


async def async_nap(x):
    await asyncio.sleep(x)


def leaves(code):
    os._exit(code)


def exits(code):
    sys.exit(code)


def pid(x):
    return os.getpid()


def about(x, ctx: fanmap.Context):
    return [ctx.index, ctx.attempt, ctx.attempts_max, ctx.task, ctx.deadline is None, x]


@fanmap.task(retries=3, backoff=0.001)
def third_time(x: int) -> list:
    now = fanmap.context().attempt
    if now < 3:
        raise RuntimeError(f"attempt {now}")
    return [x, now]


@fanmap.task(retries=3, backoff=0.001)
def final(x: int) -> int:
    fanmap.fail(f"never {x}")
    return 0


def load():
    MARK.append(len(MARK))
    return {"model": "large"}


@fanmap.task(setup=load)
def predicts(x: int, ctx: fanmap.Context) -> list:
    return [ctx.state["model"], len(MARK)]


def bad_load():
    raise OSError("no model here")


@fanmap.task(setup=bad_load)
def never_loads(x: int) -> int:
    return x


@fanmap.task(batch=8)
def in_batches(xs: list) -> list:
    return [ValueError("seven") if x == 7 else x + 1 for x in xs]


@fanmap.task(timeout="300ms")
def too_slow(x: int) -> int:
    time.sleep(x)
    return x


def tidy(path):
    try:
        time.sleep(60)
    except fanmap.Cancelled:
        with open(path, "w") as f:
            f.write("tidied up")
        raise


def talks(x):
    print("on stdout", x)
    print("on stderr", x, file=sys.stderr)
    raise ValueError("after words")


@dataclasses.dataclass
class Point:
    x: int
    y: int


def mirror(p: Point) -> Point:
    return Point(p.y, p.x)


@dataclasses.dataclass(frozen=True)
class Line:
    ends: list[Point]
    name: str = ""
    before: Optional[Line] = None
    length: int = dataclasses.field(init=False, default=0)

    def __post_init__(self):
        object.__setattr__(self, "length", sum(abs(p.x) + abs(p.y) for p in self.ends))


def measures(line: Line, more: Optional[dict[str, list[Line]]] = None):
    others = [v for values in (more or {}).values() for v in values]
    return [type(v).__name__ for v in (line, *line.ends, line.before, *others)] + [line.length]


@fanmap.task(batch=8)
def sums(points: list[Point]) -> list[int]:
    return [p.x + p.y for p in points]


def partly_known(x: OnlyForTypeCheckers, ctx: fanmap.Context):  # noqa: F821
    return [x, ctx.index]


def nested(n):
    return sum(fanmap.map(square, range(n), fleet=fanmap.Fleet(local=True, slots=1)))


def record(path):
    """Notes how many of these run at once, in the files of a folder."""
    import tempfile

    with tempfile.NamedTemporaryFile(dir=path):
        time.sleep(0.001)
        return len(os.listdir(path))


def met(x, *, folder, wanted):
    """How many of these were there at once. Each waits until `wanted` have met, once."""
    import tempfile

    most, until, reached = 0, time.monotonic() + 30, os.path.join(folder, "reached")
    with tempfile.NamedTemporaryFile(dir=folder, prefix="here"):
        while time.monotonic() < until and not os.path.exists(reached):
            time.sleep(0.01)
            most = max(most, sum(name.startswith("here") for name in os.listdir(folder)))
            if most >= wanted:
                open(reached, "w").close()
    return [x, most]


def fails_at(x, *, folder, at):
    """Leaves a file, so that its calls can be counted. Those behind the one that fails take their time."""
    open(os.path.join(folder, str(x)), "w").close()
    if x == at:
        raise RuntimeError(f"stop at {x}")
    time.sleep(0.5 if x > at else 0)
    return x


async def async_fails(x):
    if x == "b":
        raise ValueError(f"boom:{x}")
    return f"echo:{x}"


def three(a, b, c):
    return f"{a}-{b}-{c}"


async def async_three(a, b, c):
    return three(a, b, c)


def always_fails(x):
    raise ConnectionError(f"{x} again")


def starts_another(path):
    import subprocess

    with open(path, "w") as f:
        f.write(str(subprocess.Popen(["sleep", "600"]).pid))
    time.sleep(600)


def takes_memory(size):
    return len(bytearray(size).replace(b"\0", b"\1"))


def slot_of(seconds):
    time.sleep(seconds)
    return fanmap.context().slot


class FileEvent:
    """What CPython's tests want of an event that processes share."""

    def __init__(self, path):
        self.path = path

    def set(self):
        open(self.path, "w").close()

    def wait(self, timeout=60):
        until = time.monotonic() + timeout
        while not os.path.exists(self.path) and time.monotonic() < until:
            time.sleep(0.005)
        return os.path.exists(self.path)


class Tool:
    @staticmethod
    def half(x):
        return x / 2
