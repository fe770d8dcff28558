"""Where maps run: a fleet that is reached through Kafka and Redis, or this machine alone.

A connection of the library belongs to one thread at a time. Each thread has connections of its own, which live on between
maps, so that a thousand maps in a row start the slots once. An embedded connection has as many slots as a map asks for;
maps that ask for another number get another connection, and the one that idles longest is closed.
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
        self.loop_use: Any = None  # who reads the descriptor on a running asyncio loop
        handle = ctypes.c_void_p()
        options = self.lib.options(pairs, load)
        try:
            self.lib.call(self.lib.c.fanmap_open, options, _library.log_callback, None, ctypes.byref(handle))
        finally:
            self.lib.c.fanmap_options_free(options)
        self.handle = handle
        self.fd: int = self.lib.c.fanmap_fd(handle)
        self.poll = select.poll()
        self.poll.register(self.fd, select.POLLIN)
        _open_connections.add(self)

    def close(self) -> None:
        """Ends its jobs and, embedded, its slots. Again: nothing. In a forked child it only forgets."""
        for job in list(getattr(self, "jobs", ())):
            job._orphan()
        handle, self.handle = getattr(self, "handle", None), None  # type: ignore[assignment]
        if handle is not None and self.pid == os.getpid():
            with self.lock:
                self.lib.c.fanmap_close(handle)

    __del__ = close

    def wait(self, timeout_s: Optional[float] = None) -> None:
        """Until the library has something to do, or for so long."""
        timeout_ms = None if timeout_s is None else max(0.0, timeout_s * 1000)
        self.waiting += 1
        try:
            if self.waiting > 1:  # another thread's turn may take what woke us
                timeout_ms = min(timeout_ms, 10.0) if timeout_ms is not None else 10.0
            self.poll.poll(timeout_ms)
        finally:
            self.waiting -= 1

    def care(self, mine: Any) -> None:
        """Feeds the jobs that nobody asks just now; what they have to say would keep the descriptor readable."""
        if len(self.jobs) > 1:
            for job in list(self.jobs):
                if job is not mine:
                    job._between()

    def wake(self) -> None:
        if self.handle is not None:
            self.lib.c.fanmap_wake(self.handle)


_open_connections: "weakref.WeakSet[Connection]" = weakref.WeakSet()


def _close_all() -> None:
    for connection in list(_open_connections):
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
