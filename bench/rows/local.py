"""Embedded: against xargs, GNU parallel, Python's pools, and a Python loop on a pipe."""
import concurrent.futures
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time

from harness import FANMAP, HEAVY, LINES, LOCAL, RECORDED, ROOT, Result, numbers_file, pairs_of, timed


def fed(command, path):
    with open(path, "rb") as stdin:
        return timed(command, stdin=stdin)


def against(title, count, pairs, ours, theirs, target=None):
    """Two command lines over the numbers 1..count on stdin."""
    with tempfile.TemporaryDirectory() as folder:
        path = numbers_file(folder, count)
        yield Result(title, pairs_of(pairs, lambda: fed(ours, path), lambda: fed(theirs, path)), target=target)


def commands(pairs, _items):
    """4,000 commands `/bin/true N`, 2 slots / xargs -P2 -n1"""
    return against("4,000 commands / xargs -P2 -n1", 4000, pairs, [*LOCAL, "--", "/bin/true", "{}"],
                   ["xargs", "-P2", "-n1", "/bin/true"], 1.3)


def commands_heavy(pairs, _items):
    """the same 4,000 commands, started by a C program that holds 1 GiB / xargs"""
    with tempfile.TemporaryDirectory() as folder:
        path = numbers_file(folder, 4000)

        def ours():
            return float(subprocess.run([HEAVY, "1024", "4000"], check=True, capture_output=True, text=True).stdout)

        yield Result("4,000 commands of a program that holds 1 GiB / xargs -P2 -n1",
                     pairs_of(pairs, ours, lambda: fed(["xargs", "-P2", "-n1", "/bin/true"], path)), target=1.3)


def parallel(pairs, _items):
    """400 commands `/bin/echo N`, 2 slots / parallel -k -j2"""
    return against("400 commands / parallel -k -j2", 400, pairs, [*LOCAL, "--", "/bin/echo", "{}"],
                   ["parallel", "-k", "-j2", "/bin/echo"], 7.0)


def containers(pairs, _items):
    """400 commands, each in a bubblewrap container / xargs over the same bwrap line"""
    bwrap = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    return against("400 containers / xargs -P2 over the same bwrap", 400, pairs,
                   [*LOCAL, "--container", f"command={' '.join(bwrap)} {{argv}}", "--", "/bin/true", "{}"],
                   ["xargs", "-P2", "-n1", *bwrap, "/bin/true"])


def nothing(_x):
    return None


def pool_seconds(items, chunk):
    began = time.monotonic()
    with multiprocessing.Pool(2) as pool:
        for _ in pool.imap(nothing, range(items), chunk):
            pass
    return time.monotonic() - began


def executor_seconds(items):
    began = time.monotonic()
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        for _ in pool.map(nothing, range(items)):
            pass
    return time.monotonic() - began


def noop(pairs, items):
    """no-op C task, embedded / Pool.imap and ProcessPoolExecutor.map over a Python no-op (seconds an item)"""
    with tempfile.TemporaryDirectory() as folder:
        path = numbers_file(folder, items)
        ours = lambda: fed([*LOCAL, "--tasks", RECORDED, "noop", *LINES], path) / items  # noqa: E731
        few, fewer = max(items // 10, 1), max(items // 50, 1)
        yield Result(f"{items:,} no-op items, embedded / Pool.imap", pairs_of(pairs, ours, lambda: pool_seconds(few, 1) / few),
                     target=30)
        yield Result(f"{items:,} no-op items, embedded / ProcessPoolExecutor.map",
                     pairs_of(pairs, ours, lambda: executor_seconds(fewer) / fewer), target=120)


SERVED = f"""
import sys
sys.path.insert(0, {os.path.join(ROOT, 'examples', 'python')!r})
import fanmap_task
@fanmap_task.task
def noop(x):
    return None
fanmap_task.serve()
"""
PIPED = """
import json, sys
for line in sys.stdin.buffer:
    x = json.loads(line)
    sys.stdout.buffer.write(b'%s\\n' % json.dumps(None).encode())
    sys.stdout.buffer.flush()
"""


def served(pairs, items):
    """a served Python program, one slot / the same loop alone on a pipe, JSON in and out"""
    n = max(items // 10, 1)
    with tempfile.TemporaryDirectory() as folder:
        path, program = numbers_file(folder, n), os.path.join(folder, "noop.py")
        with open(program, "w") as f:
            f.write(SERVED)
        ours = [FANMAP, "map", "--local", "-q", "--slots", "1", "--serve", f"noop={sys.executable} {program}", "noop", *LINES]
        yield Result(f"{n:,} no-op items, a served Python program / its loop alone on a pipe",
                     pairs_of(pairs, lambda: fed(ours, path), lambda: fed([sys.executable, "-c", PIPED], path)), target=0.5)


ROWS = {"commands": commands, "commands-heavy": commands_heavy, "parallel": parallel, "containers": containers, "noop": noop, "served": served}
