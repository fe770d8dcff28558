"""A job: the input that goes in, the outcomes that come out, and the words in between.

Happy path: `_turn` takes a chunk of the input, packs it, pushes it in one call, and takes what outcomes are there in
another. Who iterates, sync or async, calls it until there is something, and waits for the connection's descriptor
between.

What can fail. The input iterator raises: what came before is finished, then the same exception is raised here. An item is no
value: it is never sent, and stands as a `bad_input` in its place. The caller stops iterating (break, close, an exception,
garbage, a cancelled task): the job is cancelled.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import itertools
import operator
import os
import struct
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Callable, Generic, Optional, TypeVar

from . import _codec, _library
from ._errors import FanmapError, JobStopped, TaskError
from ._fleet import Connection
from ._library import AGAIN, END, OK

__all__ = ["Job", "JobStats", "Outcome"]

T = TypeVar("T")

CHUNK = 512
CHUNK_NS = 1_000_000
TURN_NS = 1_000_000
BATCH = 1024
CONTROL_MS = 10_000


@dataclasses.dataclass(frozen=True)
class JobStats:
    """Counts of a job. total is None until the input has ended; running is of an embedded job."""

    published: int
    known: int
    delivered: int
    failed: int
    retried: int
    running: int
    total: Optional[int]
    paused: bool
    input_ended: bool
    done: bool


@dataclasses.dataclass(frozen=True)
class Outcome(Generic[T]):
    """The one terminal fact of an item: `value`, or `error`."""

    index: int
    attempts: int
    value: Optional[T]
    error: Optional[TaskError]

    def result(self) -> T:
        """The value; raises the error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


class _Input:
    """The items of a map, as they go to the library: packed, in chunks, as far as there is room."""

    def __init__(self, items: Optional[Iterator[Any]], default: _codec.Default) -> None:
        self.items = items
        self.default = default
        self.waiting: list[bytes] = []
        self.wrapped: set[int] = set()  # places in `waiting` that are errors already
        self.error: Optional[BaseException] = None
        self.is_read = items is None
        self.is_ended = items is None
        self.is_busy = False
        self.taken = 0

    def _pack(self, item: Any) -> bytes:
        try:
            return _codec.pack(item, self.default)
        except Exception as e:
            self.wrapped.add(len(self.waiting))
            return _codec.pack({"$error": {"kind": "bad_input", "type": type(e).__name__, "message": str(e)}})

    def read(self, room: int) -> None:
        """Takes items for a millisecond, or as many as there is room for."""
        if self.is_read or self.waiting or self.items is None:
            return
        self.is_busy = True
        try:
            self._read(self.items, room)
        finally:
            self.is_busy = False

    def _read(self, items: Iterator[Any], room: int) -> None:
        until = time.monotonic_ns() + CHUNK_NS
        want = min(CHUNK, room)
        got = 0
        try:
            for item in itertools.islice(items, want):
                self.waiting.append(self._pack(item))
                got += 1
                if time.monotonic_ns() > until:
                    return
        except Exception as e:
            self.error, self.is_read = e, True
            return
        self.is_read = got < want


def _runs(waiting: list[bytes], wrapped: set[int]) -> Iterator[tuple[int, list[bytes]]]:
    """Runs of one format."""
    if not wrapped:
        yield _library.MSGPACK, waiting
        return
    for is_wrapped, run in itertools.groupby(range(len(waiting)), lambda i: i in wrapped):
        yield (_library.WRAPPED if is_wrapped else _library.MSGPACK), [waiting[i] for i in run]


class Job(Generic[T]):
    """One map, or one gathering: an iterator and an async iterator of its values. Made by `map`, `submit` and others.

    It belongs to one thread at a time. Leaving a loop over it, `close`, an exception, and being forgotten cancel it.
    """

    def __init__(
        self,
        connection: Connection,
        handle: ctypes.c_void_p,
        items: Optional[Iterator[Any]],
        *,
        task: str,
        return_exceptions: bool,
        as_outcomes: bool = False,
        buffersize: Optional[int] = None,
        raises: Iterable[type[BaseException]] = (),
        progress: Any = None,
        pickle: bool = False,
        unordered: bool = False,
    ) -> None:
        self._connection, self._handle = connection, handle
        self._lib, self._c = connection.lib, connection.lib.c
        self._input = _Input(items, _codec.pickled if pickle else None)
        self._trust = pickle
        self._return_exceptions, self._as_outcomes = return_exceptions, as_outcomes
        self._buffersize = buffersize
        self._is_unordered = unordered
        self._raises = tuple(raises)
        self._progress = progress
        self._batch = ctypes.POINTER(_library.Batch)()
        self._may_keep_positions = items is None
        self._next_index = 0  # of what comes behind the values in `_ready`
        self._position: Optional[str] = None  # once somebody has read one
        self._turns = 0
        self._leaves: Optional[bool] = None  # with `detach`, as soon as the library is not being asked
        self._given = 0
        self._end: Optional[BaseException] = None  # once the library has told the end: StopIteration, or what to raise
        self._last_turn = 0
        self._last_stats: Optional[JobStats] = None
        self._iterator: Optional[Iterator[T]] = None
        self._ready: Iterator[T] = iter(())
        self.task = task
        self.id: str = self._c.fanmap_job_id(handle).decode()
        with connection.lock:
            connection.jobs.add(self)

    def __repr__(self) -> str:
        s = self.stats()
        total = "?" if s.total is None else s.total
        state = "done" if s.done else "closed" if self._handle is None else "paused" if s.paused else "running"
        failed = f", {s.failed} failed" if s.failed else ""
        return f"<fanmap.Job {self.id} of {self.task}: {state}, {s.known} of {total}{failed}>"

    # -- the two directions --

    def _push(self) -> None:
        source = self._input
        if source.is_ended or source.is_busy:  # busy: the input is itself a map of this connection
            return
        room = CHUNK if self._buffersize is None else self._buffersize - (source.taken - self._given)
        if room > 0:
            source.read(room)
        if source.waiting:
            self._push_waiting()
        if source.is_read and not source.waiting:
            why = None if source.error is None else f"{type(source.error).__name__}: {source.error}"
            text = why.encode("utf-8", "replace").replace(b"\0", b"?") if why is not None else None
            self._call(self._c.fanmap_end_input, self._handle, text)
            source.is_ended = True

    def _push_waiting(self) -> None:
        source, taken = self._input, ctypes.c_size_t()
        waiting, wrapped = source.waiting, source.wrapped
        done = 0
        for form, run in _runs(waiting, wrapped):
            lens = struct.pack(f"{len(run)}I", *map(len, run))
            r = self._call(self._c.fanmap_push_batch, self._handle, form, b"".join(run), lens, len(run), ctypes.byref(taken))
            done += taken.value
            if r == AGAIN:
                break
        source.taken += done
        source.waiting = waiting[done:]
        source.wrapped = {i - done for i in wrapped if i >= done}

    def _call(self, function: Any, *arguments: Any) -> int:
        try:
            return self._lib.call(function, *arguments)
        except JobStopped:
            self._input.is_ended = True  # the end, and why, comes with the outcomes
            return OK

    def _turn(self) -> Optional[list[Any]]:
        """One chunk in, what is there out: a list, perhaps empty, or None at the end (then `_end` says how)."""
        if self._end is not None:
            return None
        if not self._is_ours():
            self._end = self._end or StopIteration()  # closed by the caller; or, forked, it says so itself
            return None
        with self._asking():
            self._connection.tell_log()
            self._c.fanmap_hold(self._handle, False)
            self._push()
            err = _library.Error()
            r = self._c.fanmap_next_batch(self._handle, 0, self._batch_max(), ctypes.byref(self._batch), ctypes.byref(err))
            self._last_turn = time.monotonic_ns()
            if r == OK:
                self._c.fanmap_hold(self._handle, True)  # others on this connection are not woken for what we have not asked
                return self._decode(self._batch.contents)
            if r == AGAIN:
                return []
        self._end = self._end_of(r, err)
        return None

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Holds the lock, and keeps the handles. The input, or a handler of logs or signals, may close the job or its fleet
        meanwhile: that is done at the end."""
        connection = self._connection
        with connection.lock:
            self._turns += 1
            connection.turns += 1
            try:
                yield
            finally:
                self._turns -= 1
                connection.turns -= 1
                if self._leaves is not None and not self._turns:
                    self._leave(self._leaves)
                if connection.closes and not connection.turns:
                    connection.close()

    def _batch_max(self) -> int:
        """The first outcome of a gathering comes alone: whoever keeps positions reads one there."""
        is_first = self._may_keep_positions and not self._given
        return 1 if is_first or self._position is not None else BATCH

    def _end_of(self, r: int, err: _library.Error) -> BaseException:
        if r == END:
            return StopIteration()
        if r == _library.EIO and self._input.error is not None:
            return self._input.error
        try:
            _library.raise_for(r, err)
        except (FanmapError, MemoryError) as e:
            return e

    def _decode(self, batch: _library.Batch) -> list[Any]:
        n = batch.n
        data = ctypes.string_at(batch.bytes, batch.bytes_len)
        kinds = ctypes.string_at(batch.kinds, n)
        self._given += n
        self._next_index = batch.indexes[n - 1] + 1
        if len(data) == n and max(data) < 0x80:
            values: list[Any] = list(data)
        else:
            values = list(_codec.unpack_many(data, n, self._trust))
        if kinds.count(0) != n:
            for i, kind in enumerate(kinds):
                if kind:
                    values[i] = TaskError(batch.indexes[i], batch.attempts[i], values[i])
        if self._progress is not None:
            self._progress.update(n)
        if self._as_outcomes:
            values = [
                Outcome(batch.indexes[i], batch.attempts[i], None, v)
                if kinds[i]
                else Outcome(batch.indexes[i], batch.attempts[i], v, None)
                for i, v in enumerate(values)
            ]
        elif not self._return_exceptions and kinds.count(0) != n:
            bad = next(i for i, kind in enumerate(kinds) if kind)
            self._end = self._raised(values[bad])
            values, self._next_index = values[:bad], batch.indexes[bad]
        return values

    def _raised(self, error: TaskError) -> BaseException:
        original = error.original(self._raises)
        if original is None:
            return error
        original.__cause__ = error
        return original

    # -- iterating --

    def _values(self) -> Iterator[T]:
        clock = time.monotonic_ns
        try:
            while True:
                values = self._turn()
                if values is None:
                    break
                if not values:
                    if self._end is None and not self._may_push():
                        self._connection.wait()
                        self._connection.care(self)
                    continue
                self._ready = iter(values)
                for value in self._ready:
                    yield value
                    if clock() - self._last_turn > TURN_NS:
                        self._between()
            self._tell_end()
        finally:
            self.close()

    def _tell_end(self) -> None:
        """Raises what the job ended with, once."""
        end, self._end = self._end, StopIteration()
        assert end is not None
        if not isinstance(end, StopIteration):
            raise end

    def _between(self) -> None:
        """While the caller works on values it has: the library, and with it an embedded worker, goes on."""
        with self._asking():
            if self._is_ours() and self._end is None:
                self._push()
                self._c.fanmap_dispatch(self._connection.handle, 0, None)
        self._last_turn = time.monotonic_ns()

    def _may_push(self) -> bool:
        """There is input that was not looked at, and room for it."""
        source = self._input
        if source.is_ended or source.waiting:
            return False
        return self._buffersize is None or self._buffersize > source.taken - self._given

    def __iter__(self) -> Iterator[T]:
        if self._iterator is not None:
            return self._iterator
        if self._input.is_busy:
            raise RuntimeError(f"job {self.id}: its own input asks for its values")
        return self._values()

    def __next__(self) -> T:
        if self._iterator is None:
            self._iterator = iter(self)
        return next(self._iterator)

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        for value in self._ready:
            return value
        from . import _loop

        try:
            while True:
                values = self._turn()
                if values is None:
                    break
                if values:
                    self._ready = iter(values)
                    return next(self._ready)
                if self._end is None:
                    await (_loop.pause() if self._may_push() else _loop.readable(self))
        except BaseException:
            self.close()
            raise
        self.close()
        self._tell_end()
        raise StopAsyncIteration

    # -- about it --

    def stats(self) -> JobStats:
        """Counts as they are now; the last ones once it is closed."""
        if self._is_ours():
            s = _library.Stats()
            with self._connection.lock:
                self._c.fanmap_stats(self._handle, ctypes.byref(s), ctypes.sizeof(s))
            self._last_stats = JobStats(
                s.published,
                s.known,
                s.delivered,
                s.failed,
                s.retried,
                s.running,
                None if s.total < 0 else s.total,
                s.paused,
                s.input_ended,
                s.done,
            )
        if self._last_stats is None:  # in a forked child: nobody counted
            return JobStats(0, 0, 0, 0, 0, 0, None, False, False, False)
        return self._last_stats

    @property
    def position(self) -> str:
        """Where it stands: behind the value that was given last. A text to keep with what was made of the values;
        `gather(job_id, from_=...)` goes on there, anywhere, with nothing twice and nothing left out.

        From the first time that it is read outcomes are fetched one by one, so that it is exact behind each; without an
        order that has to be before the second value. FanmapError: embedded nothing is left to go on with; it was never read
        and the job is closed.
        """
        if self._is_ours():
            left = operator.length_hint(self._ready)
            if left and self._is_unordered:
                raise FanmapError("without an order, positions are kept from the first value on: read it there")
            self._position = self._exact_position()
            return str(self._next_index - left) if left else self._position
        if self._position is None:
            raise FanmapError(f"job {self.id} is closed, and nobody has read its position before")
        return self._position

    def _exact_position(self) -> str:
        """Behind all that was taken from the library."""
        text = ctypes.c_char_p()
        with self._connection.lock:
            self._lib.call(self._c.fanmap_position, self._handle, ctypes.byref(text))
        return (text.value or b"").decode()

    def _control(self, verb: str, argument: Optional[str] = None) -> None:
        if self._connection.handle is None or self._connection.pid != os.getpid():
            raise FanmapError(f"job {self.id}: its fleet is closed")
        with self._connection.lock:
            r = self._lib.call(
                self._c.fanmap_control,
                self._connection.handle,
                self.id.encode(),
                verb.encode(),
                argument.encode() if argument is not None else None,
                CONTROL_MS,
            )
        if r == AGAIN:
            raise FanmapError(f"job {self.id}: no word from Kafka that {verb} is stored; it may still come to be")

    def cancel(self) -> None:
        """Stops the job: queued items are dropped, running ones stopped. Iterating on gives what the list is then, and raises
        JobStopped. Blocks until it is stored, at most 10 seconds; FanmapError: it has ended, or Kafka does not answer."""
        self._control("cancel")

    def pause(self) -> None:
        """Nothing new starts; what runs goes on. Blocks and fails as `cancel` does."""
        self._control("pause")

    def resume(self) -> None:
        """Ends a pause. Blocks and fails as `cancel` does."""
        self._control("resume")

    def set_concurrency(self, n: int) -> None:
        """At most n attempts at once from now on, 0: no limit. Blocks and fails as `cancel` does."""
        self._control("concurrency", str(n))

    def close(self) -> None:
        """Lets go of the job: a map that has not ended is cancelled; a gathering just leaves. Never blocks."""
        self._leave(False)

    def _is_ours(self) -> bool:
        """It is open, in the process that made it. A forked child must not touch what its parent uses."""
        if self._handle is not None and self._connection.pid != os.getpid():
            self._orphan()
        return self._handle is not None

    def _orphan(self) -> None:
        """Its connection closes, and with it the job."""
        if self._handle is None:
            return
        if self._connection.pid == os.getpid():
            self.stats()
        if self._end is None:
            self._end = JobStopped(f"job {self.id} was stopped: its fleet was closed, or belongs to another process")
        self._forget()

    def _leave(self, detach: bool) -> None:
        handle = self._handle
        if handle is None:
            return
        connection = self._connection
        if connection.pid != os.getpid():
            self._orphan()
            return
        if self._turns:
            self._leaves, self._end = detach, self._end or StopIteration()
            return
        self.stats()
        if self._position is not None:
            self._position = self.position
        self._forget()
        with connection.lock:
            self._c.fanmap_job_close(handle, detach)
            if not connection.jobs:
                self._c.fanmap_dispatch(connection.handle, 0, None)

    def _forget(self) -> None:
        """What a closed job no longer needs."""
        self._handle = None  # type: ignore[assignment]
        with self._connection.lock:
            self._connection.jobs.discard(self)
        if self._connection.loop_use is not None:
            self._connection.loop_use.leave(self)
        if self._progress is not None:
            self._progress.close()
        items, self._input.items = self._input.items, None
        close: Optional[Callable[[], None]] = getattr(items, "close", None)
        if close is not None and not getattr(items, "gi_running", False):
            close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None and not sys.is_finalizing():
            self.close()

    def __reduce__(self) -> Any:
        raise TypeError("a job is neither copied nor pickled: it is open here. Keep its id, or its position")

    def __enter__(self) -> "Job[T]":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> "Job[T]":
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()
