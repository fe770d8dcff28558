"""Python's arguments as the library's options: the same names, with underscores."""

from __future__ import annotations

import base64
import datetime
import json
import math
from collections.abc import Mapping
from typing import Any, Union

Duration = Union[float, int, str, datetime.timedelta]

# What these take, where it is a number: seconds.
_DURATIONS = {
    "timeout",
    "deadline",
    "grace",
    "delay",
    "lease",
    "connect_timeout",
    "close_timeout",
    "retention",
    "cpu_time",
    "within",
    "start_timeout",
    "drain",
}


def duration(value: Duration, what: str) -> str:
    """A text with a unit is taken as it is; a number is seconds."""
    if isinstance(value, str):
        return value
    seconds = value.total_seconds() if isinstance(value, datetime.timedelta) else float(value)
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{what}: want seconds from 0 on, not {seconds}; None is no limit")
    return f"{max(1, round(seconds * 1000)) if seconds else 0}ms"


def _plain(value: Any, name: str) -> Any:
    """As JSON lines have it: bytes as {"$binary": ...}, a dict that could be taken for such as {"$value": ...}."""
    if isinstance(value, (bytes, bytearray)):
        return {"$binary": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [_plain(v, name) for v in value]
    if isinstance(value, Mapping):
        if not all(isinstance(k, str) for k in value):
            raise TypeError(f"bind {name}: a key that is no str")
        plain = {k: _plain(v, name) for k, v in value.items()}
        return {"$value": plain} if set(plain) in ({"$binary"}, {"$value"}, {"$error"}) else plain
    return value


def bind(name: str, value: Any) -> str:
    """NAME=JSON. Bound arguments are what JSON has, and bytes."""
    try:
        return f"{name}={json.dumps(_plain(value, name), allow_nan=False, ensure_ascii=False, separators=(',', ':'))}"
    except (TypeError, ValueError) as e:
        raise TypeError(f"bind {name}: a bound argument is what JSON has, or bytes: {e}") from None


def pairs(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """None is left out; True and False are switches; of a list each value counts."""
    out: list[tuple[str, str]] = []
    for name, value in options.items():
        key = name.replace("_", "-")
        if value is None:
            continue
        if name == "backoff":
            parts = value if isinstance(value, (list, tuple)) else [value]
            texts = [duration(p, name) if i != 1 else str(p) for i, p in enumerate(parts)]
            out.append((key, ",".join(texts)))
        elif name in _DURATIONS:
            out.append((key, duration(value, name)))
        elif isinstance(value, bool):
            out.append((key, "true" if value else "false"))
        elif isinstance(value, (list, tuple)):
            out += [(key, str(v)) for v in value]
        else:
            out.append((key, str(value)))
    return out
