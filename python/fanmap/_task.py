"""Tasks in Python: the decorator, and what a task may know of its attempt."""

from __future__ import annotations

import copy
import functools
import inspect
import re
import sys
import time
from typing import TYPE_CHECKING, Any, Callable, Generic, NamedTuple, Optional, TypeVar, Union, overload

if TYPE_CHECKING:
    from typing_extensions import ParamSpec  # only for type checkers

    P = ParamSpec("P")
else:
    P = TypeVar("P")
R = TypeVar("R")

__all__ = ["Context", "Record", "Task", "context", "task"]

_NAME = re.compile(r"[A-Za-z0-9._-]{1,63}\Z")


class Record(NamedTuple):
    """The record of a topic that an item of a stream is.

    timestamp_ms:  Kafka's, unix time; -1: it has none
    key:           None: it has none
    headers:       in their order; a name may come more than once
    schema_id:     with `--schema strip`, the number that stood before the value; None where none did
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: Optional[bytes]
    headers: list[tuple[str, Optional[bytes]]]
    schema_id: Optional[int] = None

    def header(self, name: str) -> Optional[bytes]:
        """The value of the last header of that name; None where there is none, or it has no value."""
        return next((value for n, value in reversed(self.headers) if n == name), None)


def make_record(fields: list[Any]) -> Record:
    """The context of a run; what stands behind the fields that are known is stepped over."""
    topic, partition, offset, timestamp_ms, key, headers = fields[:6]
    schema_id = fields[6] if len(fields) > 6 else None
    return Record(topic, partition, offset, timestamp_ms, key, list(zip(headers[::2], headers[1::2])), schema_id)


class Context:
    """What a task may know of the attempt that runs. A parameter annotated with this class gets it; so does `context()`.

    job, task:        names
    index:            the item's place in the input, from 0
    attempt:          which try this is, from 1; `attempts_max` is 1 + retries
    fence:            rises with every grant of the job; 0 in jobs without a limit. A sink can refuse what is older
    slot:             the number of this slot on its worker, from 0: a GPU to take, a port to listen on
    bound:            the bound arguments, as a dict
    state:            what the task's `setup` returned in this slot
    cancelled:        the attempt has to stop
    record:           the record that the item is, in a stream; None elsewhere
    traceparent:      the attempt's own span in the trace of who submitted, as W3C writes it; None where there is none
    each:             of a task that takes lists, the context of each item of the list, in order: index, attempt, fence,
                      deadline, record and traceparent of the whole are those of its first item; else this one alone
    """

    def __init__(self) -> None:
        self.job = ""
        self.task = ""
        self.index = 0
        self.attempt = 1
        self.attempts_max = 1
        self.fence = 0
        self.slot = 0
        self.bound: dict[str, Any] = {}
        self.state: Any = None
        self.cancelled = False
        self.deadline_ms = -1
        self.record: Optional[Record] = None
        self.traceparent: Optional[str] = None
        self._runs: list[tuple[Any, ...]] = []  # of a list: what `_take` takes, of each item

    def _take(self, index: int, attempt: int, fence: int, deadline_ms: int, record: Any, traceparent: Optional[str]) -> None:
        self.index, self.attempt, self.fence, self.deadline_ms = index, attempt, fence, deadline_ms
        self.record = None if record is None else make_record(record)
        self.traceparent = traceparent

    @property
    def each(self) -> list["Context"]:
        if not self._runs:
            return [self]
        contexts: list[Context] = [copy.copy(self) for _ in self._runs]
        for context, run in zip(contexts, self._runs):
            context._runs = []
            context._take(*run)
        return contexts

    @property
    def deadline(self) -> Optional[float]:
        """Seconds until the attempt is stopped, at least 0.0; None without a deadline."""
        if self.deadline_ms < 0:
            return None
        return max(0.0, self.deadline_ms / 1000 - time.clock_gettime(time.CLOCK_BOOTTIME))

    def log(self, *words: Any) -> None:
        """A line for the worker's log, which puts job, index and attempt before it."""
        print(*words, file=sys.stderr, flush=True)

    def __repr__(self) -> str:
        return f"<fanmap.Context of item {self.index} of {self.job}, attempt {self.attempt}>"


_current = Context()


def context() -> Context:
    """The attempt that runs in this process; outside a slot an empty one."""
    return _current


def check_function(function: Any) -> None:
    """Refuses what cannot be a task, with the reason."""
    if not callable(function):
        raise TypeError(f"{function!r} is no task: want a function, or the name of a task as a str")
    inner = inspect.unwrap(function)
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        raise TypeError(
            f"{function.__qualname__} is a generator: an item has one value. Return a list, or map over what it would yield"
        )


def is_task_name(name: str) -> bool:
    return _NAME.match(name) is not None


class Task(Generic[P, R]):
    """A function that workers serve, under `name`. Called, it is the function itself, here and now."""

    def __init__(
        self,
        function: Callable[..., Any],
        name: Optional[str],
        options: dict[str, Any],
        batch: int,
        setup: Optional[Callable[[], Any]],
    ) -> None:
        check_function(function)
        functools.update_wrapper(self, function)
        self.function = function
        self.name = name if name is not None else function.__name__
        self.options = options
        self.batch = batch
        self.setup = setup
        if not is_task_name(self.name):
            raise ValueError(f"{self.name!r} is no task name: want [A-Za-z0-9._-], at most 63; give @fanmap.task(name=...)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<fanmap task {self.name}>"


@overload
def task(function: Callable[P, R]) -> Task[P, R]: ...
@overload
def task(
    *,
    name: Optional[str] = None,
    retries: Optional[int] = None,
    timeout: Union[float, str, None] = None,
    backoff: Union[float, str, None] = None,
    memory: Union[int, str, None] = None,
    cpus: Optional[float] = None,
    queue: Optional[str] = None,
    batch: int = 0,
    within: Union[float, str, None] = None,
    setup: Optional[Callable[[], Any]] = None,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(
    function: Any = None,
    *,
    name: Optional[str] = None,
    retries: Optional[int] = None,
    timeout: Union[float, str, None] = None,
    backoff: Union[float, str, None] = None,
    memory: Union[int, str, None] = None,
    cpus: Optional[float] = None,
    queue: Optional[str] = None,
    batch: int = 0,
    within: Union[float, str, None] = None,
    setup: Optional[Callable[[], Any]] = None,
) -> Any:
    """Makes a function, sync or `async def`, a task.

    name:      under which workers serve it; the function's own otherwise
    retries, timeout, backoff, memory, cpus, queue:  what `fanmap.map` of it uses unless told otherwise. timeout is of one
               attempt; a number is seconds, memory a number of bytes, or a text as on the command line: "30s", "2GiB"
    batch:     the function takes a list of up to so many items (at most 256) and returns a list with a value for each, in
               order; an exception in the list is that item's error. If it raises, or its slot dies, the items are tried
               again in lists of half the length, until the guilty one is alone. Not with zipped inputs
    within:    of batch: how long an item may wait for others; otherwise the function gets what is there
    setup:     called once in each slot, before its first item: loads a model, opens a connection. `Context.state` has
               what it returned. If it raises, the slot is started again, and no item is charged

    TypeError: the function is a generator. ValueError: the name cannot be one.
    """
    options = {
        "retries": retries,
        "timeout": timeout,
        "backoff": backoff,
        "memory": memory,
        "cpus": cpus,
        "queue": queue,
        "batch": batch if batch > 1 else None,
        "within": within,
    }
    options = {k: v for k, v in options.items() if v is not None}

    def make(f: Callable[..., Any]) -> Any:
        return Task(f, name, options, batch, setup)

    return make if function is None else make(function)
