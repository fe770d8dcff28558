"""Waiting for a connection's descriptor on a running asyncio loop, without a thread."""

from __future__ import annotations

import asyncio
from typing import Any

from ._fleet import Connection


class _Reader:
    """The one reader of a connection on its loop, for as long as it has jobs that are iterated there. Jobs that nobody
    awaits just now are fed by it."""

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        self.connection, self.loop = connection, loop
        self.jobs: set[str] = set()
        self.waiters: dict[str, asyncio.Future[None]] = {}
        self.fd = connection.fd

    def on_readable(self) -> None:
        for waiter in self.waiters.values():
            if not waiter.done():
                waiter.set_result(None)
        for job in list(self.connection.jobs):
            if job.id not in self.waiters:
                job._between()

    async def wait(self, job: Any) -> None:
        if not self.jobs:
            self.loop.add_reader(self.fd, self.on_readable)
        self.jobs.add(job.id)
        waiter = self.waiters[job.id] = self.loop.create_future()
        try:
            await waiter
        finally:
            self.waiters.pop(job.id, None)

    def leave(self, job: Any) -> None:
        self.jobs.discard(job.id)
        if not self.jobs and not self.loop.is_closed():
            self.loop.remove_reader(self.fd)


async def readable(job: Any) -> None:
    """Until the library has something to do. What it is, the caller's next turn finds."""
    loop = asyncio.get_running_loop()
    reader: Any = job._connection.loop_use
    if reader is None or reader.loop is not loop:
        reader = job._connection.loop_use = _Reader(job._connection, loop)
    await reader.wait(job)


async def pause() -> None:
    """Lets others run."""
    await asyncio.sleep(0)
