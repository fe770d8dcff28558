"""What docs/from-celery.md, from-ray.md, from-executor.md and from-flyte.md promise, line by line: each row of their tables has a
test here, or one on a fleet that is named here. Their snippets are run by tests/real/test_docs.py."""

import asyncio
import concurrent.futures
import functools
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest

import tasks
from test_scripts import BOUND_S, clean

import fanmap
from fanmap import FanmapExecutor, TaskError
from fanmap._library import program_path

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(tasks.__file__))))
FLEET = fanmap.Fleet(local=True, slots=2)
CELERY, RAY, EXECUTOR, FLYTE = "from-celery.md", "from-ray.md", "from-executor.md", "from-flyte.md"

# Rows that take Kafka and Redis: a test of tests/real/test_python.py, which `python/tests/run` and `./dev test` run.
ON_A_FLEET = {
    (CELERY, "`celery -A tasks worker -c 8`"): "test_what_the_pages_say_of_a_fleet",
    (CELERY, "`-Q images`"): "test_what_the_pages_say_of_a_fleet",
    (CELERY, "`f.delay(x)`, `AsyncResult(id)`"): "test_what_the_pages_say_of_a_fleet",
    (CELERY, "flower"): "test_what_the_pages_say_of_a_fleet",
    (CELERY, "`acks_late`, visibility timeouts"): "test_what_a_dead_worker_had_runs_elsewhere",
    (RAY, "`ray.init(address=...)`"): "test_what_the_pages_say_of_a_fleet",
}
covered = {}


def tearDownModule():
    FLEET.close()


def go(task, *iterables, **options):
    return list(fanmap.map(task, *iterables, fleet=options.pop("fleet", FLEET), **options))


def rows(page):
    """The left cells of the page's tables."""
    found, before = [], ""
    with open(os.path.join(ROOT, "docs", page)) as f:
        for line in f:
            cells = [c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]]
            is_body = bool(cells) and not set(cells[0]) <= set("- ")
            if is_body and before.startswith("|"):
                found.append(cells[0])
            before = line
    return found


def says(page, *lefts):
    def note(test):
        covered.update({(page, left): test.__name__ for left in lefts})
        return test

    return note


class Rows(unittest.TestCase):
    def test_each_row_has_a_test(self):
        for page in (CELERY, RAY, EXECUTOR, FLYTE):
            with self.subTest(page=page):
                have = {left for p, left in (*covered, *ON_A_FLEET) if p == page}
                self.assertEqual(sorted(rows(page)), sorted(have))

    def test_those_on_a_fleet_are_there(self):
        with open(os.path.join(ROOT, "tests", "real", "test_python.py")) as f:
            text = f.read()
        for name in set(ON_A_FLEET.values()):
            self.assertIn(f"def {name}(self)", text)


class Pages(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = scratch.name

    def program(self, *args, status=0):
        """`fanmap map --local` over Python tasks."""
        serve = f"{sys.executable} -m fanmap slot tasks:add tasks:show tasks:odd_fails tasks:square tasks:nap"
        served = [w for t in ("add", "show", "odd_fails", "square", "nap") for w in ("--serve", f"{t}={serve}")]
        p = subprocess.run([program_path(), "map", "--local", "-q", *served, *args], capture_output=True, text=True, cwd=self.folder,
                           env=clean({"PYTHONPATH": os.pathsep.join([os.path.dirname(tasks.__file__), *sys.path])}), timeout=BOUND_S)  # fmt: skip
        self.assertEqual(p.returncode, status, p.stderr)
        return p.stdout.splitlines()

    # -- tries, time, errors --

    @says(CELERY, "`@app.task(max_retries=3, retry_backoff=True)`")
    @says(RAY, "`@ray.remote(max_retries=3)`")
    @says(EXECUTOR, "no retries")
    def test_retries(self):
        fails = fanmap.task(retries=3, backoff=(0.1, 2, 60))(tasks.always_fails)
        (e,) = go(fails, [1], return_exceptions=True)
        self.assertEqual(e.attempts, 4)
        (e,) = go(tasks.always_fails, [1], retries=3, backoff=0.01, return_exceptions=True)
        self.assertEqual(e.attempts, 4)
        fanmap.task(retries=3, backoff=(1, 2, 60))(tasks.square.function)  # as the page has it

    @says(CELERY, "`raise self.retry()`")
    def test_what_is_tried_again_and_what_is_not(self):
        self.assertEqual(go(tasks.third_time, [1]), [[1, 3]])
        self.assertEqual(go(tasks.final, [1], return_exceptions=True)[0].attempts, 1)

    @says(CELERY, "`@app.task(bind=True)`, `self.request`")
    def test_the_context(self):
        self.assertEqual(go(tasks.about, ["x"]), [[0, 1, 1, "about", True, "x"]])

    @says(CELERY, "`task_time_limit=30`")
    @says(EXECUTOR, "no timeout of a running call")
    def test_a_timeout_stops_all_that_was_started(self):
        path = os.path.join(self.folder, "child")
        (e,) = go(tasks.starts_another, [path], timeout=0.5, return_exceptions=True)
        self.assertEqual(e.kind, "timeout")
        with open(path) as f:
            child = int(f.read())
        self.assertFalse(os.path.exists(f"/proc/{child}/exe"))
        with FanmapExecutor(1, fleet=FLEET, timeout=0.2) as executor:
            self.assertEqual(executor.submit(tasks.nap, 60).exception(60).kind, "timeout")

    @says(CELERY, "`.get(propagate=False)`")
    @says(FLYTE, "`return_exceptions=True`, its default")
    def test_exceptions_are_kept_where_it_is_said(self):
        got = go(tasks.odd_fails, [0, 1, 2], return_exceptions=True)
        self.assertEqual([got[0], got[1].type, got[2]], [0, "ValueError", 2])
        self.assertRaises(TaskError, go, tasks.odd_fails, [0, 1, 2])

    @says(RAY, "`RayTaskError`, which may fail to unpickle")
    @says(EXECUTOR, "an exception that cannot be unpickled breaks the pool")
    def test_exceptions_are_text(self):
        (e,) = go(tasks.picky, [1], return_exceptions=True)
        self.assertEqual((type(e), e.type, e.message), (TaskError, "tasks.Picky", "(1, 'because')"))
        self.assertIn("in picky", e.traceback)
        with FanmapExecutor(1, fleet=FLEET) as executor:
            self.assertIsInstance(executor.submit(tasks.picky, 1).exception(60), TaskError)
            self.assertEqual(executor.submit(tasks.square, 3).result(60), 9)

    @says(EXECUTOR, "`BrokenProcessPool` when a process dies")
    def test_a_process_that_dies_is_its_items_error(self):
        with FanmapExecutor(2, fleet=FLEET) as executor:
            dies, *others = [executor.submit(tasks.leaves, 3), *(executor.submit(tasks.square, i) for i in range(9))]
            self.assertEqual([f.result(60) for f in others], [i * i for i in range(9)])
            self.assertEqual(dies.exception(60).kind, "exit")

    # -- order, laziness, limits --

    @says(CELERY, "`group(f.s(x) for x in xs)().get()`")
    @says(RAY, "`[f.remote(x) for x in xs]`, then `ray.get(refs)`")
    @says(FLYTE, "the whole input is read first")
    def test_the_input_is_never_held_as_a_whole(self):
        self.assertEqual(go(tasks.square, range(5)), [0, 1, 4, 9, 16])
        with fanmap.map(tasks.square, itertools.count(), fleet=FLEET) as job:
            self.assertEqual(list(itertools.islice(job, 100)), [i * i for i in range(100)])

    @says(CELERY, "`chord(group, callback)`")
    def test_a_map_over_a_map(self):
        self.assertEqual(sum(go(tasks.square, range(4))), 14)
        self.assertEqual(go(tasks.add, fanmap.map(tasks.square, range(3), fleet=FLEET), [1, 1, 1]), [1, 2, 5])

    @says(CELERY, "`f.chunks(xs, 100)`")
    @says(EXECUTOR, "`executor.map(f, xs, chunksize=64)`")
    def test_items_travel_in_batches_by_themselves(self):
        job = fanmap.map(tasks.odd_fails, range(2000), return_exceptions=True, fleet=FLEET)
        most, got = 0, []
        while (some := job._turn()) is not None:
            most, got = max(most, len(some)), got + some
            if not some:
                job._connection.wait(0.1)
        self.assertGreater(most, 10)
        self.assertEqual([g for g in got if not isinstance(g, TaskError)], list(range(0, 2000, 2)))
        with FanmapExecutor(2, fleet=FLEET) as executor:
            self.assertEqual(list(executor.map(abs, range(-3, 3), chunksize=64)), [3, 2, 1, 0, 1, 2])

    @says(CELERY, '`rate_limit="10/s"` of a worker')
    def test_a_rate(self):
        began = time.monotonic()
        self.assertEqual(go(tasks.square, range(6), rate="10/s"), [0, 1, 4, 9, 16, 25])
        self.assertGreater(time.monotonic() - began, 0.4)
        with fanmap.map(tasks.square, itertools.count(), concurrency=1, fleet=FLEET) as job:
            next(job)
            job.set_concurrency(2)
            self.assertEqual(next(job), 1)

    @says(RAY, "at most N in flight, by hand with `ray.wait`")
    @says(FLYTE, "`flyte.map(f, xs, concurrency=50, return_exceptions=True)`")
    def test_concurrency(self):
        with fanmap.Fleet(local=True, slots=4) as fleet:
            self.assertLessEqual(max(go(tasks.record, [self.folder] * 100, concurrency=3, fleet=fleet)), 3)
        self.assertEqual(go(tasks.square, range(100), concurrency=50, return_exceptions=True), [i * i for i in range(100)])

    @says(FLYTE, "`concurrency=50`")
    def test_of_the_shell_concurrency(self):
        self.assertEqual(self.program("-j", "50", "--slots", "2", "square", ":::", "3", "4"), ["9", "16"])
        with fanmap.map(tasks.square, itertools.count(), concurrency=50, fleet=FLEET) as job:
            next(job)
            job.set_concurrency(2)

    @says(RAY, "`ray.wait(refs, num_returns=1)` in a loop")
    @says(EXECUTOR, "`as_completed(futures)`")
    def test_as_completed(self):
        self.assertEqual([o.index for o in fanmap.as_completed(tasks.nap, [0.5, 0], fleet=FLEET)], [1, 0])
        with FanmapExecutor(2, fleet=FLEET) as executor:
            futures = [executor.submit(tasks.nap, n) for n in (0.5, 0)]
            self.assertEqual([f.result() for f in concurrent.futures.as_completed(futures)], [0, 0.5])

    @says(RAY, "`ActorPool.map`, `map_unordered`")
    @says(EXECUTOR, "`Pool.imap(f, xs)`, `imap_unordered`")
    def test_ordered_or_not(self):
        self.assertEqual(go(tasks.nap, [0.4, 0]), [0.4, 0])
        self.assertEqual(go(tasks.nap, [0.4, 0], ordered=False), [0, 0.4])

    # -- set-up, arguments, places --

    @says(CELERY, "`worker_process_init`")
    @says(EXECUTOR, "`initializer=load`")
    def test_set_up_once_in_each_slot(self):
        with fanmap.Fleet(local=True, slots=1) as fleet:
            self.assertEqual(go(tasks.predicts, range(3), fleet=fleet), [["large", 1]] * 3)

    @says(RAY, "`ray.put(model)` for all calls")
    @says(FLYTE, "`functools.partial(f, k=v)`")
    def test_arguments_for_all(self):
        self.assertEqual(go(tasks.show, [1], bind={"unit": "km"}), ["1km"])
        self.assertEqual(go(tasks.predicts, [1])[0][0], "large")
        self.assertEqual(go(functools.partial(tasks.show, scale=2), [1]), ["2m"])
        self.assertEqual(go(functools.partial(tasks.add, 2), [1]), [3])
        self.assertEqual(self.program("show", "--bind", 'unit="km"', ":::", "1"), ['"1km"'])

    @says(RAY, "`num_cpus=2, memory=...`")
    def test_limits_are_enforced(self):
        self.assertEqual(go(tasks.square, [3], cpus=2, memory="4GiB"), [9])
        (e,) = go(tasks.takes_memory, [512 << 20], memory="200MiB", return_exceptions=True)
        self.assertTrue(e.kind == "memory" or e.type == "MemoryError", e)  # the latter where no controller is to be had

    @says(RAY, "`num_gpus=1`")
    def test_the_number_of_the_slot(self):
        self.assertLessEqual(set(go(tasks.slot_of, [0.01] * 20)), {0, 1})

    @says(EXECUTOR, "`Pool.starmap(f, pairs)`")
    def test_starmap(self):
        self.assertEqual(list(fanmap.starmap(tasks.power, [(2, 3), (3,)], fleet=FLEET)), [8, 9])

    @says(FLYTE, "`flyte.map(f, a, b)`")
    def test_zipped(self):
        self.assertEqual(go(tasks.add, [1, 2], [10, 20]), [11, 22])
        self.assertRaises(ValueError, go, tasks.add, [1, 2], [10])
        self.assertEqual(go(tasks.add, [1, 2], [10], strict=False), [11])
        self.assertEqual(self.program("add", ":::", "1", "2", ":::+", "10", "20"), ["11", "22"])
        for name, text in (("a", "1\n2\n"), ("b", "10\n20\n")):
            with open(os.path.join(self.folder, name), "w") as f:
                f.write(text)
        self.assertEqual(self.program("add", "-i", "a", "-i", "b"), ["11", "22"])

    # -- ends --

    @says(CELERY, "`revoke(id, terminate=True)`")
    @says(RAY, "`ray.cancel(ref, force=True)`")
    @says(FLYTE, "breaking out of the loop")
    def test_what_runs_is_stopped(self):
        for leave in (lambda job: job.cancel(), lambda job: job.close()):
            job = fanmap.map(tasks.nap, [0, 600], fleet=FLEET)
            next(job)
            leave(job)
        for _ in fanmap.map(tasks.nap, [0] + [600] * 3, fleet=FLEET):
            break
        began = time.monotonic()
        self.assertEqual(go(tasks.square, range(4)), [0, 1, 4, 9])
        self.assertLess(time.monotonic() - began, 30)

    @says(FLYTE, "`return_exceptions=False`")
    def test_the_first_failure_ends_it(self):
        with self.assertRaises(TaskError):
            go(tasks.odd_fails, [0, 1, 2], return_exceptions=False)
        self.assertEqual(self.program("--fail-fast", "-j", "1", "odd_fails", ":::", "0", "1", "2", status=3)[0], "0")

    @says(RAY, "a driver that dies takes its tasks along")
    def test_what_an_embedded_job_leaves(self):
        """test_scripts.Processes kills such programs; a job that outlives its program takes a fleet."""
        self.assertRaisesRegex(fanmap.FanmapError, "takes a fleet", fanmap.submit, tasks.square, [1], fleet=FLEET)

    @says(FLYTE, "`retries=3`, `timeout=` of the task")
    def test_of_the_shell_retries_and_timeout(self):
        (line,) = self.program("--retries", "3", "--backoff", "1ms", "--timeout", "30s", "odd_fails", ":::", "1", status=1)
        self.assertIn('"attempts":4', line)

    @says(FLYTE, "`group_name`")
    def test_a_name_for_the_job(self):
        self.assertEqual(self.program("--job-id", "nightly", "square", ":::", "3"), ["9"])
        with fanmap.map(tasks.square, [3], job_id="nightly", fleet=FLEET) as job:
            self.assertEqual(job.id, "nightly")

    @says(FLYTE, "images, `Resources(...)`")
    def test_containers_and_limits_have_a_page(self):
        with open(os.path.join(ROOT, "docs", "commands.md")) as f:
            self.assertRegex(f.read(), r"(?s)## Limits.*container")

    @says(FLYTE, "`async for r in flyte.map.aio(f, xs)`")
    def test_async_for(self):
        async def main():
            return [v async for v in fanmap.map(tasks.square, range(3), fleet=FLEET)]

        self.assertEqual(asyncio.run(main()), [0, 1, 4])

    # -- executors --

    @says(EXECUTOR, "`ProcessPoolExecutor(8)`", "`executor.submit(f, x)`", "`executor.map(f, xs)`")
    def test_the_executor(self):
        with FanmapExecutor(8) as executor:
            self.assertEqual(executor.submit(tasks.square, 3).result(60), 9)
            self.assertEqual(list(executor.map(tasks.square, range(4))), [0, 1, 4, 9])
        self.assertEqual(go(tasks.square, range(4), concurrency=8, fleet=None), [0, 1, 4, 9])

    @says(EXECUTOR, "`executor.map(f, xs, buffersize=100)` (3.14)")
    def test_buffersize(self):
        with FanmapExecutor(2, fleet=FLEET) as executor:
            lazy = executor.map(tasks.square, itertools.count(), buffersize=100)
            self.assertEqual(list(itertools.islice(lazy, 3)), [0, 1, 4])

    @says(EXECUTOR, "`loop.run_in_executor(executor, f, x)`")
    def test_run_in_executor(self):
        async def main(executor):
            return await asyncio.get_running_loop().run_in_executor(executor, tasks.square, 3)

        with FanmapExecutor(2, fleet=FLEET) as executor:
            self.assertEqual(asyncio.run(main(executor)), 9)

    @says(CELERY, "pickle or JSON as serializer")
    @says(EXECUTOR, "arguments and results are pickles")
    def test_values(self):
        self.assertEqual(go(tasks.identity, [(1, 2)]), [[1, 2]])
        self.assertEqual(go(tasks.identity, [{1}], return_exceptions=True)[0].kind, "bad_input")
        self.assertEqual(go(tasks.identity, [{1}, (1, 2)], pickle=True), [{1}, (1, 2)])

    @says(RAY, "the runtime environment ships code")
    def test_the_script_runs_as_it_is(self):
        path = os.path.join(self.folder, "script.py")
        with open(path, "w") as f:
            f.write("import fanmap\ndef square(x):\n    return x * x\nprint(list(fanmap.map(square, [3])))\n")
        p = subprocess.run([sys.executable, path], capture_output=True, text=True, env=clean(), timeout=BOUND_S)
        self.assertEqual(p.stdout, "[9]\n", p.stderr)


if __name__ == "__main__":
    unittest.main()
