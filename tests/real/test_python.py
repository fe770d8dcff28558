"""The Python package on Kafka and Redis, with workers that serve Python tasks: the same programs as embedded.

FANMAP_PYTHON names a python in whose environment the package is installed; otherwise it is the tree's.
"""
import os
import signal
import sys

from fleet import ROOT, Case, Program
from services import wait_until

INSTALLED = os.environ.get("FANMAP_PYTHON")
PYTHON = INSTALLED or sys.executable
PACKAGE = [] if INSTALLED else [os.path.join(ROOT, "python")]
NEWSLETTER = """
import fanmap

@fanmap.task
def square(x: int) -> int:
    return x * (x if x != 3 else None)

def main(n: int) -> list:
    return list(fanmap.map(square, range(n), return_exceptions=True))

if __name__ == "__main__":
    print(fanmap.__file__)
    for r in main(5):
        print(r if isinstance(r, int) else r.type)
"""
TASKS = """
import fanmap, os, socket, time

@fanmap.task
def square(x: int) -> int:
    if x == "three":
        raise ValueError("three is not wanted")
    return x * x

@fanmap.task(retries=2, backoff=0.01)
def flaky(x, ctx: fanmap.Context):
    if ctx.attempt < 3:
        raise RuntimeError("not yet")
    return [x, ctx.attempt, ctx.fence > 0]

@fanmap.task
def recorded(x):
    c = fanmap.context()
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(os.environ["RECORDER_AT"])
        s.sendall(f"{c.job} {c.index} {c.attempt}\\n".encode())
        s.recv(1)
        time.sleep(0.002 if x < 9_900 else 1)  # the last ones, when every slot is up, meet for certain
    return x * x

@fanmap.task
def nap(x):
    time.sleep(x)
    return x

@fanmap.task
def whose(x):
    who = os.environ["WHO"]
    open(f"{os.environ['FOLDER']}/{who}.{x}", "w").close()
    if who == "first":
        time.sleep(600)
    return who
"""
SQUARES = """
import fanmap
from mytasks import square
for r in fanmap.map(square, [0, 1, 2, "three", 4], return_exceptions=True):
    print(r if isinstance(r, int) else f"{r.type}: {r.message}")
"""
TEN_THOUSAND = """
import fanmap
from mytasks import recorded
results = list(fanmap.map(recorded, range(10_000), concurrency=50))
assert results == [i * i for i in range(10_000)]
print(len(results))
"""
EVERYTHING = """
import asyncio, itertools, fanmap, functools
from mytasks import flaky, nap, square
assert list(fanmap.map(flaky, [1, 2], concurrency=2)) == [[1, 3, True], [2, 3, True]]
assert list(fanmap.map("square", range(100))) == [i * i for i in range(100)]
assert list(fanmap.starmap(functools.partial(square), [[3]])) == [9]

job_id = fanmap.submit(square, range(1000))
assert list(fanmap.gather(job_id)) == [i * i for i in range(1000)]
assert list(fanmap.gather(job_id, from_=990)) == [i * i for i in range(990, 1000)]
assert sorted(fanmap.gather(job_id, from_="00000000000000000990", ordered=False)) == [i * i for i in range(990, 1000)]

for every in (1, 300):  # a position is read with each value, or at the end
    kept, job = [], fanmap.gather(job_id)
    for v in job:
        kept.append(v)
        where = job.position if len(kept) % every == 0 else None
        if len(kept) == 300:
            break
    assert kept + list(fanmap.gather(job_id, from_=where)) == [i * i for i in range(1000)]
    assert job.position == where or every > 1
job = fanmap.gather(job_id, ordered=False)
kept = [(next(job), job.position) for _ in range(300)]
rest = list(fanmap.gather(job_id, from_=kept[-1][1], ordered=False))
assert sorted([v for v, _ in kept] + rest) == [i * i for i in range(1000)]

async def main():
    async def one(k):
        return [v async for v in fanmap.map(square, range(k, k + 10))]
    got = await asyncio.gather(*[one(k) for k in range(20)])
    assert got == [[i * i for i in range(k, k + 10)] for k in range(20)]
asyncio.run(main())

job = fanmap.map(square, itertools.count(), concurrency=3)
assert next(job) == 0
job.pause(); job.resume(); job.set_concurrency(5)
assert next(job) == 1
job.close()
job = fanmap.map(nap, [0] + [600] * 5, return_exceptions=True)  # no more than slots: any may begin first
assert next(job) == 0
job.cancel()
try:
    rest = list(job)
except fanmap.JobStopped as e:
    print("stopped")
with fanmap.FanmapExecutor(4) as executor:
    assert [f.result(60) for f in [executor.submit(square, i) for i in range(50)]] == [i * i for i in range(50)]
print(fanmap._map.default_fleet().is_local)
"""

PAGES = """
import os, sys, fanmap
from mytasks import nap, square
fleet = fanmap.Fleet(brokers=os.environ.pop("FANMAP_BROKERS"), redis=os.environ.pop("FANMAP_REDIS"), namespace=os.environ.pop("FANMAP_NAMESPACE"))
assert list(fanmap.map(square, [1, 2], queue="images", fleet=fleet)) == [1, 4]
job_id = fanmap.submit(square, [3], queue="images", fleet=fleet)
assert list(fanmap.gather(job_id, fleet=fleet)) == [9]
print(job_id, fanmap.submit(nap, [600], queue="images", fleet=fleet))
"""
TAKEN_OVER = """
import os, fanmap
from mytasks import whose
print(*sorted(fanmap.map(whose, range(4), return_exceptions=True), key=str))
"""


class PythonOnAFleet(Case):
    bound_s = 240

    def setUp(self):
        super().setUp()
        self.on_fleet()
        with open(os.path.join(self.folder, "mytasks.py"), "w") as f:
            f.write(TASKS)

    def env(self):
        return {"PYTHONPATH": os.pathsep.join([*PACKAGE, self.folder])}

    def python_worker(self, slots=8, env=None, module="mytasks", args=()):
        command = [PYTHON, "-m", "fanmap", "worker", module, "--slots", str(slots), "--session-timeout", "10s",
                   *self.connect_args(), *args]
        worker = Program(f"worker{len(self.programs)}", command, self.folder, self.environment({**self.env(), **(env or {})}))
        self.programs.append(worker)
        return worker

    def script(self, text, bound_s=120, name=None):
        path = os.path.join(self.folder, name or f"script{len(self.programs)}.py")
        with open(path, "w") as f:
            f.write(text)
        program = Program(f"script{len(self.programs)}", [PYTHON, path], self.folder, self.environment(self.env()))
        self.programs.append(program)
        self.finish(program, bound_s)
        return program.out().decode()

    def test_the_newsletters_squares_in_one_file_that_the_worker_serves(self):
        with open(os.path.join(self.folder, "newsletter.py"), "w") as f:
            f.write(NEWSLETTER)
        self.python_worker(module="newsletter")
        where, *lines = self.script(NEWSLETTER, name="newsletter.py").splitlines()
        self.assertEqual(lines, ["0", "1", "4", "TypeError", "16"])
        self.assertEqual("site-packages" in where, INSTALLED is not None)

    def test_squares_with_exceptions_kept(self):
        self.python_worker()
        self.assertEqual(self.script(SQUARES).splitlines(), ["0", "1", "4", "ValueError: three is not wanted", "16"])

    def test_ten_thousand_items_at_concurrency_fifty_never_above(self):
        recorder = self.recorder()
        for _ in range(2):
            self.python_worker(slots=30)
        self.assertEqual(self.script(TEN_THOUSAND, 200), "10000\n")
        report = recorder.report()
        self.assertLessEqual(report["max"], 50)
        self.assertGreaterEqual(report["max"], 20)

    def test_everything_else_that_takes_a_fleet(self):
        self.python_worker()
        self.assertEqual(self.script(EVERYTHING).splitlines(), ["stopped", "False"])

    def test_a_worker_ends_on_term(self):
        worker = self.python_worker()
        self.script(SQUARES)
        worker.signal(signal.SIGTERM)
        self.assertEqual(worker.wait(40), 0)

    def test_what_the_pages_say_of_a_fleet(self):
        """docs/from-celery.md, docs/from-ray.md: queues, a job that is left and gathered, who shows and ends it."""
        self.python_worker(args=["--queue", "images"])
        job_id, left = self.script(PAGES).split()
        listed = self.run_fanmap("jobs").out().decode()
        self.assertIn(job_id, listed)
        self.assertIn(left, listed)
        self.assertIn(job_id, self.run_fanmap("show", job_id).out().decode())
        self.run_fanmap("cancel", left)
        self.assertIn("cancelled", self.run_fanmap("show", left).out().decode())

    def test_what_a_dead_worker_had_runs_elsewhere(self):
        first = self.python_worker(slots=4, env={"WHO": "first", "FOLDER": self.folder})
        path = os.path.join(self.folder, "taken_over.py")
        with open(path, "w") as f:
            f.write(TAKEN_OVER)
        script = Program("taken_over", [PYTHON, path], self.folder, self.environment(self.env()))
        self.programs.append(script)
        wait_until(lambda: all(os.path.exists(os.path.join(self.folder, f"first.{i}")) for i in range(4)), 60, "all four run")
        self.python_worker(slots=4, env={"WHO": "second", "FOLDER": self.folder})
        first.signal(signal.SIGKILL)
        self.finish(script, 120)
        self.assertEqual(script.out().decode().split(), ["second"] * 4)
