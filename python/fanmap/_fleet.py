"""Where maps run: a fleet that is reached through Kafka and Redis, or this machine alone.

A connection of the library belongs to one thread at a time. Each thread has connections of its own, which live on between
maps, so that a thousand maps in a row start the slots once. An embedded connection has as many slots as a map asks for;
maps that ask for another number get another connection, and the one that idles longest is closed.

What threads share, and what guards it, with the interpreter's lock or without one: a connection, once a job of it went to
another thread, by its `lock` (its handle, `jobs`, `waiting`); the set of all connections by `_connections_lock`; an
executor's queues by its state's lock. A job, and with it its input and batch, belongs to one thread at a time.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import select
import shlex
import subprocess
import sys
import threading
import weakref
from typing import Any, Optional

from . import _library, _options

__all__ = ["Connection", "Fleet", "default_fleet"]

SLOTS_MAX = 256
IDLE_MAX = 2

_SLOT_CODE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from fanmap._slot import main; main()"


def _slot_command() -> str:
    """The program of an embedded slot: this interpreter, with its flags."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return " ".join(shlex.quote(word) for word in [sys.executable, *flags, "-c", _SLOT_CODE, package])


class Connection:
    """One fanmap_t. Calls are made under `lock`; waiting is not."""

    def __init__(self, pairs: list[tuple[str, str]], load: bool) -> None:
        self.lib = _library.library()
        self.lock = threading.RLock()
        self.pid = os.getpid()
        self.jobs: "weakref.WeakSet[Any]" = weakref.WeakSet()  # those that are open
        self.waiting = 0
        self.turns = 0  # of its jobs, under way; `close` waits for their end
        self.closes = False
        self.loop_use: Any = None  # who reads the descriptor on a running asyncio loop
        handle = ctypes.c_void_p()
        options = self.lib.options(pairs, load)
        self._log_from, to = os.pipe()
        os.set_blocking(self._log_from, False)
        os.set_blocking(to, False)
        self._log_to = ctypes.c_int(to)
        log = ctypes.cast(self.lib.c.fanmap_log_to_fd, ctypes.c_void_p)
        try:
            self.lib.call(self.lib.c.fanmap_open, options, log, ctypes.byref(self._log_to), ctypes.byref(handle))
        except BaseException:
            self._close_log()
            raise
        finally:
            self.lib.c.fanmap_options_free(options)
        self.handle = handle
        self.fd: int = self.lib.c.fanmap_fd(handle)
        self.poll = select.poll()
        self.poll.register(self.fd, select.POLLIN)
        with _connections_lock:
            _open_connections.add(self)

    def close(self) -> None:
        """Ends its jobs and, embedded, its slots. Again: nothing. In a forked child it only forgets."""
        handle = getattr(self, "handle", None)
        if handle is None:
            return
        with self.lock:
            if self.turns and self.pid == os.getpid():
                self.closes = True
                return
            for job in list(self.jobs):
                job._orphan()
            self.handle = None  # type: ignore[assignment]
            try:
                if self.pid == os.getpid():
                    self.lib.c.fanmap_close(handle)
                    self.tell_log()
            finally:
                self._close_log()

    __del__ = close

    def _close_log(self) -> None:
        os.close(self._log_from)
        os.close(self._log_to.value)

    def tell_log(self) -> None:
        """Passes on what the library had to say. Nothing of ours runs within its calls: an interrupt would be lost there."""
        if self.pid == os.getpid():
            try:
                _library.tell_log(os.read(self._log_from, 1 << 20))
            except BlockingIOError:
                pass

    def wait(self, timeout_s: Optional[float] = None) -> None:
        """Until the library has something to do, or for so long."""
        timeout_ms = None if timeout_s is None else max(0.0, timeout_s * 1000)
        with self.lock:
            self.waiting += 1
            is_alone = self.waiting == 1
        try:
            if not is_alone:  # another thread's turn may take what woke us
                timeout_ms = min(timeout_ms, 10.0) if timeout_ms is not None else 10.0
            self.poll.poll(timeout_ms)
        finally:
            with self.lock:
                self.waiting -= 1
                if self.handle is not None:
                    self.tell_log()

    def care(self, mine: Any) -> None:
        """Feeds the jobs that nobody asks just now; what they have to say would keep the descriptor readable."""
        if len(self.jobs) > 1:
            with self.lock:
                others = [job for job in self.jobs if job is not mine]
            for job in others:
                job._between()

    def wake(self) -> None:
        """From any thread."""
        with self.lock:
            if self.handle is not None:
                self.lib.c.fanmap_wake(self.handle)


_connections_lock = threading.Lock()
_open_connections: "weakref.WeakSet[Connection]" = weakref.WeakSet()


def _after_fork() -> None:
    """In the child: whoever held a lock is not there."""
    global _connections_lock
    _connections_lock = threading.Lock()
    for connection in _open_connections:
        connection.lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)


def _close_all() -> None:
    with _connections_lock:
        connections = list(_open_connections)
    for connection in connections:
        connection.close()


atexit.register(_close_all)


class _Threads(threading.local):
    def __init__(self) -> None:
        self.pid = os.getpid()
        self.connections: dict[int, Connection] = {}


class Fleet:
    """Where maps run.

    brokers, redis, namespace:  of Kafka and Redis, as on the command line
    local:     True: this machine alone, without Kafka and Redis. Without it and without brokers, FANMAP_BROKERS and
               ~/.config/fanmap.conf decide; where they name none, it is this machine
    slots:     local only: how many processes; otherwise as many as a map's concurrency, or the processors
    options:   any other of `fanmap map --help`, with underscores; `config` is a file in place of the usual one

    FanmapError: an option is wrong. That a broker cannot be reached is said by the maps.
    """

    def __init__(
        self,
        brokers: Optional[str] = None,
        redis: Optional[str] = None,
        namespace: Optional[str] = None,
        *,
        local: Optional[bool] = None,
        slots: Optional[int] = None,
        **options: Any,
    ) -> None:
        if local and brokers:
            raise ValueError("a fleet is local, or has brokers")
        given = {"brokers": brokers, "redis": redis, "namespace": namespace, **options}
        self._pairs = _options.pairs(given)
        self._slots = slots
        lib = _library.library()
        loaded = lib.options(self._pairs, True)
        try:
            named: Optional[bytes] = lib.c.fanmap_options_get(loaded, b"brokers", 0)
            asked: Optional[bytes] = lib.c.fanmap_options_get(loaded, b"slots", 0)
        finally:
            lib.c.fanmap_options_free(loaded)
        self.is_local: bool = local if local is not None else not named
        self._brokers = None if self.is_local else (named or b"").decode()
        if not self.is_local and not named:
            raise ValueError("a fleet that is not local needs brokers: Fleet(brokers=...) or FANMAP_BROKERS")
        if slots is None and asked:
            self._slots = int(asked)
        self._threads = _Threads()

    def __repr__(self) -> str:
        return f"<fanmap.Fleet on {self._brokers or 'this machine'}>"

    def _slots_for(self, concurrency: int) -> int:
        if not self.is_local:
            return 0
        if self._slots:
            return self._slots
        return min(concurrency, SLOTS_MAX) if concurrency else os.cpu_count() or 1

    def _connection(self, concurrency: int) -> Connection:
        threads = self._threads
        if threads.pid != os.getpid():  # a fork: those of the parent are not ours
            threads.__init__()  # type: ignore[misc]
        slots = self._slots_for(concurrency)
        connection = threads.connections.pop(slots, None)
        if connection is None or connection.handle is None:
            connection = self._open(slots)
        threads.connections[slots] = connection  # the newest stands last
        idle = [k for k, c in threads.connections.items() if not len(c.jobs) and k != slots]
        for k in idle[:-IDLE_MAX]:
            threads.connections.pop(k).close()
        return connection

    def _open(self, slots: int) -> Connection:
        if not self.is_local:
            return Connection(self._pairs, True)
        fixed = [
            ("local", "true"),
            ("slots", str(slots)),
            ("serve", f"call={_slot_command()}"),
            ("task-log", "true"),
            ("ahead", "16384"),
        ]
        return Connection([p for p in self._pairs if p[0] != "brokers"] + fixed, True)

    def close(self) -> None:
        """Closes this thread's connections: its jobs are cancelled, local slots end."""
        for connection in self._threads.connections.values():
            connection.close()
        self._threads.connections.clear()

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


_default: Optional[Fleet] = None
_default_environment: tuple[Optional[str], ...] = ()


def default_fleet() -> Fleet:
    """That of the environment and the configuration file; this machine where they name no brokers."""
    global _default, _default_environment
    environment = tuple(os.environ.get(f"FANMAP_{n}") for n in ("BROKERS", "REDIS", "NAMESPACE", "SLOTS"))
    if _default is None or environment != _default_environment:
        _default, _default_environment = Fleet(), environment
    return _default
