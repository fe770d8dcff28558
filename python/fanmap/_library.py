"""libfanmap by ctypes: loaded once, with the package's own version checked.

Where it is looked for: FANMAP_LIBRARY, the wheel's own copy, a build tree beside the sources, then the system's loader.
"""

from __future__ import annotations

import ctypes
import logging
import os
from ctypes import (
    POINTER,
    Structure,
    byref,
    c_bool,
    c_char,
    c_char_p,
    c_int,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any, NoReturn, Optional

from ._errors import FanmapError, JobStopped, LibraryError
from ._version import __version__

__all__ = ["AGAIN", "END", "OK", "Batch", "Library", "Stats", "library", "program_path"]

OK, AGAIN, END = 0, 1, 2
ENOMEM, ESTOPPED, EIO = -2, -7, -8
MSGPACK, WRAPPED = 0, 4

_log = logging.getLogger("fanmap")
_HERE = os.path.dirname(os.path.abspath(__file__))
_LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)


class Error(Structure):
    _fields_ = [("code", c_int), ("retry_may_help", c_bool), ("message", c_char * 504)]


class Batch(Structure):
    _fields_ = [
        ("n", c_size_t),
        ("indexes", POINTER(c_uint64)),
        ("attempts", POINTER(c_uint32)),
        ("kinds", c_void_p),
        ("lens", POINTER(c_uint32)),
        ("bytes", c_void_p),
        ("bytes_len", c_size_t),
    ]


class Stats(Structure):
    _fields_ = [
        ("published", c_uint64),
        ("known", c_uint64),
        ("delivered", c_uint64),
        ("failed", c_uint64),
        ("retried", c_uint64),
        ("running", c_uint64),
        ("total", c_int64),
        ("paused", c_bool),
        ("input_ended", c_bool),
        ("done", c_bool),
    ]


def tell_log(lines: bytes) -> None:
    """What `fanmap_log_to_fd` wrote, to the logger `fanmap`."""
    for line in lines.split(b"\n")[:-1]:
        _log.log(_LEVELS[min(line[0] - ord("0"), 3)], "%s", line[1:].decode("utf-8", "replace"))


_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "fanmap_version": (c_char_p, []),
    "fanmap_options_new": (c_int, [POINTER(c_void_p)]),
    "fanmap_options_set": (c_int, [c_void_p, c_char_p, c_char_p, POINTER(Error)]),
    "fanmap_options_load": (c_int, [c_void_p, c_char_p, POINTER(Error)]),
    "fanmap_options_get": (c_char_p, [c_void_p, c_char_p, c_size_t]),
    "fanmap_options_free": (None, [c_void_p]),
    "fanmap_open": (c_int, [c_void_p, c_void_p, c_void_p, POINTER(c_void_p), POINTER(Error)]),
    "fanmap_close": (None, [c_void_p]),
    "fanmap_fd": (c_int, [c_void_p]),
    "fanmap_dispatch": (c_int, [c_void_p, c_uint32, POINTER(Error)]),
    "fanmap_wake": (None, [c_void_p]),
    "fanmap_map": (c_int, [c_void_p, c_char_p, c_void_p, POINTER(c_void_p), POINTER(Error)]),
    "fanmap_gather": (c_int, [c_void_p, c_char_p, c_void_p, POINTER(c_void_p), POINTER(Error)]),
    "fanmap_push_batch": (
        c_int,
        [c_void_p, c_int, c_char_p, c_void_p, c_size_t, POINTER(c_size_t), POINTER(Error)],
    ),
    "fanmap_end_input": (c_int, [c_void_p, c_char_p, POINTER(Error)]),
    "fanmap_next_batch": (c_int, [c_void_p, c_int, c_size_t, POINTER(POINTER(Batch)), POINTER(Error)]),
    "fanmap_position": (c_int, [c_void_p, POINTER(c_char_p), POINTER(Error)]),
    "fanmap_hold": (None, [c_void_p, c_bool]),
    "fanmap_job_id": (c_char_p, [c_void_p]),
    "fanmap_stats": (None, [c_void_p, POINTER(Stats), c_size_t]),
    "fanmap_job_close": (None, [c_void_p, c_bool]),
    "fanmap_kind_name": (c_char_p, [c_int]),
    "fanmap_control": (c_int, [c_void_p, c_char_p, c_char_p, c_char_p, c_int, POINTER(Error)]),
}


def raise_for(code: int, err: Error) -> NoReturn:
    if code == ENOMEM:
        raise MemoryError("libfanmap is out of memory")
    message = err.message.decode("utf-8", "replace")
    raise (JobStopped if code == ESTOPPED else FanmapError)(message, code)


def _candidates() -> list[str]:
    named = os.environ.get("FANMAP_LIBRARY")
    if named:
        return [named]
    beside = os.path.join(_HERE, "_native", "lib", "libfanmap.so.0")
    built = os.path.join(_HERE, "..", "..", "build", "libfanmap.so.0")
    return [p for p in (beside, built) if os.path.exists(p)] + ["libfanmap.so.0"]


def program_path() -> str:
    """The `fanmap` program that goes with this package."""
    for path in (os.path.join(_HERE, "_native", "bin", "fanmap"), os.path.join(_HERE, "..", "..", "build", "fanmap")):
        if os.path.exists(path):
            return path
    return "fanmap"


class Library:
    """The functions of libfanmap, with their types; FanmapError where one says that it failed."""

    def __init__(self) -> None:
        problems = []
        for path in _candidates():
            try:
                self.c, self.path = ctypes.CDLL(path), path
                break
            except OSError as e:
                problems.append(str(e))
        else:
            raise LibraryError("libfanmap cannot be loaded: " + "; ".join(problems))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(self.c, name, None)
            if function is None:
                raise LibraryError(f"{path} lacks {name}: it is older than this package, which is {__version__}")
            function.restype, function.argtypes = result, arguments
        version = self.c.fanmap_version().decode()
        if version != __version__:
            raise LibraryError(f"{path} is version {version}, this package is {__version__}: install what goes together")

    def call(self, function: Any, *arguments: Any) -> int:
        """Calls with an error as the last argument; returns OK, AGAIN or END, else raises."""
        err = Error()
        code: int = function(*arguments, byref(err))
        if code < 0:
            raise_for(code, err)
        return code

    def options(self, pairs: list[tuple[str, str]], load: bool) -> c_void_p:
        """An options object of these, and, with `load`, of the configuration file and the environment below them."""
        options = c_void_p()
        if self.c.fanmap_options_new(byref(options)) < 0:
            raise MemoryError("libfanmap is out of memory")
        try:
            for key, value in pairs:
                if "\0" in value:
                    raise ValueError(f"{key}: a NUL in {value!r:.80}")
                self.call(self.c.fanmap_options_set, options, key.encode(), value.encode("utf-8", "surrogateescape"))
            if load:
                self.call(self.c.fanmap_options_load, options, None)
        except BaseException:
            self.c.fanmap_options_free(options)
            raise
        return options


_library: Optional[Library] = None


def library() -> Library:
    global _library
    if _library is None:
        _library = Library()
    return _library
