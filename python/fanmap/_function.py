"""How a function is told to another process: by the name under which it can be imported, or, embedded only, by value.

A reference is a list that msgpack can hold:
    ["module", MODULE, NAME]       import MODULE, then NAME in it
    ["main", PATH, NAME]           NAME in the script at PATH, which is run as the module __mp_main__
    ["value", BYTES]               a pickle of cloudpickle's
    ["code", BYTES]                the code of a function and what it refers to, for the very same interpreter
    ["task", F, NAME, BATCH, SETUP]  a decorated function: F and SETUP are references again, SETUP None where it has none
"""

from __future__ import annotations

import builtins
import importlib
import marshal
import os
import pickle
import sys
import types
from typing import Any, Callable, Optional

from . import _signature
from ._task import Task

__all__ = ["MainReached", "reference", "resolve"]

Reference = list[Any]


class MainReached(BaseException):
    """A script without an `if __name__ == "__main__":` came, in a slot, to the place where it maps: it is loaded."""


def _lookup(module: Any, name: str) -> Any:
    for part in name.split("."):
        module = getattr(module, part)
    return module


def _main_spec() -> Optional[tuple[str, str]]:
    """How the main module can be had elsewhere: ("module", NAME), ("main", PATH), or None (a notebook, stdin, -c)."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return ("module", spec.name[: -len(".__main__")] + ".__main__" if spec.name.endswith(".__main__") else spec.name)
    path = getattr(main, "__file__", None)
    if path and os.path.exists(path) and not hasattr(sys, "ps1"):
        return ("main", os.path.abspath(path))
    return None


def _by_name(function: Any) -> Optional[Reference]:
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if isinstance(getattr(function, "__self__", None), type):
        module = function.__self__.__module__
    if name is None or "<" in name:
        return None
    module = module or "builtins"
    try:
        found = _lookup(sys.modules[module], name)
    except (KeyError, AttributeError):
        return None
    if found is not function and getattr(found, "function", None) is not function and found != function:
        return None
    if module != "__main__":
        return ["module", module, name]
    main = _main_spec()
    return [main[0], main[1], name] if main else None


def reference(function: Callable[..., Any], by_value: bool) -> Reference:
    """Raises TypeError with a word on what to do when the function cannot be found elsewhere. `by_value`: it may go as its
    code, since the other process is a child of this one."""
    named = _by_name(function)
    if named is not None:
        return named
    name = getattr(function, "__qualname__", repr(function))
    if not by_value:
        raise TypeError(
            f"{name} cannot be imported by a worker (a lambda, a nested function, or one of an interactive session): put it "
            "at the top of a module, start `python -m fanmap worker MODULE`, or name the task as a str"
        )
    if isinstance(function, Task):
        setup = None if function.setup is None else reference(function.setup, True)
        return ["task", reference(function.function, True), function.name, function.batch, setup]
    if not isinstance(function, types.FunctionType):  # a bound method, an object with __call__
        try:
            return ["value", pickle.dumps(function, protocol=4)]
        except Exception as e:
            raise TypeError(f"{function!r} is no plain function, and cannot be pickled: {e}") from e
    try:
        import cloudpickle  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return ["code", _dump(function)]
    try:
        return ["value", cloudpickle.dumps(function)]
    except Exception as e:
        raise TypeError(f"{name} cannot go along to a slot by value ({e}); put it into a module that can be imported") from e


def resolve(ref: Reference) -> Any:
    """The function, in the process that runs it."""
    kind, where = ref[0], ref[1]
    if kind == "module":
        return _lookup(importlib.import_module(where), ref[2])
    if kind == "main":
        return _lookup(_run_main(where), ref[2])
    if kind == "value":
        return pickle.loads(where)
    if kind == "task":
        return Task(resolve(where), ref[2], {}, ref[3], resolve(ref[4]) if ref[4] is not None else None)
    return _load(where)


# ---- the main script, in a slot ----


def _run_main(path: str) -> types.ModuleType:
    """Runs the script once, up to the place where it would map. It is importable as __mp_main__ and as __main__ then, as
    multiprocessing has it, so that pickles and classes of the main module mean the same here."""
    module = sys.modules.get("__mp_main__")
    if module is None:
        module = types.ModuleType("__mp_main__")
        module.__file__ = path
        with open(path, "rb") as f:
            code = compile(f.read(), path, "exec")
        sys.modules["__mp_main__"] = sys.modules["__main__"] = module
        try:
            exec(code, module.__dict__)
        except MainReached:
            pass
        except BaseException:
            del sys.modules["__mp_main__"]
            raise
    return module


# ---- by value, without cloudpickle: plain functions and what they refer to ----


def _global_names(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _global_names(constant)
    return names


class _Dumper:
    def __init__(self) -> None:
        self.functions: dict[int, int] = {}
        self.out: list[Any] = []

    def function(self, f: types.FunctionType) -> int:
        """The place of the function among those that go along; it may refer to itself."""
        if id(f) in self.functions:
            return self.functions[id(f)]
        at = self.functions[id(f)] = len(self.out)
        self.out.append(None)
        cells = [self.value(c.cell_contents, f) for c in f.__closure__ or ()]
        used = {n: f.__globals__[n] for n in _global_names(f.__code__) if n in f.__globals__}
        globals_ = {n: self.value(v, f) for n, v in used.items()}
        rest = [self.value(f.__defaults__, f), self.value(f.__kwdefaults__, f), self.annotations(f)]
        self.out[at] = [marshal.dumps(f.__code__), f.__name__, cells, globals_, rest, f.__module__]
        return at

    def annotations(self, f: types.FunctionType) -> dict[str, list[Any]]:
        """Those that can go along; of the others those that items are made into have to."""
        going: dict[str, list[Any]] = {}
        for name, hint in _signature.hints(f).items():
            try:
                going[name] = self.value(hint, f)
            except TypeError:
                if _signature.maker(hint) and name != "return":
                    raise
        return going

    def value(self, v: Any, user: types.FunctionType) -> list[Any]:
        if isinstance(v, types.ModuleType):
            return ["m", v.__name__]
        inner = getattr(v, "function", v)
        if isinstance(inner, types.FunctionType) and _by_name(inner) is None:
            return ["f", self.function(inner)]
        if type(v).__module__ == "fanmap._task" and isinstance(inner, types.FunctionType):
            v = inner
        try:
            data = pickle.dumps(v, protocol=4)
            if b"__main__" in data and _main_spec() is None:
                raise pickle.PicklingError("it is of a class of this session")
            return ["p", data]
        except Exception as e:
            what = v if isinstance(v, type) else type(v)
            raise TypeError(
                f"{user.__qualname__} cannot go along to a slot by value: {what.__qualname__} in it ({e}); "
                "put it into a module that can be imported, or install cloudpickle"
            ) from e


def _dump(function: types.FunctionType) -> bytes:
    dumper = _Dumper()
    dumper.function(function)
    return pickle.dumps(dumper.out, protocol=4)


def _load(data: bytes) -> Any:
    table = pickle.loads(data)
    made: list[Any] = []
    for code, name, cells, _globals, _rest, module in table:
        space = {"__builtins__": builtins, "__name__": module}
        made.append(types.FunctionType(marshal.loads(code), space, name, None, tuple(types.CellType() for _ in cells)))

    def value(v: list[Any]) -> Any:
        if v[0] == "m":
            return importlib.import_module(v[1])
        return made[v[1]] if v[0] == "f" else pickle.loads(v[1])

    for f, (_code, _name, cells, globals_, rest, _module) in zip(made, table):
        f.__globals__.update({n: value(v) for n, v in globals_.items()})
        f.__defaults__, f.__kwdefaults__ = value(rest[0]), value(rest[1])
        f.__annotations__ = {n: value(v) for n, v in rest[2].items()}
        for cell, v in zip(f.__closure__ or (), cells):
            cell.cell_contents = value(v)
    return made[0]
