"""FanmapExecutor: CPython's own tests of executors where this Python has them, and ours.

Of test.test_concurrent_futures these run: ExecutorTest, WaitTests, AsCompletedTests, ExecutorShutdownTest. These do not:
    test_interpreter_shutdown, test_submit_after_interpreter_shutdown, test_hang_gh83386: they import the executor by its name from
        concurrent.futures; Exits below has the same three
    InitializerMixin and the like: there is no initializer; a task has a setup
    ThreadPool*, ProcessPool*, test_deadlock: they look at the threads, processes and queues of those executors
    FutureTests: they make Futures without an executor, and ours are those of the standard library
    test_free_reference of ExecutorTest, test_map_exception: as they are, with pickle=True (results that are tuples and objects)
"""

import concurrent.futures
import functools
import gc
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock

import tasks

import fanmap
from fanmap import FanmapExecutor
from fanmap.executor import BUILTIN_EXCEPTIONS

try:
    from test.test_concurrent_futures import executor as cpython
    from test.test_concurrent_futures import test_as_completed, test_shutdown, test_wait
    from test.test_concurrent_futures.util import BaseTestCase
except ImportError:
    cpython = None


# Exceptions of CPython's tests themselves, in those that have them.
LISTED = [getattr(cpython, name) for name in ("FalseyBoolException", "FalseyLenException") if hasattr(cpython, name)]


class LocalExecutor(FanmapExecutor):
    def __init__(self, max_workers=None, **options):
        raises = (*BUILTIN_EXCEPTIONS, *LISTED)
        super().__init__(max_workers, fleet=fanmap.Fleet(local=True), pickle=True, raises=raises, **options)


if cpython is not None:

    class Mixin:
        executor_type = LocalExecutor
        worker_count = 5

        def setUp(self):
            super().setUp()
            self.executor = LocalExecutor(self.worker_count)
            self.scratch = tempfile.TemporaryDirectory()
            self.addCleanup(self.scratch.cleanup)

        def create_event(self):
            return tasks.FileEvent(os.path.join(self.scratch.name, os.urandom(8).hex()))

        def tearDown(self):
            self.executor.shutdown(wait=True)
            self.executor = None
            super().tearDown()

    class CPythonExecutor(Mixin, cpython.ExecutorTest, BaseTestCase):
        pass

    class CPythonWait(Mixin, test_wait.WaitTests, BaseTestCase):
        pass

    class CPythonAsCompleted(Mixin, test_as_completed.AsCompletedTests, BaseTestCase):
        pass

    class CPythonShutdown(Mixin, test_shutdown.ExecutorShutdownTest, BaseTestCase):
        test_interpreter_shutdown = None
        test_submit_after_interpreter_shutdown = None
        test_hang_gh83386 = None


class Ours(unittest.TestCase):
    def setUp(self):
        self.executor = FanmapExecutor(3, fleet=fanmap.Fleet(local=True))

    def tearDown(self):
        self.executor.shutdown()

    def test_many_calls_of_several_functions(self):
        squares = [self.executor.submit(tasks.square, i) for i in range(300)]
        sums = [self.executor.submit(tasks.add, i, b=1) for i in range(300)]
        self.assertEqual([f.result(60) for f in squares], [i * i for i in range(300)])
        self.assertEqual([f.result(60) for f in sums], [i + 1 for i in range(300)])

    def test_they_are_real_futures(self):
        future = self.executor.submit(tasks.square, 3)
        self.assertIs(type(future), concurrent.futures.Future)
        called = threading.Event()
        future.add_done_callback(lambda f: called.set())
        self.assertTrue(called.wait(30))
        done, _ = concurrent.futures.wait([future], timeout=10)
        self.assertEqual(done, {future})

    def test_exceptions(self):
        e = self.executor.submit(tasks.odd_fails, 3).exception(30)
        self.assertIsInstance(e, ValueError)
        self.assertEqual(str(e), "3 is odd")
        self.assertIn("in odd_fails", e.__cause__.traceback)
        self.assertIsInstance(self.executor.submit(tasks.picky, 3).exception(30), fanmap.TaskError)
        self.assertEqual(self.executor.submit(tasks.leaves, 3).exception(30).kind, "exit")

    def test_a_crash_breaks_nothing_else(self):
        first = self.executor.submit(tasks.leaves, 3)
        rest = [self.executor.submit(tasks.square, i) for i in range(20)]
        self.assertEqual([f.result(60) for f in rest], [i * i for i in range(20)])
        self.assertIsInstance(first.exception(60), fanmap.TaskError)

    def test_what_cannot_be_called_or_carried(self):
        self.assertRaises(TypeError, self.executor.submit(7, 1).result, 30)
        e = self.executor.submit(tasks.identity, object()).exception(30)
        self.assertEqual(e.__class__.__name__, "TaskError")
        self.assertEqual(e.kind, "bad_input")

    def test_partials(self):
        submit = self.executor.submit
        self.assertEqual(submit(functools.partial(tasks.power, 2), 5).result(60), 32)
        self.assertEqual(submit(functools.partial(tasks.show, unit="km"), 5, scale=2).result(60), "10km")

    def test_map(self):
        self.assertEqual(list(self.executor.map(tasks.add, [1, 2, 3], [4, 5, 6])), [5, 7, 9])
        self.assertEqual(list(self.executor.map(tasks.square, [])), [])
        self.assertRaises(ValueError, self.executor.map, tasks.square, [1], chunksize=0)
        self.assertRaises(concurrent.futures.TimeoutError, list, self.executor.map(tasks.nap, [0.6], timeout=0.1))

    def test_map_with_a_buffersize_is_lazy(self):
        taken = []
        it = self.executor.map(tasks.square, (taken.append(i) or i for i in range(50)), buffersize=4)
        self.assertLessEqual(len(taken), 4)
        for n, v in enumerate(it):
            self.assertEqual(v, n * n)
            self.assertLessEqual(len(taken), n + 5)
        for wrong in (0, -1):
            self.assertRaises(ValueError, self.executor.map, tasks.square, [1], buffersize=wrong)
        self.assertRaises(TypeError, self.executor.map, tasks.square, [1], buffersize="1")

    def test_pending_calls_can_be_cancelled(self):
        futures = [self.executor.submit(tasks.nap, 0.05) for _ in range(60)]
        self.assertTrue(futures[-1].cancel())
        self.assertEqual(sum(f.cancelled() or f.result(60) is not None for f in futures), 60)

    def test_short_calls_go_ahead_in_numbers(self):
        """As many as ended in the last 20 ms, but three a worker at least and 256 at most."""
        state = self.executor._state
        with unittest.mock.patch("time.monotonic", side_effect=[100.0, 100.01, 100.025, 100.05, 100.075]):
            for got, ahead in ((0, 9), (200, 9), (200, 320), (5000, 768), (2, 9)):
                state.measure(got)
                self.assertAlmostEqual(state.ahead, ahead, delta=1)

    def test_behind_short_calls_those_that_last_can_be_cancelled(self):
        self.assertEqual(sum(f.result(60) for f in [self.executor.submit(tasks.square, 1) for _ in range(3000)]), 3000)
        futures = [self.executor.submit(tasks.nap, 0.3) for _ in range(60)]
        self.assertGreater(sum(f.cancel() for f in futures), 30)

    def test_dropped_without_shutdown(self):
        executor = FanmapExecutor(2, fleet=fanmap.Fleet(local=True))
        future = executor.submit(tasks.square, 4)
        state = executor._state
        del executor
        gc.collect()
        self.assertEqual(future.result(30), 16)
        state.thread.join(30)
        self.assertFalse(state.thread.is_alive())

    def test_shutdown_while_others_submit(self):
        for _ in range(4):
            executor = FanmapExecutor(1, fleet=fanmap.Fleet(local=True))
            began, futures = threading.Event(), []

            def submit(executor=executor, began=began, futures=futures):
                try:
                    while True:
                        futures.append(executor.submit(tasks.square, 3))
                        began.set()
                except RuntimeError:
                    pass

            threads = [threading.Thread(target=submit) for _ in range(3)]
            for thread in threads:
                thread.start()
            began.wait(30)
            executor.shutdown(cancel_futures=True)
            for thread in threads:
                thread.join(30)
            self.assertTrue(all(f.cancelled() or f.result(60) == 9 for f in futures))

    def test_with_asyncio(self):
        import asyncio

        async def main():
            loop = asyncio.get_running_loop()
            return await asyncio.gather(*[loop.run_in_executor(self.executor, tasks.square, i) for i in range(20)])

        self.assertEqual(asyncio.run(main()), [i * i for i in range(20)])


class Exits(unittest.TestCase):
    def script(self, text):
        here = os.path.dirname(os.path.abspath(tasks.__file__))
        env = {k: v for k, v in os.environ.items() if not k.startswith("FANMAP_B")}
        env["PYTHONPATH"] = os.pathsep.join([here, *sys.path])
        p = subprocess.run([sys.executable, "-c", text], env=env, capture_output=True, text=True, timeout=120)
        return p.stdout, p.stderr

    def test_at_exit_what_was_submitted_ends(self):
        out, err = self.script(
            "import tasks, fanmap\nt = fanmap.FanmapExecutor(2)\nt.submit(tasks.nap, 0.5).add_done_callback(lambda f: print(f.result()))"
        )
        self.assertEqual((out, err), ("0.5\n", ""))

    def test_shutdown_without_waiting(self):
        out, err = self.script(
            "import tasks, fanmap\nt = fanmap.FanmapExecutor(2)\n"
            "t.submit(tasks.nap, 0.5).add_done_callback(lambda f: print(f.result()))\nt.shutdown(wait=False)"
        )
        self.assertEqual((out, err), ("0.5\n", ""))

    def test_submit_after_interpreter_shutdown(self):
        out, err = self.script(
            "import atexit, tasks, fanmap\nt = fanmap.FanmapExecutor(2)\nt.submit(tasks.square, 3).result()\n"
            "@atexit.register\ndef last():\n    try:\n        t.submit(tasks.square, 3)\n    except RuntimeError as e:\n        print(e)"
        )
        self.assertIn("cannot schedule new futures after", out)
        self.assertEqual(err, "")

    def test_time_is_not_wasted(self):
        began = time.monotonic()
        self.script("import fanmap\nfanmap.FanmapExecutor(2)")
        self.assertLess(time.monotonic() - began, 30)


if __name__ == "__main__":
    unittest.main()
