"""map, starmap, as_completed, gather, submit: how jobs are begun."""

from __future__ import annotations

import ctypes
import functools
import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable, Optional, TypeVar, Union

from . import _codec, _function, _options, _signature
from ._errors import FanmapError
from ._fleet import Connection, Fleet, default_fleet
from ._job import Job, Outcome
from ._options import Duration
from ._slot import EMBEDDED_TASK, check_not_loading
from ._task import Task, check_function

__all__ = ["as_completed", "gather", "map", "starmap", "submit"]

ARGV_MAX = 128 << 10  # characters of the command line, which a script may read before it maps

R = TypeVar("R")
TaskLike = Union[Task[Any, R], Callable[..., R], str]


class _Plan:
    """What to call: the name on the wire, and what goes along as bound arguments."""

    def __init__(self, task: Any, bind: Optional[Mapping[str, Any]], star: int, is_local: bool, pickle: bool) -> None:
        self.bind = dict(bind or {})
        self.options: dict[str, Any] = {}
        self.extra: dict[str, Any] = {"star": star} if star else {}
        if pickle:
            self.extra["pickle"] = True
        if isinstance(task, functools.partial):
            if task.args:
                self.extra["args"] = list(task.args)
            self.bind = {**task.keywords, **self.bind}
            task = task.func
        if isinstance(task, Task):
            self.options = dict(task.options)
        self.label: str = task if isinstance(task, str) else getattr(task, "name", "") or getattr(task, "__name__", "task")
        self.wire = EMBEDDED_TASK if is_local else self._served_name(task)
        if star < 2:
            self._check_bound(getattr(task, "function", task), star)
        if is_local:
            self.extra["f"] = self._reference(task)
            self.extra["path"] = [p for p in sys.path]
            if self.extra["f"][0] == "main" and sum(len(a) for a in sys.argv) <= ARGV_MAX:
                self.extra["argv"] = list(sys.argv)

    def _check_bound(self, function: Any, star: int) -> None:
        """Bound arguments that no item could ever go with are an error here, and not one of every item."""
        try:
            signature = _signature.signature(function)
        except (TypeError, ValueError):  # a name, or a builtin that does not say
            return
        try:
            signature.bind_partial(*self.extra.get("args", ()), *([] if star else [None]), **self.bind)
        except TypeError as e:
            raise TypeError(f"{self.label} cannot be called so: {e}") from None

    def _served_name(self, task: Any) -> str:
        if isinstance(task, str):
            return task.rpartition(":")[2]
        check_function(task)
        name = getattr(task, "name", None) or getattr(task, "__name__", None)
        if not isinstance(name, str) or "<" in name:
            _function.reference(task, False)  # says what to do
            raise TypeError(f"{task!r} has no name under which a worker could serve it")
        return name

    def _reference(self, task: Any) -> list[Any]:
        if isinstance(task, str):
            module, _, name = task.partition(":")
            if not name:
                raise ValueError(
                    f"task {task!r}: on this machine alone want a function or 'module:name'; the name of a served task needs a "
                    "fleet (FANMAP_BROKERS, or Fleet(brokers=...))"
                )
            return ["module", module, name]
        check_function(task)
        return _function.reference(task, True)

    def binds(self) -> list[str]:
        texts = [_options.bind(k, v) for k, v in self.bind.items()]
        if self.extra:
            texts.append(_options.bind("fanmap", _codec.pack(self.extra)))
        return texts


def _zip(iterables: tuple[Iterable[Any], ...], strict: bool) -> Iterator[Any]:
    if len(iterables) == 1:
        return iter(iterables[0])
    if not strict:
        return iter([*parts] for parts in zip(*iterables))
    return _zip_strict(iterables)


_MISSING = object()


def _zip_strict(iterables: tuple[Iterable[Any], ...]) -> Iterator[Any]:
    for i, parts in enumerate(itertools.zip_longest(*iterables, fillvalue=_MISSING)):
        if any(p is _MISSING for p in parts):
            ended = next(k for k, p in enumerate(parts) if p is _MISSING)
            longer = next(k for k, p in enumerate(parts) if p is not _MISSING)
            raise ValueError(f"iterable {ended + 1} ends after {i} items, iterable {longer + 1} does not (strict=False zips)")
        yield [*parts]


def _progress_bar(progress: Any, label: str, items: Any) -> Any:
    """An object with update(n) and close(): tqdm's bar if it is installed, else lines on stderr."""
    if not progress:
        return None
    if not isinstance(progress, bool):
        return progress
    try:
        total: Optional[int] = len(items)
    except TypeError:
        total = None
    try:
        from tqdm.auto import tqdm  # type: ignore[import-untyped,import-not-found,unused-ignore]

        return tqdm(total=total, desc=label)
    except ImportError:
        from ._progress import Lines

        return Lines(label, total)


def _begin(
    plan: _Plan,
    items: Optional[Iterator[Any]],
    fleet: Fleet,
    options: dict[str, Any],
    cls_options: dict[str, Any],
) -> Job[Any]:
    check_not_loading()
    settings = {**plan.options, **{k: v for k, v in options.items() if v is not None}}
    concurrency = int(settings.get("concurrency") or 0)
    connection = fleet._connection(concurrency)
    pairs = _options.pairs(settings) + [("bind", text) for text in plan.binds()]
    handle = _open_job(connection, connection.lib.c.fanmap_map, plan.wire, pairs)
    return Job(connection, handle, items, task=plan.label, **cls_options)


def _open_job(connection: Connection, function: Any, name: str, pairs: list[tuple[str, str]]) -> Any:
    lib, handle = connection.lib, ctypes.c_void_p()
    options = lib.options(pairs, False)
    try:
        with connection.lock:
            lib.call(function, connection.handle, name.encode(), options, ctypes.byref(handle))
    finally:
        lib.c.fanmap_options_free(options)
    return handle


def _map(
    task: Any,
    iterables: tuple[Iterable[Any], ...],
    star: Optional[int],
    *,
    return_exceptions: bool = False,
    ordered: bool = True,
    strict: bool = True,
    buffersize: Optional[int] = None,
    bind: Optional[Mapping[str, Any]] = None,
    fleet: Optional[Fleet] = None,
    progress: Any = False,
    raises: Iterable[type[BaseException]] = (),
    pickle: bool = False,
    as_outcomes: bool = False,
    **options: Any,
) -> Job[Any]:
    check_not_loading()
    if len(iterables) < 1:
        raise TypeError("map wants at least one iterable")
    if buffersize is not None and buffersize < 1:
        raise ValueError("buffersize must be None or at least 1")
    fleet = fleet or default_fleet()
    if star is None:
        star = 1 if len(iterables) > 1 else 0
    plan = _Plan(task, bind, star, fleet.is_local, pickle)
    bar = _progress_bar(progress, plan.label, iterables[0])
    return _begin(
        plan,
        _zip(iterables, strict),
        fleet,
        {**options, "unordered": True if not ordered else None},
        {
            "return_exceptions": return_exceptions,
            "buffersize": buffersize,
            "raises": raises,
            "progress": bar,
            "pickle": pickle,
            "as_outcomes": as_outcomes,
            "unordered": not ordered,
        },
    )


def map(
    task: TaskLike[R],
    *iterables: Iterable[Any],
    concurrency: int = 0,
    return_exceptions: bool = False,
    ordered: bool = True,
    strict: bool = True,
    buffersize: Optional[int] = None,
    retries: Optional[int] = None,
    timeout: Optional[Duration] = None,
    backoff: Optional[Any] = None,
    deadline: Optional[Duration] = None,
    queue: Optional[str] = None,
    job_id: Optional[str] = None,
    bind: Optional[Mapping[str, Any]] = None,
    fleet: Optional[Fleet] = None,
    progress: Any = False,
    raises: Iterable[type[BaseException]] = (),
    pickle: bool = False,
    **options: Any,
) -> Job[R]:
    """The task over every item, its values in the order of the items: an iterator and an async iterator.

    task:        a function (decorated or not), "module:name", or on a fleet the name of a task that workers serve
    iterables:   one: each item is the argument; several: zipped. Read as the map goes on, never all at once
    concurrency: at most so many attempts at once, over the whole fleet; 0: no limit (here: the processors)
    return_exceptions: failed items stand in their places as TaskError. Otherwise the first failed item in order raises its
                 TaskError, and the job is cancelled
    ordered:     False: values as they come
    strict:      iterables of unequal lengths raise ValueError where the shortest ends; False: stop there
    buffersize:  at most so many items are taken from the input and not yet given out; None: the library's bounds
                 (the option `ahead`)
    retries:     tries after the first. backoff: seconds before the first retry, or (base, factor, cap)
    timeout:     of one attempt; deadline: of the job. Seconds, timedelta, or a text: "30s"
    queue, job_id:  on a fleet: which workers; a name by which the job can be resumed and gathered
    bind:        keyword arguments that are the same for every item, sent once. functools.partial(f, v, k=v) binds too, and
                 what it binds by place comes before the item
    fleet:       where; otherwise the environment's (FANMAP_BROKERS, FANMAP_REDIS), or this machine
    progress:    True: a bar of tqdm's if it is installed, else a line on stderr now and then
    raises:      classes that are raised themselves, with the TaskError as their cause, when a task raised them
    pickle:      what msgpack cannot hold travels as pickles. Unsafe wherever others can write to the fleet
    options:     any other of `fanmap map --help`, with underscores: halt="now,fail=3", memory="2GiB", grace=1

    Breaking out of a loop over it, closing or forgetting it cancels the job. An exception of the input is raised in its
    place. FanmapError: the fleet cannot be reached, an option is wrong. JobStopped: the job was cancelled or timed out.
    """
    return _map(
        task,
        iterables,
        None,
        concurrency=concurrency,
        return_exceptions=return_exceptions,
        ordered=ordered,
        strict=strict,
        buffersize=buffersize,
        retries=retries,
        timeout=timeout,
        backoff=backoff,
        deadline=deadline,
        queue=queue,
        job_id=job_id,
        bind=bind,
        fleet=fleet,
        progress=progress,
        raises=raises,
        pickle=pickle,
        **options,
    )


def starmap(task: TaskLike[R], iterable: Iterable[Iterable[Any]], **options: Any) -> Job[R]:
    """As `map`, where each item is the sequence of the function's arguments. Options as of `map`."""
    return _map(task, ((list(args) for args in iterable),), 1, **options)


def as_completed(task: TaskLike[R], *iterables: Iterable[Any], **options: Any) -> Job[Outcome[R]]:
    """As `map`, but gives an Outcome for each item as it is known, in any order; nothing is raised for a failed item. Options
    as of `map`."""
    options.setdefault("ordered", False)
    return _map(task, iterables, None, as_outcomes=True, **options)


def gather(
    job_id: str,
    *,
    from_: Union[int, str] = 0,
    return_exceptions: bool = False,
    ordered: bool = True,
    fleet: Optional[Fleet] = None,
    raises: Iterable[type[BaseException]] = (),
    pickle: bool = False,
    **options: Any,
) -> Job[Any]:
    """The outcomes of a job that somebody submitted, any number of times, from anywhere: from index `from_` on, or from a
    position that was kept (`Job.position`; as `fanmap gather --position-file`, HTTP and fanmap_position give it), which reads
    what is left.

    FanmapError, while iterating: there is no such job, or Kafka no longer has all of it.
    """
    fleet = fleet or default_fleet()
    if fleet.is_local:
        raise FanmapError("an embedded map leaves nothing to gather: that takes a fleet")
    connection = fleet._connection(0)
    pairs = _options.pairs({**options, "unordered": True if not ordered else None, "from": from_ or None})
    handle = _open_job(connection, connection.lib.c.fanmap_gather, job_id, pairs)
    return Job(
        connection,
        handle,
        None,
        task="gather",
        return_exceptions=return_exceptions,
        raises=raises,
        pickle=pickle,
        unordered=not ordered,
    )


def submit(task: TaskLike[Any], *iterables: Iterable[Any], fleet: Optional[Fleet] = None, **options: Any) -> str:
    """Publishes a map and leaves: returns the job's id once every item is stored. `gather` it, here or elsewhere. Options as of
    `map`. FanmapError: it is an embedded fleet, which would end with this process; or the fleet cannot be reached."""
    fleet = fleet or default_fleet()
    if fleet.is_local:
        raise FanmapError("an embedded job ends with its process: to submit one takes a fleet")
    job = _map(task, iterables, None, fleet=fleet, detach=True, **options)
    try:
        for _ in job._values():
            pass
    finally:
        job._leave(True)
    return job.id
