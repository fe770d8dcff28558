"""A slot: the program that a worker starts once for each of its slots, and hands one item after the other.

It speaks msgpack frames on the descriptor of FANMAP_SLOT_FD (the slot protocol of docs/tasks.md). stdout and stderr are
the attempt's log. Happy path: hello and ready; `job` says which task and with what bound arguments, `run` has an item, and
the function's value goes back as `done`.

What can fail. The function raises: that is the item's error, with its traceback. What it returns is no value: likewise.
SIGTERM comes while it runs: `Cancelled` is raised in it. It exits or crashes: the worker sees that and charges the item.
Runs that are told ahead begin with a permit of the pipe FANMAP_SLOT_GO each, or were taken back meanwhile.
"""

from __future__ import annotations

import inspect
import os
import signal
import socket
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Callable, Optional

from . import _codec, _function, _signature
from ._errors import Cancelled
from ._task import Context, Task, _current, check_function, is_task_name

__all__ = ["find_tasks", "is_slot", "main", "serve"]

VERSION, AHEAD = 1, 256
HELLO, READY, DONE, JOB, RUN, CANCEL, BYE, RUN_BATCH = range(1, 9)
RUN_NUMBERS = 5
VALUE, EXCEPTION = 0, 1
VALUE_HEAD, VALUE_MIDDLE = b"\x96\x03", b"\xc2\x00\x00"  # of an array of six: DONE, n; not final, VALUE, no time of its own
REPORT_MAX = 3900
EMBEDDED_TASK = "call"

Run = tuple[list[int], Iterator[Any]]  # its numbers, and behind them the item, the record of a stream, the traceparent

_loading_main = False
_slot_is_here = False


def is_slot() -> bool:
    return _slot_is_here


def check_not_loading() -> None:
    """Called where a map begins: a script that is loaded in a slot has come far enough."""
    if _loading_main:
        raise _function.MainReached


class Wire:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.have = b""

    def receive(self) -> Optional[bytes]:
        """The next frame, without its length; None at the end."""
        have = self.have
        while len(have) < 4 or len(have) < 4 + int.from_bytes(have[:4], "little"):
            more = self.sock.recv(65536)
            if not more:
                return None
            have += more
        end = 4 + int.from_bytes(have[:4], "little")
        self.have = have[end:]
        return have[4:end]

    @staticmethod
    def frame(body: bytes) -> bytes:
        return len(body).to_bytes(4, "little") + body

    def send(self, body: bytes) -> None:
        self.sock.sendall(self.frame(body))

    def error_frame(self, n: int, kind: str, message: str, final: bool, report: str, whole: bool = False) -> bytes:
        """whole: of the whole call that the run is the first of."""
        fields = [DONE, n, final, EXCEPTION, 0, kind, message, 0, 0, report.encode("utf-8", "replace"), whole]
        return self.frame(_codec.pack(fields))


# ---- how a function is called ----


def _type_name(cls: type) -> str:
    """As a traceback has it."""
    if cls.__module__ in ("builtins", "__main__", "__mp_main__"):
        return cls.__qualname__
    return f"{cls.__module__}.{cls.__qualname__}"


class Call:
    """One task, and how its function takes an item. star: None as its signature says, 0 as one argument, 1 as the
    arguments, 2 as [arguments, keywords]. first: arguments that come before the item's."""

    def __init__(
        self, task: Task[Any, Any], bound: dict[str, Any], first: list[Any], star: Optional[int], state: Any, trust: bool
    ) -> None:
        self.task, self.bound, self.first, self.state, self.trust = task, bound, first, state, trust
        self.function = task.function
        self.keywords = dict(bound)
        self.default = _codec.pickled if trust else None
        try:
            parameters = list(_signature.signature(self.function).parameters.values())
        except (TypeError, ValueError):  # a builtin that does not say
            parameters = []
        hints = _signature.hints(self.function) if any(p.annotation is not p.empty for p in parameters) else {}
        self.context_name = next((p.name for p in parameters if hints.get(p.name) is Context), None)
        if self.context_name:
            self.keywords[self.context_name] = _current
        places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        places = [p for p in places if p.name not in self.keywords]
        self.makers = [_signature.maker(hints.get(p.name)) for p in places]
        self.has_makers = any(self.makers)
        needed = [p for p in places[len(first) :] if p.default is p.empty]
        self.star = star if star is not None else (1 if len(needed) > 1 and not task.batch else 0)
        self.is_async = inspect.iscoroutinefunction(self.function)
        is_bare = not self.keywords and not first and not self.has_makers
        self.is_plain = self.star == 0 and is_bare and not self.is_async and not task.batch

    def arguments(self, item: Any) -> tuple[list[Any], dict[str, Any]]:
        args, keywords = [item], self.keywords
        if self.star == 1:
            if not isinstance(item, list):
                raise TypeError(f"{self.task.name} takes several arguments: want a list of them, not {type(item).__name__}")
            args = item
        elif self.star == 2:
            args, keywords = item[0], {**item[1], **keywords}
        if self.first:
            args = [*self.first, *args]
        if self.has_makers:
            args = [maker(a) if maker else a for a, maker in zip(args, self.makers)] + args[len(self.makers) :]
        return args, keywords

    def run(self, items: list[Any], runner: Callable[[Any], Any]) -> Sequence[Any]:
        """A value for each; in its place an exception, of a task that takes batches."""
        if self.is_plain:
            return (self.function(items[0]),)
        if not self.task.batch:
            return (self.once(items[0], runner),)
        values = self.once(items, runner)
        if not isinstance(values, (list, tuple)) or len(values) != len(items):
            raise TypeError(
                f"{self.task.name} takes batches: want a list of {len(items)} values, one an item, not {values!r:.80}"
            )
        return values

    def once(self, item: Any, runner: Callable[[Any], Any]) -> Any:
        args, keywords = self.arguments(item)
        value = self.function(*args, **keywords)
        return runner(value) if self.is_async or inspect.iscoroutine(value) else value


# ---- the slot ----


class Slot:
    def __init__(self, wire: Wire, tasks: dict[str, Task[Any, Any]], embedded: bool, trust: bool) -> None:
        self.wire, self.tasks, self.embedded, self.trust = wire, tasks, embedded, trust
        self.call: Optional[Call] = None
        self.problem: Optional[BaseException] = None
        self.calls: dict[tuple[str, int, bytes], Call] = {}
        self.states: dict[int, Any] = {}
        self.is_running = False
        self.permits = int(os.environ.get("FANMAP_SLOT_GO", -1))
        self.loop: Any = None
        self.coroutine: Any = None

    # -- what is cancelled --

    def on_term(self, signo: int, frame: Any) -> None:
        _current.cancelled = True
        if not self.is_running:
            sys.exit(0)
        if self.coroutine is not None:
            self.loop.call_soon_threadsafe(self.coroutine.cancel)
            return
        self.is_running = False
        raise Cancelled

    def run_async(self, coroutine: Any) -> Any:
        import asyncio

        if self.loop is None:
            self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.coroutine = self.loop.create_task(coroutine)
        try:
            return self.loop.run_until_complete(self.coroutine)
        except asyncio.CancelledError:
            if _current.cancelled:
                raise Cancelled from None
            raise RuntimeError("the task was cancelled from inside: CancelledError") from None
        finally:
            self.coroutine = None

    # -- which function --

    def state_of(self, task: Task[Any, Any]) -> Any:
        if task.setup is None:
            return None
        if id(task) not in self.states:
            self.states[id(task)] = task.setup()
        return self.states[id(task)]

    def by_reference(self, ref: list[Any], path: list[str], argv: list[str]) -> Task[Any, Any]:
        global _loading_main
        if path:
            sys.path[:] = path
        if argv:
            sys.argv[:] = argv
        _loading_main = True
        try:
            found = _function.resolve(ref)
        finally:
            _loading_main = False
        if isinstance(found, Task):
            return found
        check_function(found)
        name = getattr(found, "__name__", "")
        return Task(found, name if is_task_name(name) else EMBEDDED_TASK, {}, 0, None)

    def make_call(self, name: str, bound: dict[str, Any], parts: int) -> Call:
        extra = bound.pop("fanmap", None)
        extra = _codec.unpack(extra) if isinstance(extra, bytes) else {}
        trust = self.trust and bool(extra.get("pickle"))
        if "f" in extra and self.embedded:
            task = self.by_reference(extra["f"], extra.get("path", []), extra.get("argv", []))
        else:
            task = self.tasks[name]
        return Call(task, bound, extra.get("args", []), extra.get("star", 1 if parts else None), self.state_of(task), trust)

    def on_job(self, fields: list[Any], raw: bytes) -> None:
        _current.job, _current.attempts_max = fields[2], fields[4]
        bound = fields[6] if len(fields) > 6 and fields[6] else {}
        parts = fields[7] if len(fields) > 7 else 0  # of zipped items
        key = (fields[3], parts, _codec.pack(bound))
        self.problem = None
        self.call = self.calls.get(key)
        if self.call is None:
            try:
                self.call = self.make_call(fields[3], dict(bound), parts)
            except Exception as e:
                self.problem = e
                return
            if len(self.calls) > 64:
                self.calls.clear()
            self.calls[key] = self.call
        _current.task, _current.bound, _current.state = self.call.task.name, self.call.bound, self.call.state

    # -- runs --

    def runs(self, reader: Any, is_call: bool) -> Iterator[Run]:
        """The runs of a frame, each when it may begin. What is left of one is stepped over when the next is asked for."""
        trust = reader.trust
        for _ in range(reader.array()):
            fields = reader.array()
            numbers = [reader.value() for _ in range(RUN_NUMBERS)]
            rest = reader.values(fields - RUN_NUMBERS)
            if is_call or os.read(self.permits, 1) == b"g":
                yield numbers, rest
            else:
                reader.trust = False
            for _ in rest:
                pass
            reader.trust = trust

    def on_runs(self, frame: bytes) -> None:
        reader = _codec.reader(frame, self.call.trust if self.call else False)
        is_call = reader.array() > 2
        reader.value()
        runs = self.runs(reader, is_call)
        if is_call and (self.call is None or self.call.task.batch):
            self.on_call(runs, True)
            return
        for run in runs:
            self.on_call((run,), False)

    def on_call(self, runs: Iterable[Run], is_whole: bool) -> None:
        """One call of the function, for one run or for several; is_whole: what it raises is the error of all of them."""
        ns: list[int] = []
        items: list[Any] = []
        answers: list[bytes] = []
        contexts: list[tuple[Any, ...]] = []
        _current.cancelled = False
        try:
            for (n, index, attempt, fence, deadline_ms), rest in runs:
                ns.append(n)
                items.append(next(rest))
                contexts.append((index, attempt, fence, deadline_ms, next(rest, None), next(rest, None)))
            _current._take(*contexts[0])
            _current._runs = contexts if is_whole else []
            if self.call is None:
                raise self.problem or RuntimeError("a run without a job")
            self.is_running = True
            values = self.call.run(items, self.run_async)
            for n, value in zip(ns, values):
                answers.append(self.answer(n, value))
        except Cancelled:
            answers = [self.wire.error_frame(ns[0], "Cancelled", "the attempt was cancelled", False, "", is_whole)]
        except Exception as e:
            self.is_running = False
            answers = [self.wire.error_frame(ns[0], *self.describe(e), is_whole)]
        finally:
            self.is_running = False
        self.wire.sock.sendall(b"".join(answers))
        sys.stdout.flush()

    def answer(self, n: int, value: Any) -> bytes:
        call = self.call
        if not (isinstance(value, BaseException) and call and call.task.batch):
            default = call.default if call else None
            try:
                return self.wire.frame(VALUE_HEAD + _codec.pack(n) + VALUE_MIDDLE + _codec.pack(value, default))
            except Exception as e:
                value = e
        if not isinstance(value, Exception):
            raise value
        return self.wire.error_frame(n, *self.describe(value))

    def describe(self, e: Exception) -> tuple[str, str, bool, str]:
        tb = e.__traceback__
        while tb is not None and tb.tb_frame.f_globals.get("__package__") == "fanmap":
            tb = tb.tb_next
        if isinstance(e, _codec.NotAValue) and tb is None:
            return "TypeError", f"the value of {_current.task}: {e}", True, ""
        report = "".join(traceback.format_exception(type(e), e, tb))
        try:
            message = str(e) or repr(e)
        except Exception as other:
            message = f"no message: its __str__ raises {type(other).__name__}"
        if len(report) > REPORT_MAX:
            report = "Traceback (most recent call last):\n  ...\n" + report[-REPORT_MAX:].partition("\n")[2]
        is_load = self.call is None
        if is_load:
            message = f"the task cannot be loaded here: {message}"
        message = message.encode("utf-8", "backslashreplace").decode()
        return _type_name(type(e)), message, bool(getattr(e, "final", is_load)), report

    def serve(self) -> None:
        signal.signal(signal.SIGTERM, self.on_term)
        calls = sorted(name for name, t in self.tasks.items() if t.batch or self.embedded)
        self.wire.send(_codec.pack([HELLO, VERSION, "msgpack", sorted(self.tasks), AHEAD if self.permits >= 0 else 0, calls]))
        self.wire.send(_codec.pack([READY]))
        while True:
            frame = self.wire.receive()
            if frame is None:
                return
            kind = frame[1]
            if kind == RUN_BATCH:
                self.on_runs(frame)
            elif kind == RUN:
                fields = _codec.unpack(frame, self.call.trust if self.call else False)
                self.on_call([(fields[1:6], iter(fields[6:]))], False)
            elif kind == JOB:
                self.on_job(_codec.unpack(frame), frame)
            elif kind == BYE:
                return


def serve(tasks: dict[str, Task[Any, Any]], embedded: bool = False, trust: bool = False) -> None:
    """Serves until the worker says bye, or is gone."""
    global _slot_is_here
    _slot_is_here = True
    sock = socket.socket(fileno=int(os.environ["FANMAP_SLOT_FD"]))
    sock.set_inheritable(False)
    _current.slot = int(os.environ.get("FANMAP_SLOT", 0))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    slot = Slot(Wire(sock), tasks, embedded, trust)
    for task in tasks.values():
        slot.state_of(task)
    slot.serve()


def find_tasks(places: list[str]) -> dict[str, Task[Any, Any]]:
    """The tasks of MODULE or MODULE:NAME, each by its name. Exits of these are for whoever starts a worker."""
    import importlib

    tasks: dict[str, Task[Any, Any]] = {}
    for place in places:
        module_name, _, name = place.partition(":")
        module = importlib.import_module(module_name)
        if name:
            found = [_function._lookup(module, name)]
            found = [t if isinstance(t, Task) else Task(t, None, {}, 0, None) for t in found]
        else:
            found = [t for t in vars(module).values() if isinstance(t, Task)]
        if not found:
            raise LookupError(f"{place} has no task: decorate functions with @fanmap.task, or name one as {place}:FUNCTION")
        for t in found:
            if tasks.setdefault(t.name, t) is not t:
                raise LookupError(f"two tasks have the name {t.name}: give one @fanmap.task(name=...)")
    return tasks


def main() -> None:
    """The slots of an embedded fleet: one task, which is told with each job what to call."""
    nothing: Task[Any, Any] = Task(lambda x: x, EMBEDDED_TASK, {}, 0, None)
    serve({EMBEDDED_TASK: nothing}, embedded=True, trust=True)
