"""async for over a job, on a running loop, without a thread."""

import asyncio
import gc
import os
import tempfile
import threading
import time
import unittest

import left
import tasks

import fanmap

FLEET = fanmap.Fleet(local=True, slots=3)


def tearDownModule():
    FLEET.close()


def go(task, *iterables, **options):
    return fanmap.map(task, *iterables, fleet=FLEET, **options)


class Async(unittest.IsolatedAsyncioTestCase):
    async def test_values_in_order_without_a_thread(self):
        threads = threading.active_count()
        self.assertEqual([v async for v in go(tasks.square, range(2000))], [i * i for i in range(2000)])
        self.assertEqual(threading.active_count(), threads)

    async def test_the_loop_goes_on_meanwhile(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "ticked")

            async def tick():  # the attempts end by this alone
                for _ in range(20):
                    await asyncio.sleep(0.01)
                tasks.FileEvent(path).set()

            ticker = asyncio.ensure_future(tick())
            self.assertEqual([v async for v in go(tasks.waits_for, [path] * 6)], [path] * 6)
            await ticker

    async def test_a_hundred_at_once(self):
        async def one(k):
            return [v async for v in go(tasks.square, range(k, k + 20))]

        self.assertEqual(await one(0), [i * i for i in range(20)])
        with tempfile.TemporaryDirectory() as folder:  # all slots are there before they are counted
            met = [v async for v in go(tasks.met, range(3), bind={"folder": folder, "wanted": 3})]
        self.assertEqual(max(most for _, most in met), 3)
        fds, memory = left.descriptors(), 0
        for _ in range(4):
            got = await asyncio.gather(*[one(k) for k in range(100)])
            self.assertEqual(got, [[i * i for i in range(k, k + 20)] for k in range(100)])
            memory = memory or left.memory()
        self.assertLessEqual(left.descriptors(), fds)  # one that an earlier test's slot had may be gone
        self.assertLess(left.memory() - memory, 2 * left.SLACK)

    async def test_a_slow_body_does_not_stop_the_slots(self):
        began = time.monotonic()
        async for _ in go(tasks.nap, [0.1] * 12):
            await asyncio.sleep(0.05)
        self.assertLess(time.monotonic() - began, 5)

    async def test_an_idle_job_keeps_no_other_busy(self):
        idle = go(tasks.square, range(5000))
        self.assertEqual(await idle.__anext__(), 0)
        used = time.process_time()
        self.assertEqual([v async for v in go(tasks.nap, [0.5, 0.5, 0.5])], [0.5] * 3)
        self.assertLess(time.process_time() - used, 0.4)
        self.assertEqual(await idle.__anext__(), 1)
        idle.close()

    async def test_the_first_failure_raises(self):
        got = []
        with self.assertRaises(fanmap.TaskError):
            async for v in go(tasks.odd_fails, [0, 2, 3, 4]):
                got.append(v)
        self.assertEqual(got, [0, 2])

    async def test_an_error_of_the_input(self):
        def items():
            yield 1
            raise KeyError("source")

        got = []
        with self.assertRaises(KeyError):
            async for v in go(tasks.square, items()):
                got.append(v)
        self.assertEqual(got, [1])

    async def test_break_and_async_with(self):
        async for _ in go(tasks.nap, [0] + [60] * 9):
            break
        async with go(tasks.nap, [0] + [60] * 9) as job:
            self.assertEqual(await job.__anext__(), 0)
        gc.collect()
        self.assertEqual([v async for v in go(tasks.square, [1, 2, 3])], [1, 4, 9])

    async def test_a_cancelled_task_cancels_the_job(self):
        async def forever():
            async for _ in go(tasks.nap, [60] * 9):
                pass

        task = asyncio.ensure_future(forever())
        await asyncio.sleep(0.3)
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(forever(), 0.3)
        began = time.monotonic()
        self.assertEqual([v async for v in go(tasks.square, [1, 2, 3])], [1, 4, 9])
        self.assertLess(time.monotonic() - began, 20)

    async def test_as_completed(self):
        with tempfile.TemporaryDirectory() as folder:
            path, got = os.path.join(folder, "others"), []
            async for o in fanmap.as_completed(tasks.waits_for, [path, "", ""], fleet=FLEET):
                got.append(o.index)
                if len(got) == 2:
                    tasks.FileEvent(path).set()
        self.assertEqual((sorted(got[:2]), got[2:]), ([1, 2], [0]))

    async def test_cancel_from_outside(self):
        job = go(tasks.nap, [0] + [60] * 9, return_exceptions=True)
        self.assertEqual(await job.__anext__(), 0)
        job.cancel()
        with self.assertRaises(fanmap.JobStopped):
            async for e in job:
                self.assertEqual(e.kind, "cancelled")


class Loops(unittest.TestCase):
    def test_one_loop_after_another(self):
        async def main():
            return [v async for v in go(tasks.square, range(5))]

        for _ in range(5):
            self.assertEqual(asyncio.run(main()), [0, 1, 4, 9, 16])

    def test_sync_and_async_by_turns(self):
        self.assertEqual(list(go(tasks.square, range(3))), [0, 1, 4])

        async def main():
            return [v async for v in go(tasks.square, range(3))] + list(go(tasks.square, range(3)))

        self.assertEqual(asyncio.run(main()), [0, 1, 4, 0, 1, 4])


if __name__ == "__main__":
    unittest.main()
