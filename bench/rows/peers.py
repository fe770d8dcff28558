"""Peers at their best documented settings, on their own brokers, each checked for right results (bench/peers/).

`bench/peers/setup` installs them into .fanmap/bench (PyPI and npm); a peer that is not there is left out, and said.
"""
import os
import subprocess
import sys

from harness import LINES, NOOP, ROOT, Fleet, Result, numbers_file, span

HOME = os.path.join(ROOT, ".fanmap", "bench")
PYTHON = os.path.join(HOME, "venv", "bin", "python")
PEERS = os.path.join(ROOT, "bench", "peers")


def is_there(name):
    if name == "bullmq":
        return os.path.isdir(os.path.join(HOME, "node_modules", "bullmq"))
    return os.path.exists(PYTHON) and subprocess.run([PYTHON, "-c", f"import {name}"], capture_output=True).returncode == 0


def command_of(name, count):
    if name == "bullmq":
        return ["node", os.path.join(PEERS, "bullmq.js"), str(count)]
    return [PYTHON, os.path.join(PEERS, f"{name}_noop.py"), str(count)]


def compare(pairs, items, name, count, target=None):
    """Seconds an item of each: the peer prints its own span, set-up left out as it is for us."""
    if not is_there(name):
        print(f"    {name} is not installed: bench/peers/setup", file=sys.stderr)
        return
    with Fleet() as fleet:
        path = numbers_file(fleet.folder, items)
        fleet.worker("peers", "--tasks", NOOP, "--slots", "2")
        fleet.warm("peers", "noop", *LINES)
        env = dict(fleet.env, BENCH_REDIS=fleet.redis.url, NODE_PATH=os.path.join(HOME, "node_modules"))
        got = []
        for _ in range(pairs):
            ours = span(fleet.map("peers", "noop", *LINES), path, fleet.env)[0] / items
            out = subprocess.run(command_of(name, count), check=True, capture_output=True, text=True, env=env).stdout
            got.append((ours, float(out.split()[-1]) / count))
        yield Result(f"no-op items over Kafka, time an item / {name}", got, target=target)


def celery(pairs, items):
    """maps over Kafka / Celery's group over Redis, two prefork workers"""
    return compare(min(pairs, 3), items, "celery", 5000, target=20)


PYTHON_TASKS = """
import sys, time, fanmap
@fanmap.task
def square(x):
    return x * x
if __name__ == "__main__":
    n = int(sys.argv[1])
    from bench_squares import square
    assert list(fanmap.map(square, range(1000))) == [i * i for i in range(1000)]
    began = time.monotonic()
    got = list(fanmap.map(square, range(n)))
    print(time.monotonic() - began)
    assert got == [i * i for i in range(n)]
"""


def python_celery(pairs, items):
    """Python tasks on a fleet, fanmap.map / Celery's group over Redis: the same function, two processes each"""
    if not is_there("celery"):
        print("    celery is not installed: bench/peers/setup", file=sys.stderr)
        return
    count, theirs_count = items // 5, 2000
    with Fleet() as fleet:
        path = os.path.join(fleet.folder, "bench_squares.py")
        with open(path, "w") as f:
            f.write(PYTHON_TASKS)
        env = dict(fleet.env, PYTHONPATH=os.pathsep.join([os.path.join(ROOT, "python"), fleet.folder]), BENCH_REDIS=fleet.redis.url)
        fleet.python_worker("bench_squares", env)

        def seconds(command, env):
            out = subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout
            return [float(word) for word in out.split()]

        got, chunked = [], []
        for _ in range(min(pairs, 3)):
            ours = seconds([sys.executable, path, str(count)], env)[0] / count
            in_chunks, group = seconds(command_of("celery", theirs_count), env)
            got.append((ours, group / theirs_count))
            chunked.append(in_chunks / theirs_count / ours)
        yield Result("Python tasks on a fleet, time an item / Celery's group", got, target=20,
                     notes=[f"its chunks of 100 take {min(chunked):.1f} to {max(chunked):.1f} times as long"])


def dask(pairs, items):
    """maps over Kafka / Dask's client.map, two processes"""
    return compare(min(pairs, 3), items, "dask", 5000)


def ray(pairs, items):
    """maps over Kafka / Ray's remote calls, two processors"""
    return compare(min(pairs, 3), items, "ray", 10000)


def bullmq(pairs, items):
    """maps over Kafka / BullMQ, bulk adds, concurrency 100"""
    return compare(min(pairs, 3), items, "bullmq", 50000)


ROWS = {"celery": celery, "python-celery": python_celery, "dask": dask, "ray": ray, "bullmq": bullmq}
