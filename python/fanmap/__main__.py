"""python -m fanmap: the `fanmap` program, with one more form.

    python -m fanmap worker MODULE[:NAME]... [--pickle] [OPTIONS of `fanmap worker`]

starts a worker that serves the tasks of these modules (or one function of a module) in Python. --pickle: its slots load the
pickles of maps that ask for them, which lets whoever can write to the fleet run what he likes there. Everything else is the
program as it is: `python -m fanmap map ...`, `jobs`, `show`.
"""

from __future__ import annotations

import os
import shlex
import sys

from . import _library, _slot


def program() -> None:
    """The script `fanmap` that comes with the package: the program, in this process's place."""
    path = _library.program_path()
    try:
        os.execvp(path, [path, *sys.argv[1:]])
    except OSError as e:
        sys.exit(f"fanmap: {path}: {e.strerror}")


def _places(arguments: list[str]) -> tuple[list[str], list[str]]:
    at = next((i for i, a in enumerate(arguments) if a.startswith("-")), len(arguments))
    return arguments[:at], arguments[at:]


def worker(arguments: list[str]) -> None:
    places, rest = _places(arguments)
    if not places:
        program()
    sys.path.insert(0, os.getcwd())
    try:
        tasks = _slot.find_tasks(places)
    except (ImportError, LookupError, AttributeError, TypeError, ValueError) as e:
        sys.exit(f"fanmap worker: {e}")
    pickle = [a for a in rest if a == "--pickle"]
    rest = [a for a in rest if a != "--pickle"]
    slot = " ".join(shlex.quote(w) for w in [sys.executable, "-m", "fanmap", "slot", *places, *pickle])
    serve = [part for name in sorted(tasks) for part in ("--serve", f"{name}={slot}")]
    path = _library.program_path()
    os.execvp(path, [path, "worker", *serve, *rest])


def main() -> None:
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command == "worker":
        worker(sys.argv[2:])
    elif command == "slot":
        places, rest = _places(sys.argv[2:])
        _slot.serve(_slot.find_tasks(places), trust="--pickle" in rest)
    else:
        program()


if __name__ == "__main__":
    main()
