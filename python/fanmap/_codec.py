"""Values as msgpack, and back.

None, bool, int of 64 bits (signed or unsigned), float, str, bytes, list, dict with any key, datetime with a time zone (the
timestamp extension). A tuple goes out as a list. A dataclass instance or a pydantic model goes out as the dict of its
fields. What cannot be sent raises ValueError or TypeError with the reason.
"""

from __future__ import annotations

import dataclasses
import datetime as _datetime
import struct
from collections.abc import Iterator
from typing import Any, Callable, NamedTuple, Optional

__all__ = ["Ext", "NotAValue", "pack", "unpack", "unpack_many"]

DEPTH_MAX = 128
PICKLE_CODE = 80
TIMESTAMP_CODE = -1
_EPOCH = _datetime.datetime(1970, 1, 1, tzinfo=_datetime.timezone.utc)

Default = Optional[Callable[[Any], Any]]


class NotAValue(TypeError):
    """An object that fanmap cannot carry."""


class Ext(NamedTuple):
    """A msgpack extension other than the timestamp."""

    code: int
    data: bytes


# ---- out ----

_SMALL = {i: struct.pack("b", i) for i in range(-32, 128)}
_B = struct.Struct(">BB").pack
_H = struct.Struct(">BH").pack
_I = struct.Struct(">BI").pack
_Q = struct.Struct(">BQ").pack
_b = struct.Struct(">Bb").pack
_h = struct.Struct(">Bh").pack
_i = struct.Struct(">Bi").pack
_q = struct.Struct(">Bq").pack
_d = struct.Struct(">Bd").pack


def _pack_int(x: int) -> bytes:
    if x >= 0:
        if x < 0x100:
            return _SMALL[x] if x < 0x80 else _B(0xCC, x)
        if x < 0x10000:
            return _H(0xCD, x)
        if x < 0x100000000:
            return _I(0xCE, x)
        if x < 0x10000000000000000:
            return _Q(0xCF, x)
    elif x >= -0x80:
        return _SMALL[x] if x >= -32 else _b(0xD0, x)
    elif x >= -0x8000:
        return _h(0xD1, x)
    elif x >= -0x80000000:
        return _i(0xD2, x)
    elif x >= -0x8000000000000000:
        return _q(0xD3, x)
    raise NotAValue(f"an int over 64 bits ({x.bit_length()}): send it as a str")


def _head(n: int, fix: int, fix_max: int, codes: tuple[int, int, int]) -> bytes:
    if n <= fix_max:
        return bytes((fix | n,))
    if n < 0x100 and codes[0]:
        return _B(codes[0], n)
    if n < 0x10000:
        return _H(codes[1], n)
    return _I(codes[2], n)


def _pack_str(x: str) -> bytes:
    text = x.encode("utf-8", "surrogateescape")
    return _head(len(text), 0xA0, 31, (0xD9, 0xDA, 0xDB)) + text


def _pack_bytes(x: Any) -> bytes:
    data = bytes(x)
    return _head(len(data), 0, -1, (0xC4, 0xC5, 0xC6)) + data


def _pack_ext(code: int, data: bytes) -> bytes:
    fixed = {1: 0xD4, 2: 0xD5, 4: 0xD6, 8: 0xD7, 16: 0xD8}.get(len(data))
    head = bytes((fixed,)) if fixed else _head(len(data), 0, -1, (0xC7, 0xC8, 0xC9))
    return head + struct.pack("b", code) + data


def _pack_datetime(x: _datetime.datetime) -> bytes:
    if x.tzinfo is None:
        raise NotAValue("a datetime without a time zone: which moment it is nobody can say elsewhere")
    span = x - _EPOCH
    seconds, nanos = span.days * 86400 + span.seconds, span.microseconds * 1000
    if 0 <= seconds < 1 << 34:
        both = nanos << 34 | seconds
        return _pack_ext(TIMESTAMP_CODE, struct.pack(">I", both) if both < 1 << 32 else struct.pack(">Q", both))
    return _pack_ext(TIMESTAMP_CODE, struct.pack(">Iq", nanos, seconds))


def _pack_other(out: list[bytes], x: Any, default: Default, depth: int) -> None:
    """What is of no type that has a packer of its own: subclasses, dataclasses, models, and what `default` makes."""
    if isinstance(x, int):
        out.append(_pack_int(int(x)))
    elif isinstance(x, float):
        out.append(_d(0xCB, x))
    elif isinstance(x, str):
        out.append(_pack_str(str.__str__(x)))
    elif isinstance(x, (bytes, bytearray, memoryview)):
        out.append(_pack_bytes(x))
    elif isinstance(x, _datetime.datetime):
        out.append(_pack_datetime(x))
    elif isinstance(x, Ext):
        out.append(_pack_ext(x.code, x.data))
    elif isinstance(x, (list, tuple)) and default is None:
        _pack_list(out, x, default, depth)
    elif isinstance(x, dict):
        _pack_dict(out, x, default, depth)
    elif callable(getattr(type(x), "model_dump", None)):
        _pack_model(out, x, default, depth)
    elif dataclasses.is_dataclass(x) and not isinstance(x, type):
        fields = {f.name: getattr(x, f.name) for f in dataclasses.fields(x)}
        _pack_dict(out, fields, default, depth)
    elif default is not None:
        _pack_into(out, default(x), None, depth + 1)
    else:
        raise NotAValue(f"{type(x).__qualname__} is no value that fanmap carries: want what msgpack has{_hint(x)}")


def _pack_model(out: list[bytes], model: Any, default: Default, depth: int) -> None:
    """The fields; where one of them is no value (a UUID, a Decimal, a set), all as the model has them in JSON."""
    at = len(out)
    try:
        _pack_into(out, model.model_dump(), default, depth + 1)
    except NotAValue:
        del out[at:]
        _pack_into(out, model.model_dump(mode="json"), default, depth + 1)


def _hint(x: Any) -> str:
    if hasattr(x, "__next__"):
        return "; a generator or iterator is not a value: return a list of what it gives"
    if hasattr(x, "tolist"):
        return "; of an array or a number of another library send x.tolist()"
    if isinstance(x, (set, frozenset)):
        return "; of a set send a list"
    return "; or ask for pickle=True"


def _pack_list(out: list[bytes], x: Any, default: Default, depth: int) -> None:
    out.append(_head(len(x), 0x90, 15, (0, 0xDC, 0xDD)))
    for v in x:
        _pack_into(out, v, default, depth + 1)


def _pack_dict(out: list[bytes], x: dict[Any, Any], default: Default, depth: int) -> None:
    out.append(_head(len(x), 0x80, 15, (0, 0xDE, 0xDF)))
    for k, v in x.items():
        _pack_into(out, k, default, depth + 1)
        _pack_into(out, v, default, depth + 1)


_SIMPLE: dict[type, Callable[[Any], bytes]] = {
    int: _pack_int,
    str: _pack_str,
    float: lambda x: _d(0xCB, x),
    bool: lambda x: b"\xc3" if x else b"\xc2",
    type(None): lambda x: b"\xc0",
    bytes: _pack_bytes,
}


def _pack_into(out: list[bytes], x: Any, default: Default, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise NotAValue(f"deeper than {DEPTH_MAX} lists and dicts inside each other")
    kind = type(x)
    simple = _SIMPLE.get(kind)
    if simple is not None:
        out.append(simple(x))
    elif kind is list or (kind is tuple and default is None):
        _pack_list(out, x, default, depth)
    elif kind is dict:
        _pack_dict(out, x, default, depth)
    else:
        _pack_other(out, x, default, depth)


def pack(x: Any, default: Default = None) -> bytes:
    """One msgpack object. `default` makes a value of what has no form of its own."""
    simple = _SIMPLE.get(type(x))
    if simple is not None:
        return simple(x)
    out: list[bytes] = []
    _pack_into(out, x, default, 0)
    return b"".join(out)


def pickled(x: Any) -> Ext:
    """As `default`: what msgpack lacks goes as a pickle, a tuple or a subclass of list too.

    Reading one runs what it says: for peers that one trusts."""
    import pickle

    return Ext(PICKLE_CODE, pickle.dumps(x, protocol=4))


# ---- in ----

_NUMBERS = {
    0xCA: struct.Struct(">f"),
    0xCB: struct.Struct(">d"),
    0xCC: struct.Struct(">B"),
    0xCD: struct.Struct(">H"),
    0xCE: struct.Struct(">I"),
    0xCF: struct.Struct(">Q"),
    0xD0: struct.Struct(">b"),
    0xD1: struct.Struct(">h"),
    0xD2: struct.Struct(">i"),
    0xD3: struct.Struct(">q"),
}
_U8, _U16, _U32 = struct.Struct(">B"), struct.Struct(">H"), struct.Struct(">I")
_LENGTHS = {
    0xC4: _U8, 0xC5: _U16, 0xC6: _U32, 0xC7: _U8, 0xC8: _U16, 0xC9: _U32,
    0xD9: _U8, 0xDA: _U16, 0xDB: _U32, 0xDC: _U16, 0xDD: _U32, 0xDE: _U16, 0xDF: _U32,
}  # fmt: skip
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


def _hashable(key: Any) -> Any:
    if isinstance(key, list):
        return tuple(_hashable(k) for k in key)
    return tuple(key.items()) if isinstance(key, dict) else key


def _timestamp(data: bytes) -> _datetime.datetime:
    if len(data) == 4:
        seconds, nanos = struct.unpack(">I", data)[0], 0
    elif len(data) == 8:
        both = struct.unpack(">Q", data)[0]
        seconds, nanos = both & ((1 << 34) - 1), both >> 34
    else:
        nanos, seconds = struct.unpack(">Iq", data)
    return _EPOCH + _datetime.timedelta(seconds=seconds, microseconds=nanos // 1000)


class _Reader:
    __slots__ = ("at", "data", "trust")

    def __init__(self, data: bytes, trust: bool) -> None:
        self.data, self.at, self.trust = data, 0, trust

    def take(self, n: int) -> bytes:
        at = self.at
        self.at = at + n
        if self.at > len(self.data):
            raise ValueError("a msgpack object that is cut off")
        return self.data[at : at + n]

    def array(self) -> int:
        """The length of the array that begins here."""
        code = self.data[self.at]
        self.at += 1
        if 0x90 <= code < 0xA0:
            return code & 15
        if code not in (0xDC, 0xDD):
            raise ValueError(f"byte {code:#x} begins no array")
        form = _LENGTHS[code]
        return int(form.unpack(self.take(form.size))[0])

    def list(self, n: int) -> list[Any]:
        return [self.value() for _ in range(n)]

    def values(self, n: int) -> Iterator[Any]:
        for _ in range(n):
            yield self.value()

    def dict(self, n: int) -> dict[Any, Any]:
        got = {}
        for _ in range(n):
            key = self.value()
            got[key if type(key) is str else _hashable(key)] = self.value()
        return got

    def ext(self, n: int) -> Any:
        code = struct.unpack("b", self.take(1))[0]
        data = self.take(n)
        if code == TIMESTAMP_CODE and n in (4, 8, 12):
            return _timestamp(data)
        if code == PICKLE_CODE and self.trust:
            import pickle

            return pickle.loads(data)
        return Ext(code, data)

    def value(self) -> Any:
        at = self.at
        code = self.data[at]
        self.at = at + 1
        if code < 0x80:
            return code
        if code >= 0xE0:
            return code - 0x100
        if code < 0x90:
            return self.dict(code & 15)
        if code < 0xA0:
            return self.list(code & 15)
        if code < 0xC0:
            return self.take(code & 31).decode("utf-8", "surrogateescape")
        number = _NUMBERS.get(code)
        if number is not None:
            self.at = at + 1 + number.size
            return number.unpack_from(self.data, at + 1)[0]
        return self.long(code)

    def long(self, code: int) -> Any:
        if code in _CONSTANTS:
            return _CONSTANTS[code]
        if 0xD4 <= code <= 0xD8:
            return self.ext(1 << (code - 0xD4))
        form = _LENGTHS.get(code)
        if form is None:
            raise ValueError(f"byte {code:#x} begins nothing in msgpack")
        n = form.unpack(self.take(form.size))[0]
        if code <= 0xC6:
            return self.take(n)
        if code <= 0xC9:
            return self.ext(n)
        if code <= 0xDB:
            return self.take(n).decode("utf-8", "surrogateescape")
        return self.list(n) if code <= 0xDD else self.dict(n)


def reader(data: bytes, trust: bool = False) -> _Reader:
    """For who reads objects one by one."""
    return _Reader(data, trust)


def unpack(data: bytes, trust: bool = False) -> Any:
    """The one object that `data` is. `trust`: pickles in it are loaded, which runs what they say."""
    reader = _Reader(data, trust)
    try:
        value = reader.value()
    except (IndexError, struct.error):
        raise ValueError("a msgpack object that is cut off") from None
    if reader.at != len(data):
        raise ValueError("bytes behind a msgpack object")
    return value


def unpack_many(data: bytes, n: int, trust: bool = False) -> Iterator[Any]:
    """The `n` objects that stand one behind the other in `data`."""
    reader = _Reader(data, trust)
    value = reader.value
    return (value() for _ in range(n))
