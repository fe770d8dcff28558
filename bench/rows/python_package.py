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


def seconds(how, n):
    """An item, of a map of n over slots that have started."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("FANMAP_")}
    env["PYTHONPATH"] = os.path.join(ROOT, "python")
    path = os.path.join(ROOT, ".fanmap", "bench_noop.py")
    with open(path, "w") as f:
        f.write(CODE)
    out = subprocess.run([sys.executable, path, how, str(n)], check=True, capture_output=True, text=True, env=env).stdout
    return float(out.split()[-1]) / n


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


ROWS = {"python-executor": executor, "python-pool": pool, "python-futures": futures}
