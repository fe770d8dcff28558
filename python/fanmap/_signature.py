"""What a function takes: its parameters, what they are annotated with, and how a dict becomes what an annotation asks for.

A name in an annotation may be there for type checkers only. Then that annotation says nothing, and the others hold.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from typing import Any, Callable, Optional, Union

if sys.version_info >= (3, 14):
    import annotationlib

__all__ = ["hints", "maker", "signature"]

Maker = Optional[Callable[[Any], Any]]


def signature(function: Callable[..., Any]) -> inspect.Signature:
    """TypeError, ValueError: a builtin that does not say."""
    if sys.version_info >= (3, 14):
        return inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(function)


def _annotations(function: Any) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        return dict(annotationlib.get_annotations(function, format=annotationlib.Format.FORWARDREF))
    return dict(getattr(function, "__annotations__", None) or {})


def hints(function: Any) -> dict[str, Any]:
    """The annotations that can be found out, by the names of the parameters."""
    try:
        return typing.get_type_hints(function)
    except Exception:  # one of them cannot be: each by itself
        pass
    inner = inspect.unwrap(function)
    found: dict[str, Any] = {}

    def one() -> None: ...

    try:
        named = _annotations(inner)
    except Exception:
        return {}
    for name, annotation in named.items():
        one.__annotations__ = {name: annotation}
        try:
            found.update(typing.get_type_hints(one, getattr(inner, "__globals__", {})))
        except Exception:
            continue
    return found


# ---- a dict that was an object ----


def maker(hint: Any) -> Maker:
    """A function that makes of a value what `hint` asks for: of a dict a dataclass or a model of pydantic's, also within lists,
    dicts, Optional and other dataclasses. None: values of that kind are as they came."""
    return _maker(hint, {})


def _maker(hint: Any, known: dict[Any, Maker]) -> Maker:
    """known: dataclasses whose maker is being made, which may refer to themselves."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is list and len(arguments) == 1:
        return _of_list(_maker(arguments[0], known))
    if origin is dict and len(arguments) == 2:
        return _of_dict(_maker(arguments[1], known))
    if _is_union(origin):
        makers = [m for m in (_maker(a, known) for a in arguments if a is not type(None)) if m]
        return makers[0] if len(makers) == 1 else None  # of several nobody knows which it was
    if not isinstance(hint, type):
        return None
    validate: Maker = getattr(hint, "model_validate", None)
    if callable(validate):
        return lambda x: validate(x) if isinstance(x, dict) else x
    return _of_dataclass(hint, known) if dataclasses.is_dataclass(hint) else None


def _is_union(origin: Any) -> bool:
    return origin is Union or origin is getattr(types, "UnionType", Union)


def _of_list(make: Maker) -> Maker:
    return (lambda x: [make(v) for v in x] if isinstance(x, list) else x) if make else None


def _of_dict(make: Maker) -> Maker:
    return (lambda x: {k: make(v) for k, v in x.items()} if isinstance(x, dict) else x) if make else None


def _of_dataclass(cls: Any, known: dict[Any, Maker]) -> Maker:
    if cls in known:
        return lambda x: (known[cls] or _same)(x)
    known[cls] = None
    asked = hints(cls)
    makers = {f.name: m for f in dataclasses.fields(cls) if (m := _maker(asked.get(f.name), known))}
    later = [f.name for f in dataclasses.fields(cls) if not f.init]  # what __init__ does not take

    def make(x: Any) -> Any:
        if not isinstance(x, dict):
            return x
        given = {k: makers[k](v) if k in makers else v for k, v in x.items()}
        rest = {k: given.pop(k) for k in later if k in given}
        made = cls(**given)
        for k, v in rest.items():
            object.__setattr__(made, k, v)  # frozen ones too
        return made

    known[cls] = make
    return make


def _same(x: Any) -> Any:
    return x
