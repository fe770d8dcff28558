"""The Python package, embedded: no-op items through fanmap.map, against the standard library's pools."""
import os
import subprocess
import sys

from harness import ROOT, Result, pairs_of

CODE = """
import sys, time, multiprocessing, concurrent.futures
def noop(x):
    return x
if __name__ == "__main__":
    how, n = sys.argv[1], int(sys.argv[2])
    def count(values):
        return sum(1 for _ in values)
    if how == "fanmap":
        import fanmap
        run = lambda n: count(fanmap.map(noop, range(n)))
    elif how == "fanmap_executor":
        import fanmap
        pool = fanmap.FanmapExecutor(2)
        run = lambda n: count(pool.map(noop, range(n)))
    elif how == "executor":
        pool = concurrent.futures.ProcessPoolExecutor(2)
        run = lambda n: count(pool.map(noop, range(n)))
    else:
        pool = multiprocessing.Pool(2)
        run = lambda n: count(pool.imap(noop, range(n)))
    assert run(100) == 100
    began = time.monotonic()
    assert run(n) == n
    print(time.monotonic() - began)
"""


def number_of(name, code, *arguments):
    """The last word of what a script prints that has this package."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("FANMAP_")}
    env["PYTHONPATH"] = os.path.join(ROOT, "python")
    path = os.path.join(ROOT, ".fanmap", name)
    with open(path, "w") as f:
        f.write(code)
    command = [sys.executable, path, *map(str, arguments)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout.split()[-1])


def seconds(how, n):
    """An item, of a map of n over slots that have started."""
    return number_of("bench_noop.py", CODE, how, n) / n


def executor(pairs, items):
    """fanmap.map of a Python no-op / ProcessPoolExecutor.map, both item by item"""
    yield Result("Python no-op items, time an item / ProcessPoolExecutor.map",
                 pairs_of(pairs, lambda: seconds("fanmap", items), lambda: seconds("executor", items // 20)), target=3)


def pool(pairs, items):
    """fanmap.map of a Python no-op / Pool.imap, chunks of 1"""
    yield Result("Python no-op items, time an item / Pool.imap",
                 pairs_of(pairs, lambda: seconds("fanmap", items), lambda: seconds("pool", items // 10)), target=1)


def futures(pairs, items):
    """FanmapExecutor.map / ProcessPoolExecutor.map: a real future an item on both sides"""
    count = items // 20
    yield Result("futures of Python no-op items, time an item / ProcessPoolExecutor",
                 pairs_of(pairs, lambda: seconds("fanmap_executor", count), lambda: seconds("executor", count)))


SLOW_FIRST = """
import resource, sys, time, fanmap
def text(x):
    if x == 0:
        time.sleep(3)
    return f"{x:0100}"
if __name__ == "__main__":
    n = 0
    for value in fanmap.map(text, range(int(sys.argv[1]))):
        assert int(value) == n
        n += 1
    assert n == int(sys.argv[1])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def memory(pairs, items):
    """peak memory of a map whose first item is slow, of many values of 100 bytes / of a tenth of them"""
    def peak(n):
        return number_of("bench_slow_first.py", SLOW_FIRST, n)

    yield Result("a slow first item, peak memory / the same of a tenth of the items",
                 pairs_of(min(pairs, 2), lambda: peak(items), lambda: peak(items // 10)), unit="MiB", target=0.7)


ROWS = {"python-memory": memory, "python-executor": executor, "python-pool": pool, "python-futures": futures}
