"""What flyte.map promises, one behaviour a test: what its own tests and examples (flyte-sdk: tests/user_api/test_mapping.py,
test_map_concurrency.py, tests/flyte/test_map_local.py, sandbox/test_map_in_sandbox.py, examples/basics/map*.py) show.

Its behaviours that are others here, on purpose:
    return_exceptions is True unless said           here False: whoever does not look for exceptions is told of the first
    iterables of unequal lengths end with the shortest      with strict=False (below); unless said it is an error, as a lost item is
    flyte.map.aio(...)                              async for over the same fanmap.map(...) (below)
    no iterable at all gives nothing                a TypeError, as of map()
    a partial that leaves two parameters for one iterable is refused     an item may be a list of both; if it is none it fails
    partials and group_name become a name           a job has an id: job_id= (below)
    arithmetic with a kept exception raises it      sum([1, TaskError]) is Python's own TypeError
    an exception is an instance of its own class    a TaskError that tells of it; raises=[ValueError] gives the class (below)
Its tests that have no counterpart: of serialization and of the platform (images, pods, caches, reports, launch plans, fast
registration, min_success_ratio of map_task in flytekit: halt= is the like), of mocks of its own classes, and "local mode runs
one after the other": embedded runs are as those on a fleet.
"""

import asyncio
import functools
import os
import tempfile
import unittest

import tasks

import fanmap
from fanmap import TaskError

FLEET = fanmap.Fleet(local=True, slots=3)


def tearDownModule():
    FLEET.close()


def go(task, *iterables, **options):
    return fanmap.map(task, *iterables, fleet=options.pop("fleet", FLEET), **options)


def collect(job):
    """As `async for` gives it."""

    async def main():
        return [v async for v in job]

    return asyncio.run(main())


class Values(unittest.TestCase):
    def test_a_sync_task_gives_values(self):
        self.assertEqual(list(go(tasks.square, [1, 2, 3])), [1, 4, 9])

    def test_an_async_task_gives_values_and_no_coroutines(self):
        self.assertEqual(list(go(tasks.async_double, [1, 2, 3])), [2, 4, 6])

    def test_async_for_over_a_sync_task(self):
        self.assertEqual(collect(go(tasks.square, [1, 2, 3])), [1, 4, 9])

    def test_async_for_over_an_async_task(self):
        self.assertEqual(collect(go(tasks.async_double, range(4))), [0, 2, 4, 6])

    def test_results_are_in_the_order_of_the_items(self):
        self.assertEqual(list(go(tasks.nap, [0.1, 0.05, 0])), [0.1, 0.05, 0])

    def test_async_results_are_in_the_order_of_the_items(self):
        self.assertEqual(collect(go(tasks.nap, [0.1, 0.05, 0])), [0.1, 0.05, 0])

    def test_an_empty_iterable_gives_nothing(self):
        self.assertEqual(list(go(tasks.square, [])), [])

    def test_an_empty_iterable_gives_nothing_to_async_for(self):
        self.assertEqual(collect(go(tasks.square, [])), [])

    def test_it_is_an_iterator_and_no_list(self):
        job = go(tasks.square, [3])
        self.assertRaises(TypeError, len, job)
        self.assertEqual([*iter(job)], [9])

    def test_next_by_hand_ends_with_stop_iteration(self):
        job = go(tasks.square, [3])
        self.assertEqual(next(job), 9)
        self.assertRaises(StopIteration, next, job)

    def test_results_can_be_summed_up_while_they_come(self):
        self.assertEqual(sum(go(tasks.square, [1, 2, 3, 4])), 30)

    def test_any_iterable_is_an_input(self):
        for items in (range(3), (i for i in range(3)), {0: "a", 1: "b", 2: "c"}, (0, 1, 2)):
            self.assertEqual(list(go(tasks.square, items)), [0, 1, 4])

    def test_items_and_results_may_be_text(self):
        self.assertEqual(list(go(tasks.async_fails, ["a", "c"])), ["echo:a", "echo:c"])

    def test_a_hundred_items(self):
        self.assertEqual(list(go(tasks.square, list(range(100)))), [i * i for i in range(100)])

    def test_a_result_that_is_none(self):
        self.assertEqual(list(go(tasks.async_nap, [0, 0])), [None, None])

    def test_the_task_can_be_called_directly_beside_it(self):
        doubled = list(go(tasks.square, [3, 7]))
        self.assertEqual(tasks.square(2) + doubled[0] + doubled[1], 62)

    def test_a_map_over_the_results_of_a_map(self):
        self.assertEqual(list(go(tasks.square, list(go(tasks.square, [1, 2, 3])))), [1, 16, 81])

    def test_a_map_in_a_task_of_a_map(self):
        self.assertEqual(list(go(tasks.nested, [2, 3])), [1, 5])


class SeveralIterables(unittest.TestCase):
    def test_two_are_zipped(self):
        self.assertEqual(list(go(tasks.add, [1, 2, 3], [10, 20, 30])), [11, 22, 33])

    def test_three_are_zipped(self):
        self.assertEqual(list(go(tasks.three, "ab", [1, 2], [True, None])), ["a-1-True", "b-2-None"])

    def test_the_shortest_ends_it(self):
        self.assertEqual(list(go(tasks.add, [1, 2, 3], [10], strict=False)), [11])

    def test_one_that_is_empty_ends_it_at_once(self):
        self.assertEqual(list(go(tasks.add, [1, 2, 3], [], strict=False)), [])

    def test_async_for_zips_too(self):
        self.assertEqual(collect(go(tasks.add, [1, 2], [10, 20])), [11, 22])


class Exceptions(unittest.TestCase):
    def test_they_stand_in_their_places(self):
        got = list(go(tasks.odd_fails, [0, 1, 2], return_exceptions=True))
        self.assertEqual([got[0], got[2]], [0, 2])
        self.assertIsInstance(got[1], Exception)

    def test_they_say_what_was_raised(self):
        (e,) = go(tasks.odd_fails, [3], return_exceptions=True)
        self.assertEqual((e.type, e.message), ("ValueError", "3 is odd"))

    def test_they_can_be_raised_by_the_caller(self):
        with self.assertRaisesRegex(TaskError, "1 is odd"):
            for r in go(tasks.odd_fails, [0, 1], return_exceptions=True):
                if isinstance(r, Exception):
                    raise r

    def test_async_for_keeps_them_in_their_places(self):
        got = collect(go(tasks.async_fails, ["a", "b", "c"], return_exceptions=True))
        self.assertEqual((got[0], got[1].message, got[2]), ("echo:a", "boom:b", "echo:c"))

    def test_those_of_an_async_task_in_a_for_loop(self):
        self.assertEqual(list(go(tasks.async_fails, "ab", return_exceptions=True))[1].message, "boom:b")

    def test_all_may_fail(self):
        got = list(go(tasks.odd_fails, [1, 3, 5], return_exceptions=True))
        self.assertEqual([e.message for e in got], ["1 is odd", "3 is odd", "5 is odd"])

    def test_they_stand_in_their_places_under_a_limit(self):
        got = list(go(tasks.odd_fails, [0, 2, 4, 3, 6, 8], concurrency=2, return_exceptions=True))
        self.assertIsInstance(got.pop(3), TaskError)
        self.assertEqual(got, [0, 2, 4, 6, 8])

    def test_not_kept_the_first_is_raised(self):
        self.assertRaisesRegex(TaskError, "1 is odd", list, go(tasks.odd_fails, [0, 1, 3], return_exceptions=False))

    def test_not_kept_async_for_raises_the_first(self):
        self.assertRaisesRegex(TaskError, "boom:b", collect, go(tasks.async_fails, "abc", return_exceptions=False))

    def test_its_own_class_is_raised_where_it_is_listed(self):
        self.assertRaisesRegex(ValueError, "1 is odd", list, go(tasks.odd_fails, [1], raises=[ValueError]))

    def test_what_came_before_the_first_is_given(self):
        job, got = go(tasks.odd_fails, [0, 2, 1]), []
        with self.assertRaises(TaskError):
            for v in job:
                got.append(v)
        self.assertEqual(got, [0, 2])

    def calls_until_the_failure(self, **options):
        with tempfile.TemporaryDirectory() as folder:
            with fanmap.Fleet(local=True, slots=3) as fleet:
                job = go(tasks.fails_at, range(100), bind={"folder": folder, "at": 2}, fleet=fleet, **options)
                self.assertRaisesRegex(TaskError, "stop at 2", list, job)
            return len(os.listdir(folder))

    def test_raised_under_a_limit_it_cancels_the_rest(self):
        self.assertLess(self.calls_until_the_failure(concurrency=2), 20)

    def test_raised_without_a_limit_it_cancels_the_rest(self):
        self.assertLess(self.calls_until_the_failure(), 60)

    def test_a_task_that_nobody_has(self):
        (e,) = go("tasks:nonexistent", [1], return_exceptions=True)
        self.assertRegex(e.message, "nonexistent")


class Partials(unittest.TestCase):
    def test_keywords_are_the_same_for_every_item(self):
        job = go(functools.partial(tasks.three, c="shared", b="daniel"), range(100))
        self.assertEqual(list(job), [f"{i}-daniel-shared" for i in range(100)])

    def test_arguments_by_place_come_before_the_item(self):
        self.assertEqual(list(go(functools.partial(tasks.three, "bound", c="k"), [1, 2])), ["bound-1-k", "bound-2-k"])

    def test_of_an_async_task(self):
        self.assertEqual(collect(go(functools.partial(tasks.async_three, "bound", c="k"), [1])), ["bound-1-k"])

    def test_of_a_decorated_task(self):
        self.assertEqual(list(go(functools.partial(tasks.square), [4])), [16])

    def test_one_that_leaves_nothing_for_the_item_is_refused(self):
        self.assertRaises(TypeError, go, functools.partial(tasks.three, 1, 2, 3), [1])

    def test_one_whose_item_would_meet_a_bound_keyword_is_refused(self):
        self.assertRaisesRegex(TypeError, "multiple values", go, functools.partial(tasks.three, a=1, b=2), [1])

    def test_one_that_binds_a_parameter_twice_is_refused(self):
        self.assertRaisesRegex(TypeError, "multiple values", go, functools.partial(tasks.three, 1, a=2), [1])


class Concurrency(unittest.TestCase):
    def most(self, items, concurrency, slots, wanted):
        """How many were there at once, where each waits for so many."""
        with tempfile.TemporaryDirectory() as folder, fanmap.Fleet(local=True, slots=slots) as fleet:
            bound = {"folder": folder, "wanted": wanted}
            got = list(go(tasks.met, range(items), bind=bound, concurrency=concurrency, fleet=fleet))
        self.assertEqual([g[0] for g in got], list(range(items)))
        return max(g[1] for g in got)

    def test_so_many_run_at_once(self):
        self.assertEqual(self.most(10, 3, 6, wanted=3), 3)

    def test_it_is_never_above(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertLessEqual(max(go(tasks.record, [folder] * 200, concurrency=2)), 2)

    def test_one_is_one_after_the_other(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(list(go(tasks.record, [folder] * 20, concurrency=1)), [1] * 20)

    def test_zero_is_no_limit(self):
        self.assertEqual(self.most(10, 0, 10, wanted=10), 10)

    def test_more_than_there_are_items(self):
        self.assertEqual(self.most(3, 100, 3, wanted=3), 3)

    def test_fifty_thousand_items_under_a_limit_are_all_there(self):
        self.assertEqual(sum(1 for i, v in enumerate(go(tasks.identity, range(50_000), concurrency=5)) if i == v), 50_000)


class EndsAndNames(unittest.TestCase):
    def check_free(self):
        self.assertEqual(list(go(tasks.square, [1, 2, 3], timeout=20)), [1, 4, 9])

    def test_break_cancels_the_rest(self):
        for _ in go(tasks.nap, [0] + [60] * 9):
            break
        self.check_free()

    def test_leaving_async_for_cancels_the_rest(self):
        async def main():
            async with go(tasks.nap, [0] + [60] * 9) as job:
                async for _ in job:
                    break

        asyncio.run(main())
        self.check_free()

    def test_an_async_caller_that_is_cancelled_cancels_the_rest(self):
        async def main():
            await asyncio.wait_for(asyncio.ensure_future(self.all_of(go(tasks.nap, [60] * 9))), 0.3)

        self.assertRaises(asyncio.TimeoutError, asyncio.run, main())
        self.check_free()

    @staticmethod
    async def all_of(job):
        return [v async for v in job]

    def test_its_repr_names_the_task(self):
        with go(tasks.square, [1]) as job:
            self.assertIn("of square", repr(job))

    def test_a_group_name_is_a_job_id(self):
        with go(tasks.square, [1, 2], job_id="my-batch") as job:
            self.assertEqual((job.id, list(job)), ("my-batch", [1, 4]))

    def test_without_a_name_it_has_one(self):
        with go(tasks.square, [1]) as a, go(tasks.square, [1]) as b:
            self.assertTrue(a.id and b.id and a.id != b.id)

    def test_the_retries_of_the_task_hold(self):
        self.assertEqual(list(go(tasks.third_time, [1, 2])), [[1, 3], [2, 3]])


if __name__ == "__main__":
    unittest.main()
