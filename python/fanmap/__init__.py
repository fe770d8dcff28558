"""fanmap: map() over a fleet. One task, many inputs, results in input order, exceptions in their places.

    import fanmap

    @fanmap.task
    def square(x: int) -> int:
        return x * x

    for y in fanmap.map(square, range(1000), concurrency=50):
        print(y)

Without further ado that runs in processes on this machine; with FANMAP_BROKERS and FANMAP_REDIS in the environment on the
workers of a fleet, which `python -m fanmap worker MODULE` starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._codec import Ext
from ._errors import Cancelled, Fail, FanmapError, JobStopped, LibraryError, TaskError, fail
from ._task import Context, Record, Task, context, task
from ._version import __version__

if TYPE_CHECKING:
    from ._fleet import Fleet
    from ._job import Job, JobStats, Outcome
    from ._map import as_completed, gather, map, starmap, submit
    from .executor import FanmapExecutor

__all__ = [
    "Cancelled",
    "Context",
    "Ext",
    "Fail",
    "FanmapError",
    "FanmapExecutor",
    "Fleet",
    "Job",
    "JobStats",
    "JobStopped",
    "LibraryError",
    "Outcome",
    "Record",
    "Task",
    "TaskError",
    "__version__",
    "as_completed",
    "context",
    "fail",
    "gather",
    "map",
    "starmap",
    "submit",
    "task",
]

# A slot needs none of these: it starts faster without them.
_LATER = {
    "Fleet": "_fleet",
    "Job": "_job",
    "JobStats": "_job",
    "Outcome": "_job",
    "as_completed": "_map",
    "gather": "_map",
    "map": "_map",
    "starmap": "_map",
    "submit": "_map",
    "FanmapExecutor": "executor",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'fanmap' has no attribute {name!r}")
    if name in ("map", "starmap", "as_completed", "gather", "submit"):
        from ._slot import check_not_loading

        check_not_loading()
    import importlib

    value = getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
