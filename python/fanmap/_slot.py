"""A slot: the program that a worker starts once for each of its slots, and hands one item after the other.

It speaks msgpack frames on the descriptor of FANMAP_SLOT_FD (the slot protocol of docs/tasks.md). stdout and stderr are
the attempt's log. Happy path: hello and ready; `job` says which task and with what bound arguments, `run` has an item, and
the function's value goes back as `done`.

What can fail. The function raises: that is the item's error, with its traceback. What it returns is no value: likewise.
SIGTERM comes while it runs: `Cancelled` is raised in it. It exits or crashes: the worker sees that and charges the item.
"""

from __future__ import annotations

import inspect
import os
import signal
import socket
import sys
import traceback
import typing
from typing import Any, Callable, Optional

from . import _codec, _function
from ._errors import Cancelled
from ._task import Context, Task, _current, check_function

__all__ = ["find_tasks", "is_slot", "main", "serve"]

VERSION = 1
HELLO, READY, DONE, JOB, RUN, CANCEL, BYE = range(1, 8)
VALUE, EXCEPTION = 0, 1
REPORT_MAX = 3900
EMBEDDED_TASK = "call"

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

    def send(self, body: bytes) -> None:
        self.sock.sendall(len(body).to_bytes(4, "little") + body)

    def value(self, n: int, packed: bytes) -> None:
        self.send(b"\x96\x03" + _codec.pack(n) + b"\xc2\x00\x00" + packed)

    def error(self, n: int, kind: str, message: str, final: bool, report: str) -> None:
        self.send(_codec.pack([DONE, n, final, EXCEPTION, 0, kind, message, 0, 0, report.encode("utf-8", "replace")]))


# ---- how a function is called ----


def _type_name(cls: type) -> str:
    """As a traceback has it."""
    if cls.__module__ in ("builtins", "__main__", "__mp_main__"):
        return cls.__qualname__
    return f"{cls.__module__}.{cls.__qualname__}"


def _maker(hint: Any) -> Optional[Callable[[Any], Any]]:
    """A function that makes a dict into what the parameter is annotated with: a dataclass, a model of pydantic's."""
    import dataclasses

    if not isinstance(hint, type):
        return None
    if callable(getattr(hint, "model_validate", None)):
        validate: Callable[[Any], Any] = hint.model_validate  # type: ignore[attr-defined]
        return lambda x: validate(x) if isinstance(x, dict) else x
    if dataclasses.is_dataclass(hint):
        return lambda x: hint(**x) if isinstance(x, dict) else x
    return None


class Call:
    """One task, and how its function takes an item. star: None as its signature says, 0 as one argument, 1 as the
    arguments, 2 as [arguments, keywords]."""

    def __init__(self, task: Task[Any, Any], bound: dict[str, Any], star: Optional[int], state: Any, trust: bool) -> None:
        self.task, self.bound, self.state, self.trust = task, bound, state, trust
        self.function = task.function
        self.keywords = dict(bound)
        self.default = _codec.pickled if trust else None
        try:
            parameters = list(inspect.signature(self.function).parameters.values())
        except (TypeError, ValueError):  # a builtin that does not say
            parameters = []
        self.hints: dict[str, Any] = {}
        if getattr(self.function, "__annotations__", None):
            try:
                self.hints = typing.get_type_hints(self.function)
            except Exception:  # a name that is only there for type checkers
                self.hints = {}
        self.context_name = next((p.name for p in parameters if self.hints.get(p.name) is Context), None)
        if self.context_name:
            self.keywords[self.context_name] = _current
        places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        places = [p for p in places if p.name not in self.keywords]
        self.makers = [_maker(self.hints.get(p.name)) for p in places]
        self.has_makers = any(self.makers)
        needed = [p for p in places if p.default is p.empty]
        self.star = star if star is not None else (1 if len(needed) > 1 and not task.batch else 0)
        self.is_async = inspect.iscoroutinefunction(self.function)
        self.is_plain = self.star == 0 and not self.keywords and not self.is_async and not self.has_makers and not task.batch

    def arguments(self, item: Any) -> tuple[list[Any], dict[str, Any]]:
        args, keywords = [item], self.keywords
        if self.star == 1:
            if not isinstance(item, list):
                raise TypeError(f"{self.task.name} takes several arguments: want a list of them, not {type(item).__name__}")
            args = item
        elif self.star == 2:
            args, keywords = item[0], {**item[1], **keywords}
        if self.has_makers:
            args = [maker(a) if maker else a for a, maker in zip(args, self.makers)] + args[len(self.makers) :]
        return args, keywords

    def run(self, item: Any, runner: Callable[[Any], Any]) -> bytes:
        if self.is_plain:
            value = self.function(item)
        else:
            args, keywords = self.arguments([item] if self.task.batch else item)
            value = self.function(*args, **keywords)
            if self.is_async or inspect.iscoroutine(value):
                value = runner(value)
            if self.task.batch:
                value = self.only(value)
        return _codec.pack(value, self.default)

    def only(self, values: Any) -> Any:
        if not isinstance(values, (list, tuple)) or len(values) != 1:
            raise TypeError(f"{self.task.name} takes batches: want a list of 1 value for a list of 1 item, not {values!r:.80}")
        if isinstance(values[0], BaseException):
            raise values[0]
        return values[0]


# ---- the slot ----


class Slot:
    def __init__(self, wire: Wire, tasks: dict[str, Task[Any, Any]], embedded: bool, trust: bool) -> None:
        self.wire, self.tasks, self.embedded, self.trust = wire, tasks, embedded, trust
        self.call: Optional[Call] = None
        self.problem: Optional[BaseException] = None
        self.calls: dict[tuple[str, int, bytes], Call] = {}
        self.states: dict[int, Any] = {}
        self.is_running = False
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
            raise
        finally:
            self.coroutine = None

    # -- which function --

    def state_of(self, task: Task[Any, Any]) -> Any:
        if task.setup is None:
            return None
        if id(task) not in self.states:
            self.states[id(task)] = task.setup()
        return self.states[id(task)]

    def by_reference(self, ref: list[Any], path: list[str]) -> Task[Any, Any]:
        global _loading_main
        if path:
            sys.path[:] = path
        _loading_main = True
        try:
            found = _function.resolve(ref)
        finally:
            _loading_main = False
        if isinstance(found, Task):
            return found
        check_function(found)
        return Task(found, EMBEDDED_TASK, {}, 0, None)

    def make_call(self, name: str, bound: dict[str, Any], parts: int) -> Call:
        extra = bound.pop("fanmap", None)
        extra = _codec.unpack(extra) if isinstance(extra, bytes) else {}
        trust = self.trust and bool(extra.get("pickle"))
        task = self.by_reference(extra["f"], extra.get("path", [])) if "f" in extra and self.embedded else self.tasks[name]
        return Call(task, bound, extra.get("star", 1 if parts else None), self.state_of(task), trust)

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

    # -- one item --

    def on_run(self, frame: bytes) -> None:
        trust = self.call.trust if self.call else False
        _, n, _current.index, _current.attempt, _current.fence, _current.deadline_ms, item = _codec.unpack(frame, trust)[:7]
        _current.cancelled = False
        try:
            if self.call is None:
                raise self.problem or RuntimeError("a run without a job")
            self.is_running = True
            packed = self.call.run(item, self.run_async)
            self.is_running = False
        except Cancelled:
            self.wire.error(n, "Cancelled", "the attempt was cancelled", False, "")
        except Exception as e:
            self.is_running = False
            self.wire.error(n, *self.describe(e))
        else:
            self.wire.value(n, packed)
        finally:
            self.is_running = False
        sys.stdout.flush()

    def describe(self, e: Exception) -> tuple[str, str, bool, str]:
        tb = e.__traceback__
        while tb is not None and tb.tb_frame.f_globals.get("__package__") == "fanmap":
            tb = tb.tb_next
        if isinstance(e, _codec.NotAValue) and tb is None:
            return "TypeError", f"the value of {_current.task}: {e}", True, ""
        report = "".join(traceback.format_exception(type(e), e, tb))
        if len(report) > REPORT_MAX:
            report = "Traceback (most recent call last):\n  ...\n" + report[-REPORT_MAX:].partition("\n")[2]
        is_load = self.call is None
        message = str(e) or repr(e)
        if is_load:
            message = f"the task cannot be loaded here: {message}"
        return _type_name(type(e)), message, bool(getattr(e, "final", is_load)), report

    def serve(self) -> None:
        signal.signal(signal.SIGTERM, self.on_term)
        self.wire.send(_codec.pack([HELLO, VERSION, "msgpack", sorted(self.tasks)]))
        self.wire.send(_codec.pack([READY]))
        while True:
            frame = self.wire.receive()
            if frame is None:
                return
            kind = frame[1]
            if kind == RUN:
                self.on_run(frame)
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
