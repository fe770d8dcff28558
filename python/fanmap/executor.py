"""An Executor of concurrent.futures over fanmap.

A Future has to be set by somebody: one thread of the executor's own holds the connection and does it. Calls of one
function are the items of one job without an end, whose outcomes come in any order.
"""

from __future__ import annotations

import builtins
import collections
import functools
import itertools
import os
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import Any, Callable, Optional, TypeVar

from . import _codec, _job, _map
from ._errors import FanmapError
from ._fleet import Connection, Fleet, default_fleet

__all__ = ["BUILTIN_EXCEPTIONS", "FanmapExecutor"]

T = TypeVar("T")

# What `raises` is unless told otherwise: code that was written for another Executor says `except ValueError`.
BUILTIN_EXCEPTIONS: tuple[type[BaseException], ...] = tuple(
    v for v in vars(builtins).values() if isinstance(v, type) and issubclass(v, Exception)
)
LANES_MAX = 64
# Calls under way for each worker; they cannot be cancelled any more. Of short calls as many as take AHEAD_S.
AHEAD, AHEAD_MAX, AHEAD_S = 3, 256, 0.02


class _Work:
    __slots__ = ("function", "future", "item")

    def __init__(self, future: "Future[Any]", function: Any, item: Any) -> None:
        self.future, self.function, self.item = future, function, item


class _Calls(_job._Input):
    """The input of a lane: what was submitted and not pushed yet."""

    def __init__(self, default: _codec.Default) -> None:
        super().__init__(iter(()), default)
        self.queue: collections.deque[Any] = collections.deque()

    def read(self, room: int) -> None:
        while self.queue and len(self.waiting) < room:
            self.waiting.append(self._pack(self.queue.popleft()))


class _Lane:
    """One function: its job, and the futures of what runs there by index."""

    def __init__(self, job: _job.Job[Any], calls: _Calls) -> None:
        self.job, self.calls = job, calls
        self.futures: dict[int, Future[Any]] = {}
        self.count = 0

    def add(self, work: _Work) -> None:
        self.futures[self.count] = work.future
        self.count += 1
        self.calls.queue.append(work.item)

    def fail(self, why: BaseException) -> None:
        futures, self.futures = self.futures, {}
        for future in futures.values():
            future.set_exception(why)
        self.job.close()


class _State:
    """What the executor and its thread share; the thread does not keep the executor alive."""

    def __init__(
        self, fleet: Fleet, workers: int, raises: tuple[type[BaseException], ...], pickle: bool, options: dict[str, Any]
    ) -> None:
        self.fleet, self.workers, self.raises, self.pickle, self.options = fleet, workers, raises, pickle, options
        self.lock = threading.Lock()
        self.pending: collections.deque[_Work] = collections.deque()  # can be cancelled
        self.handed: collections.deque[_Work] = collections.deque()  # run as soon as the thread comes to them
        self.under_way = 0  # handed, or in a lane
        self.ahead, self.ahead_of = workers * AHEAD, None  # calls of this function; how long another's last is not known
        self.ended, self.ended_since = 0, 0.0  # calls, for the next look at how many are to be ahead
        self.is_shut = False
        self.connection: Optional[Connection] = None
        self.thread: Optional[threading.Thread] = None
        self.lanes: dict[Any, _Lane] = {}

    # -- any thread --

    def wake(self) -> None:
        connection = self.connection
        if connection is not None:
            connection.wake()

    def submit(self, work: _Work) -> None:
        with self.lock:
            if self.is_shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if _is_exiting:
                raise RuntimeError("cannot schedule new futures after interpreter shutdown")
            self.pending.append(work)
            self.hand_over()
            if self.thread is None:
                self.thread = threading.Thread(target=self.run, name="fanmap-executor", daemon=True)
                self.thread.start()
                with _states_lock:
                    _states.add(self)
        self.wake()

    def hand_over(self) -> None:
        """Under the lock: as many as there are places for."""
        while self.pending:
            function = self.pending[0].function
            if self.under_way >= (self.ahead if function is self.ahead_of else self.workers * AHEAD):
                return
            if function is not self.ahead_of:
                self.begin_with(function)
            work = self.pending.popleft()
            if work.future.set_running_or_notify_cancel():
                self.handed.append(work)
                self.under_way += 1

    def begin_with(self, function: Any) -> None:
        """Under the lock: few at first."""
        self.ahead, self.ahead_of = self.workers * AHEAD, function
        self.ended, self.ended_since = 0, time.monotonic()

    def shut(self, cancel: bool = False) -> None:
        with self.lock:
            self.is_shut = True
            dropped = list(self.pending) if cancel else []
            if cancel:
                self.pending.clear()
        for work in dropped:
            if work.future.cancel():
                work.future.set_running_or_notify_cancel()
        self.wake()

    def join(self) -> None:
        thread = self.thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    # -- the thread --

    def run(self) -> None:
        try:
            # It comes into being here, so it is this thread's.
            self.connection = self.fleet._connection(self.workers)
            while self.turn():
                pass
            for lane in self.lanes.values():
                lane.job.close()
        except BaseException as e:  # whoever waits for a future has to hear of it
            self.give_up(e)
        finally:
            connection, self.connection = self.connection, None
            if connection is not None:
                connection.close()

    def give_up(self, why: BaseException) -> None:
        with self.lock:
            self.is_shut = True
            left, self.pending = list(self.pending), collections.deque()
            handed, self.handed = list(self.handed), collections.deque()
        for work in handed + [w for w in left if w.future.set_running_or_notify_cancel()]:
            work.future.set_exception(why)
        for lane in self.lanes.values():
            lane.fail(why)

    def turn(self) -> bool:
        """Starts what can be started and sets what is known. False: shut down, and nothing is left."""
        assert self.connection is not None
        self.start()
        busy = [lane for lane in self.lanes.values() if lane.futures]
        if not busy:
            with self.lock:
                if self.is_shut and not self.under_way and not self.pending:
                    return False
                is_idle = not self.handed
                self.begin_with(None)  # what comes next may last longer
            if is_idle:
                self.idle()
            return True
        got = sum([self.collect(lane) for lane in busy])
        with self.lock:
            self.measure(got)
            self.under_way -= got
            self.hand_over()
            is_waiting = not got and not self.handed
        if is_waiting:
            self.connection.wait()
        return True

    def measure(self, got: int) -> None:
        """Under the lock: as many as ended within AHEAD_S may be ahead during the next."""
        self.ended += got
        now = time.monotonic()
        took = now - self.ended_since
        if took >= AHEAD_S:
            ahead = int(self.ended * AHEAD_S / took)
            self.ahead = self.workers * AHEAD_MAX if ahead > self.workers * AHEAD_MAX else max(ahead, self.workers * AHEAD)
            self.ended, self.ended_since = 0, now

    def idle(self) -> None:
        """Turns the library, which clears what had woken it, and waits."""
        assert self.connection is not None
        self.connection.lib.c.fanmap_dispatch(self.connection.handle, 0, None)
        if not self.handed and not self.is_shut:
            self.connection.wait(1.0)

    def start(self) -> None:
        known: tuple[Any, Optional[_Lane]] = (None, None)  # most have the function of the one before
        while self.handed:
            work = self.handed.popleft()
            try:
                lane = known[1] if known[0] is work.function else None
                if lane is None:
                    lane = self.lane_of(work.function)
                    known = (work.function, lane)
                lane.add(work)
            except Exception as e:
                work.future.set_exception(e)
                with self.lock:
                    self.under_way -= 1
                    self.hand_over()

    def lane_of(self, function: Any) -> _Lane:
        plan = _map._Plan(function, None, 2, self.fleet.is_local, self.pickle)
        key = (plan.wire, *plan.binds())
        lane = self.lanes.get(key)
        if lane is not None:
            return lane
        for k in [k for k, other in self.lanes.items() if not other.futures][: max(0, len(self.lanes) - LANES_MAX)]:
            self.lanes.pop(k).job.close()
        calls = _Calls(_codec.pickled if self.pickle else None)
        job = _map._begin(
            plan,
            iter(()),
            self.fleet,
            {"concurrency": self.workers, "unordered": True, **self.options},
            {"return_exceptions": True, "as_outcomes": True, "raises": self.raises, "pickle": self.pickle},
        )
        job._input = calls
        lane = self.lanes[key] = _Lane(job, calls)
        return lane

    def collect(self, lane: _Lane) -> int:
        outcomes = lane.job._turn()
        if outcomes is None:
            end = lane.job._end
            why = FanmapError("the job of this call ended") if end is None or isinstance(end, StopIteration) else end
            self.lanes = {k: v for k, v in self.lanes.items() if v is not lane}
            failed = len(lane.futures)
            lane.fail(why)
            return failed
        for outcome in outcomes:
            future = lane.futures.pop(outcome.index)
            if outcome.error is None:
                future.set_result(outcome.value)
            else:
                future.set_exception(lane.job._raised(outcome.error))
        return len(outcomes)


_states_lock = threading.Lock()
_states: "weakref.WeakSet[_State]" = weakref.WeakSet()
_is_exiting = False


def _at_exit() -> None:
    global _is_exiting
    _is_exiting = True
    with _states_lock:
        states = list(_states)
    for state in states:
        state.shut()
    for state in states:
        state.join()


threading._register_atexit(_at_exit)  # type: ignore[attr-defined] # before threads are joined, as the other executors do


class FanmapExecutor(Executor):
    """An Executor whose calls run on a fleet, or in processes on this machine.

    max_workers: at most so many calls at once; the processors of this machine unless given
    fleet:       where; otherwise the environment's, or this machine
    raises:      exceptions that come back as themselves (with the TaskError as their cause) when a call raised them: those of
                 Python itself unless given. Others are TaskError
    pickle:      arguments and results that msgpack cannot hold travel as pickles. Unsafe wherever others can write to the
                 fleet
    options:     of `fanmap.map`: retries, timeout, ...

    Functions go by name (`fanmap.map` says how), arguments and results are values (lists for tuples). A call that has been
    handed to a worker cannot be cancelled, as with ProcessPoolExecutor.
    """

    def __init__(
        self,
        max_workers: Optional[int] = None,
        *,
        fleet: Optional[Fleet] = None,
        raises: Iterable[type[BaseException]] = BUILTIN_EXCEPTIONS,
        pickle: bool = False,
        **options: Any,
    ) -> None:
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        self._max_workers = max_workers or os.cpu_count() or 1
        self._state = _State(fleet or default_fleet(), self._max_workers, tuple(raises), pickle, options)
        self._finalizer = weakref.finalize(self, self._state.shut)
        self._finalizer.atexit = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Schedules one call. RuntimeError: after shutdown."""
        future: Future[T] = Future()
        if isinstance(fn, functools.partial):  # each call with its own: nothing is bound for others
            partial: functools.partial[T] = fn
            fn, args, kwargs = partial.func, (*partial.args, *args), {**partial.keywords, **kwargs}
        self._state.submit(_Work(future, fn, [list(args), kwargs]))
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: Optional[float] = None,
        chunksize: int = 1,
        buffersize: Optional[int] = None,
    ) -> Iterator[T]:
        """As Executor.map. chunksize is accepted: items travel in batches anyway. buffersize: at most so many calls whose
        results were not taken; None: all of the input is read at once (`fanmap.map` never does that)."""
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        end = None if timeout is None else time.monotonic() + timeout
        calls = zip(*iterables)
        futures = collections.deque(self.submit(fn, *args) for args in itertools.islice(calls, buffersize))
        return _results(weakref.ref(self), fn, calls, futures, buffersize, end)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """No more calls. wait: until those under way have ended. cancel_futures: those that no worker has are cancelled."""
        self._state.shut(cancel_futures)
        if wait:
            self._state.join()


def _result(future: "Future[T]", end: Optional[float]) -> T:
    """Without a name that would keep the result alive."""
    try:
        return future.result(None if end is None else end - time.monotonic())
    finally:
        future.cancel()
        del future


def _results(
    executor: "weakref.ref[FanmapExecutor]",
    fn: Any,
    calls: Iterator[Any],
    futures: "collections.deque[Future[T]]",
    buffersize: Optional[int],
    end: Optional[float],
) -> Iterator[T]:
    try:
        while futures:
            mine = executor()
            if mine is not None and buffersize is not None:
                futures.extend(mine.submit(fn, *args) for args in itertools.islice(calls, 1))
            del mine
            yield _result(futures.popleft(), end)
    finally:
        for future in futures:
            future.cancel()
