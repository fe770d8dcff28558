"""What can go wrong, as exceptions.

FanmapError is the base of all but TaskError's own kind of failure: TaskError is an item's, FanmapError a job's or a
connection's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Optional

__all__ = ["Cancelled", "Fail", "FanmapError", "JobStopped", "LibraryError", "TaskError", "fail"]

_CHAINS = (
    "\nThe above exception was the direct cause of the following exception:\n",
    "\nDuring handling of the above exception, another exception occurred:\n",
)
_HEAD = "Traceback (most recent call last):"
_GROUP = "  + Exception Group Traceback (most recent call last):"


class FanmapError(Exception):
    """A job or a connection failed. `code` is the library's (FANMAP_E...), negative; 0 where the library was not asked."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class JobStopped(FanmapError):
    """The list ends early: the job was cancelled, its deadline passed, or its halt condition held."""


class LibraryError(FanmapError):
    """libfanmap cannot be loaded, or is not of this package's version."""


class TaskError(Exception):
    """An item failed. It is made of what the item's error says and never of unpickled classes.

    index:        the item's place in the input, from 0
    kind:         "exception", "timeout", "exit", "signal", "memory", "crashed", "bad_input", "too_large", ...
    type:         the class of the exception, as "ValueError" or "my.module.Error"; "" for kinds other than "exception"
    message:      what it says
    traceback:    the text of the traceback in the task's process; "" where there is none
    stderr:       the last of what the attempt wrote there, at most 4 KiB, with the traceback behind it
    attempts:     how often it was tried
    exit_status:  of kind "exit", else 0
    signal:       of kind "signal", else 0
    """

    def __init__(self, index: int, attempts: int, error: Mapping[str, Any]) -> None:
        self.index = index
        self.attempts = attempts
        self.kind: str = error.get("kind", "")
        self.type: str = error.get("type", "")
        self.message: str = error.get("message", "")
        self.stderr: str = error.get("stderr", "")
        self.exit_status: int = error.get("exit_status", 0)
        self.signal: int = error.get("signal", 0)
        super().__init__(index, attempts, dict(error))

    def __str__(self) -> str:
        what = f"{self.type}: {self.message}" if self.type else f"{self.kind}: {self.message}"
        tries = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        text = f"item {self.index}{tries}: {what}"
        return f"{text}\n\n{self.traceback}" if self.traceback else text

    @property
    def traceback(self) -> str:
        lines = self.stderr.split("\n")
        starts = [i for i, line in enumerate(lines) if line in (_HEAD, _GROUP)]
        if not starts:
            return ""
        first = starts.pop()
        while starts and any(chain in "\n".join(lines[starts[-1] : first]) + "\n" for chain in _CHAINS):
            first = starts.pop()
        return "\n".join(lines[first:]).rstrip()

    def original(self, listed: Iterable[type[BaseException]]) -> Optional[BaseException]:
        """An exception of the class that was raised in the task, if that class is one of `listed`; else None."""
        for cls in listed:
            if self.type in (cls.__qualname__, f"{cls.__module__}.{cls.__qualname__}"):
                try:
                    return cls(self.message)
                except Exception:  # a class with other arguments: the TaskError says it all
                    return None
        return None


class Cancelled(BaseException):
    """Raised inside a task whose attempt has to stop: its timeout passed, or its job was cancelled."""


class Fail(Exception):
    """What `fail` raises."""

    def __init__(self, message: str, final: bool) -> None:
        super().__init__(message)
        self.final = final


def fail(message: str, final: bool = True) -> None:
    """Ends the attempt with an error. `final`: trying again does not help, whatever retries remain. Always raises."""
    raise Fail(message, final)
