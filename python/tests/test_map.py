"""fanmap.map embedded: order, exceptions, laziness, ends of every kind."""

import contextlib
import copy
import functools
import gc
import itertools
import logging
import os
import pickle
import sys
import tempfile
import threading
import time
import unittest

import left
import tasks

import fanmap
from fanmap import TaskError

FLEET = fanmap.Fleet(local=True, slots=3)


def tearDownModule():
    FLEET.close()


def pull(task, *iterables, **options):
    return list(fanmap.map(task, *iterables, fleet=options.pop("fleet", FLEET), **options))


class Order(unittest.TestCase):
    def test_values_in_the_order_of_the_items(self):
        self.assertEqual(pull(tasks.square, range(3000)), [i * i for i in range(3000)])

    def test_a_slow_first_item_holds_nothing_but_its_place(self):
        naps = [0.2] + [0] * 50
        self.assertEqual(pull(tasks.nap, naps), naps)

    def test_unordered_gives_each_once(self):
        with tempfile.TemporaryDirectory() as folder:
            path, got = os.path.join(folder, "others"), []
            for v in fanmap.map(tasks.waits_for, [path, "", "", "", ""], ordered=False, fleet=FLEET):
                got.append(v)
                if len(got) == 4:
                    tasks.FileEvent(path).set()
        self.assertEqual(got, ["", "", "", "", path])

    def test_an_empty_input(self):
        self.assertEqual(pull(tasks.square, []), [])

    def test_one_item(self):
        self.assertEqual(pull(tasks.square, iter([9])), [81])

    def test_two_iterables_are_zipped(self):
        self.assertEqual(pull(tasks.add, range(5), [10] * 5), [10, 11, 12, 13, 14])

    def test_three_iterables_and_other_types(self):
        self.assertEqual(pull(max, [1, 5], [3, 3], [2, 9]), [3, 9])

    def test_unequal_lengths_raise_where_the_shortest_ends(self):
        job = iter(fanmap.map(tasks.add, [1, 2, 3], [10, 20], fleet=FLEET))
        self.assertEqual([next(job), next(job)], [11, 22])
        with self.assertRaisesRegex(ValueError, "iterable 2 ends after 2 items, iterable 1 does not"):
            next(job)
        self.assertEqual(list(job), [])

    def test_unequal_lengths_not_strict(self):
        self.assertEqual(pull(tasks.add, itertools.count(), [10, 20], strict=False), [10, 21])

    def test_a_list_item_is_one_argument(self):
        self.assertEqual(pull(sum, [[1, 2], [3]]), [3, 3])

    def test_starmap(self):
        got = fanmap.starmap(tasks.power, [(2, 3), (5,), [3, 3]], fleet=FLEET)
        self.assertEqual(list(got), [8, 25, 27])

    def test_as_completed(self):
        got = list(fanmap.as_completed(tasks.odd_fails, range(4), fleet=FLEET))
        self.assertEqual(sorted(o.index for o in got), [0, 1, 2, 3])
        for o in got:
            if o.index % 2:
                self.assertEqual(o.error.type, "ValueError")
                self.assertRaises(TaskError, o.result)
            else:
                self.assertEqual((o.result(), o.attempts), (o.index, 1))

    def test_several_maps_side_by_side(self):
        a = fanmap.map(tasks.square, range(500), fleet=FLEET)
        b = fanmap.map(tasks.identity, range(500), fleet=FLEET)
        self.assertEqual(list(zip(a, b)), [(i * i, i) for i in range(500)])

    def test_a_map_of_a_map(self):
        inner = fanmap.map(tasks.square, range(200), fleet=FLEET)
        self.assertEqual(pull(tasks.square, inner), [i**4 for i in range(200)])

    def test_a_map_inside_a_task(self):
        self.assertEqual(pull(tasks.nested, [3, 4]), [5, 14])

    def test_next_and_iter(self):
        job = fanmap.map(tasks.square, range(3), fleet=FLEET)
        self.assertEqual([next(job), next(job), next(job)], [0, 1, 4])
        self.assertRaises(StopIteration, next, job)
        self.assertEqual(list(job), [])


class Functions(unittest.TestCase):
    def test_by_name(self):
        self.assertEqual(pull("tasks:square", [3]), [9])
        self.assertEqual(pull("math:sqrt", [9.0]), [3.0])

    def test_a_name_alone_needs_a_fleet(self):
        self.assertRaisesRegex(ValueError, "module:name", fanmap.map, "square", [1], fleet=FLEET)

    def test_builtins_static_methods_and_decorated(self):
        self.assertEqual(pull(len, ["abc", []]), [3, 0])
        self.assertEqual(pull(tasks.Tool.half, [3]), [1.5])
        self.assertEqual(tasks.square(5), 25)

    def test_lambdas_and_closures_go_by_value(self):
        k = 10
        helper = functools.lru_cache(tasks.add)
        self.assertEqual(pull(lambda x: x + k, [1, 2]), [11, 12])

        def deep(x, extra=(1, 2)):
            return inner(x) + sum(extra) + len(os.sep)

        def inner(x):
            return x * k if x < 5 else deep(x - 5)

        self.assertEqual(pull(deep, [1, 6]), [14, 18])
        self.assertTrue(helper)

    def test_what_cannot_go_says_so(self):
        lock = threading.Lock()
        with self.assertRaisesRegex(TypeError, "cannot go along to a slot by value.*lock"):
            fanmap.map(lambda x: lock, [1], fleet=FLEET)

    def test_no_function_at_all(self):
        self.assertRaisesRegex(TypeError, "is no task", fanmap.map, 7, [1], fleet=FLEET)
        self.assertRaisesRegex(TypeError, "at least one iterable", fanmap.map, tasks.square, fleet=FLEET)
        self.assertRaises(TypeError, fanmap.map, tasks.square, 5, fleet=FLEET)

    def test_partial_and_bind(self):
        self.assertEqual(pull(functools.partial(tasks.show, unit="km"), [1, 2]), ["1km", "2km"])
        self.assertEqual(pull(tasks.show, [1], bind={"unit": "mm", "scale": 3}), ["3mm"])
        self.assertEqual(pull(functools.partial(tasks.show, unit="a"), [1], bind={"unit": "b"}), ["1b"])
        self.assertEqual(pull(functools.partial(tasks.power, 2), [3, 4]), [8, 16])
        self.assertEqual(pull(functools.partial(tasks.show, 2), ["cm"], bind={"scale": 3}), ["6cm"])
        self.assertEqual(pull(functools.partial(max, 4), [1, 5], [2, 3]), [4, 5])
        self.assertRaisesRegex(
            TypeError, "unexpected keyword.*unti", fanmap.map, tasks.show, [1], bind={"unti": 1}, fleet=FLEET
        )
        self.assertRaisesRegex(TypeError, "bind unit", fanmap.map, tasks.show, [1], bind={"unit": {1}}, fleet=FLEET)

    def test_bound_values_of_every_kind(self):
        for value in (b"\0\xff", {"$binary": "AA=="}, {"a": [None, 1.5, "é"]}, 1 << 63):
            self.assertEqual(pull(tasks.show, [1], bind={"unit": value}), [f"1{value}"])

    def test_generators_are_refused(self):
        self.assertRaisesRegex(TypeError, "is a generator", fanmap.map, tasks.generator, [1], fleet=FLEET)
        self.assertRaisesRegex(TypeError, "is a generator", fanmap.task, tasks.generator)

    def test_dicts_become_what_a_parameter_is_annotated_with(self):
        line = tasks.Line([tasks.Point(1, 2)], before=tasks.Line([]))
        self.assertEqual(pull(tasks.mirror, [tasks.Point(1, 2)]), [{"x": 2, "y": 1}])
        self.assertEqual(pull(tasks.measures, [line]), [["Line", "Point", "Line", 3]])
        self.assertEqual(pull(tasks.measures, [line], bind={"more": None}), [["Line", "Point", "Line", 3]])
        (got,) = fanmap.starmap(tasks.measures, [(line, {"a": [line, line]})], fleet=FLEET)
        self.assertEqual(got, ["Line", "Point", "Line", "Line", "Line", 3])
        self.assertEqual(pull(tasks.sums, [tasks.Point(i, 1) for i in range(20)]), list(range(1, 21)))

    def test_a_name_for_type_checkers_only_hides_no_other_annotation(self):
        self.assertEqual(pull(tasks.partly_known, ["a", "b"]), [["a", 0], ["b", 1]])

    @unittest.skipIf(sys.version_info < (3, 14), "annotations are looked at late from 3.14 on")
    def test_a_name_that_is_looked_at_late(self):
        space = {"fanmap": fanmap, "__name__": "nowhere"}
        exec("def late(x: OnlyForTypeCheckers, ctx: fanmap.Context):\n    return [x, ctx.index]", space)
        self.assertEqual(pull(space["late"], ["a", "b"]), [["a", 0], ["b", 1]])

    def test_errors_name_the_function(self):
        (e,) = pull(tasks.three, [1], return_exceptions=True)
        self.assertIn("three takes several arguments", e.message)

    def test_async_functions(self):
        self.assertEqual(pull(tasks.async_double, range(5)), [0, 2, 4, 6, 8])


class Errors(unittest.TestCase):
    def test_exceptions_in_their_places(self):
        got = pull(tasks.odd_fails, range(6), return_exceptions=True)
        self.assertEqual([v for v in got if not isinstance(v, TaskError)], [0, 2, 4])
        e = got[3]
        self.assertEqual((e.index, e.kind, e.type, e.message, e.attempts), (3, "exception", "ValueError", "3 is odd", 1))
        self.assertIn("in odd_fails", e.traceback)
        self.assertTrue(e.traceback.startswith("Traceback (most recent"))
        self.assertIn("item 3: ValueError: 3 is odd", str(e))

    def test_the_first_in_order_raises(self):
        job = fanmap.map(tasks.odd_fails, [0, 2, 3, 5, 4], fleet=FLEET)
        got = []
        with self.assertRaises(TaskError) as raised:
            for v in job:
                got.append(v)
        self.assertEqual(got, [0, 2])
        self.assertEqual(raised.exception.index, 2)
        self.assertEqual(list(job), [])

    def test_an_exception_that_cannot_be_unpickled_hides_nothing(self):
        with self.assertRaises(TaskError) as raised:
            pull(tasks.picky, ["x"])
        self.assertEqual(raised.exception.type, "tasks.Picky")
        with self.assertRaises(TaskError):
            pull(tasks.picky, ["x"], raises=[tasks.Picky])

    @unittest.skipIf(sys.version_info < (3, 11), "except* is of 3.11")
    def test_except_star(self):
        space = {"pull": pull, "tasks": tasks, "TaskError": TaskError, "got": []}
        exec("try:\n    pull(tasks.odd_fails, [1])\nexcept* TaskError as group:\n    got.extend(group.exceptions)\n", space)
        exec("try:\n    raise ExceptionGroup('all', pull(tasks.odd_fails, [1, 3], return_exceptions=True))\n"
             "except* TaskError as group:\n    got.extend(group.exceptions)\n", space)  # fmt: skip
        self.assertEqual([e.message for e in space["got"]], ["1 is odd", "1 is odd", "3 is odd"])

    def test_a_task_error_can_be_pickled(self):
        (e,) = pull(tasks.odd_fails, [1], return_exceptions=True)
        again = pickle.loads(pickle.dumps(e))
        self.assertEqual((str(again), again.index, again.kind), (str(e), 0, "exception"))

    def test_listed_classes_are_raised_themselves(self):
        with self.assertRaisesRegex(ValueError, "1 is odd") as raised:
            pull(tasks.odd_fails, [1], raises=[KeyError, ValueError])
        self.assertIsInstance(raised.exception.__cause__, TaskError)
        with self.assertRaises(TaskError):
            pull(tasks.odd_fails, [1], raises=[KeyError])

    def test_chained_tracebacks_are_whole(self):
        e = pull(tasks.chained, ["k"], return_exceptions=True)[0]
        self.assertEqual(e.type, "RuntimeError")
        self.assertIn("KeyError: 'k'", e.traceback)
        self.assertIn("direct cause", e.traceback)

    def test_exceptions_that_cannot_say_what_they_are(self):
        for task, message in (
            (tasks.without_a_message, "no message: its __str__ raises KeyError"),
            (tasks.says_a_surrogate, "a lone \\ud800"),
            (tasks.cancels_itself, "the task was cancelled from inside: CancelledError"),
        ):
            (e,) = pull(task, [1], return_exceptions=True)
            self.assertEqual((e.kind, e.message), ("exception", message))

    def test_stderr_goes_along_and_the_traceback_stands_apart(self):
        e = pull(tasks.talks, [1], return_exceptions=True)[0]
        self.assertIn("on stderr 1", e.stderr)
        self.assertNotIn("on stderr", e.traceback)

    def test_values_that_are_none(self):
        e = pull(tasks.gives_generator, [1], return_exceptions=True)[0]
        self.assertEqual(e.type, "TypeError")
        self.assertIn("return a list", e.message)
        e = pull(tasks.power, [2], bind={"exponent": 70}, return_exceptions=True)[0]
        self.assertIn("64 bits", e.message)

    def test_an_exception_that_is_returned_is_a_value(self):
        (e,) = pull(tasks.gives_exception, ["x"], return_exceptions=True)
        self.assertIn("no value that fanmap carries", e.message)
        (value,) = pull(tasks.gives_exception, ["x"], pickle=True)
        self.assertEqual(repr(value), "ValueError('x')")

    def test_items_that_are_none_stand_in_their_places(self):
        got = pull(tasks.identity, [1, object(), 3, 1 << 70], return_exceptions=True)
        self.assertEqual((got[0], got[2]), (1, 3))
        self.assertEqual([got[1].kind, got[3].kind], ["bad_input", "bad_input"])
        self.assertIn("64 bits", got[3].message)

    def test_too_large(self):
        got = pull(tasks.identity, ["x" * 100, "y"], item_max=50, return_exceptions=True)
        self.assertEqual((got[0].kind, got[1]), ("too_large", "y"))

    def test_exits_and_crashes(self):
        got = pull(tasks.leaves, [3], return_exceptions=True)
        self.assertEqual((got[0].kind, got[0].exit_status), ("exit", 3))
        self.assertEqual(pull(tasks.exits, [4], return_exceptions=True)[0].exit_status, 4)

    def test_timeouts(self):
        e = pull(tasks.nap, [60], timeout=0.2, return_exceptions=True)[0]
        self.assertEqual(e.kind, "timeout")
        e = pull(tasks.too_slow, [60], return_exceptions=True)[0]
        self.assertEqual(e.kind, "timeout")
        self.assertEqual(pull(tasks.async_nap, [60], timeout="200ms", return_exceptions=True)[0].kind, "timeout")

    def test_retries(self):
        self.assertEqual(pull(tasks.third_time, [7]), [[7, 3]])
        e = pull(tasks.third_time, [7], retries=1, return_exceptions=True)[0]
        self.assertEqual((e.attempts, e.message), (2, "attempt 2"))
        e = pull(tasks.final, [7], return_exceptions=True)[0]
        self.assertEqual((e.attempts, e.message), (1, "never 7"))

    def test_options_that_are_wrong(self):
        for options in ({"concurrency": -1}, {"timeout": "soon"}, {"queue": "A B"}, {"nonsense": 1}, {"job_id": "a b"}):
            with self.subTest(options=options), self.assertRaises(fanmap.FanmapError):
                fanmap.map(tasks.square, [1], fleet=FLEET, **options)
        for timeout in (-1, float("nan"), float("inf")):
            self.assertRaisesRegex(ValueError, "from 0 on", fanmap.map, tasks.square, [1], timeout=timeout, fleet=FLEET)
        self.assertRaisesRegex(ValueError, "NUL", fanmap.map, tasks.square, [1], job_id="a\0b", fleet=FLEET)
        self.assertRaises(ValueError, fanmap.map, tasks.square, [1], buffersize=0, fleet=FLEET)

    def test_deadline_and_halt(self):
        with self.assertRaises(fanmap.JobStopped):
            pull(tasks.nap, [60], deadline=0.2, return_exceptions=True)
        with self.assertRaises(fanmap.JobStopped):
            pull(tasks.odd_fails, [0, 1] + [2] * 5, fail_fast=True, return_exceptions=True)


class Input(unittest.TestCase):
    def test_an_endless_input_is_read_as_far_as_needed(self):
        job = fanmap.map(tasks.square, itertools.count(), fleet=FLEET)
        self.assertEqual(list(itertools.islice(job, 2000)), [i * i for i in range(2000)])

    def test_buffersize_bounds_what_is_taken(self):
        taken = []

        def items():
            for i in range(100):
                taken.append(i)
                yield i

        given = 0
        for _ in fanmap.map(tasks.square, items(), buffersize=5, fleet=FLEET):
            given += 1
            self.assertLessEqual(len(taken) - given, 5)
        self.assertEqual(given, 100)

    def test_nothing_is_read_before_it_is_iterated(self):
        taken = []
        job = fanmap.map(tasks.square, (taken.append(i) or i for i in range(10)), fleet=FLEET)
        self.assertEqual(taken, [])
        self.assertEqual(len(list(job)), 10)

    def test_a_slow_source_holds_no_outcome_for_long(self):
        def items():
            for i in range(4):
                yield i
                time.sleep(0.2)

        began = time.monotonic()
        next(iter(fanmap.map(tasks.square, items(), fleet=FLEET)))
        self.assertLess(time.monotonic() - began, 10)

    def test_an_error_of_the_input_comes_at_its_place(self):
        def items():
            yield 1
            yield 2
            raise KeyError("the source")

        got = []
        with self.assertRaisesRegex(KeyError, "the source"):
            for v in fanmap.map(tasks.square, items(), fleet=FLEET):
                got.append(v)
        self.assertEqual(got, [1, 4])

    def test_a_source_is_closed_when_the_loop_is_left(self):
        closed = []

        def items():
            try:
                yield from itertools.count()
            finally:
                closed.append(True)

        for _ in fanmap.map(tasks.square, items(), fleet=FLEET):
            break
        gc.collect()
        self.assertEqual(closed, [True])

    def test_concurrency_is_never_above(self):
        with tempfile.TemporaryDirectory() as folder, fanmap.Fleet(local=True, slots=6) as fleet:
            met = pull(tasks.met, range(8), bind={"folder": folder, "wanted": 4}, concurrency=4, fleet=fleet)
            os.unlink(os.path.join(folder, "reached"))
            got = pull(tasks.record, [folder] * 400, concurrency=4, fleet=fleet)
        self.assertEqual(max(most for _, most in met), 4)
        self.assertLessEqual(max(got), 4)


class Ends(unittest.TestCase):
    def long(self, **options):
        return fanmap.map(tasks.nap, [0] + [60] * 10, fleet=FLEET, **options)

    def running(self, job):
        return job.stats().running

    def is_free(self):
        """The slots take other work at once: what ran is gone."""
        began = time.monotonic()
        self.assertEqual(pull(tasks.square, range(6)), [0, 1, 4, 9, 16, 25])
        self.assertLess(time.monotonic() - began, 20)

    def test_break(self):
        for _ in self.long():
            break
        self.is_free()

    def test_an_exception_in_the_body(self):
        with self.assertRaises(ZeroDivisionError):
            for _ in self.long():
                1 / 0  # noqa: B018
        self.is_free()

    def test_an_interrupt_while_a_line_is_logged(self):
        class Interrupted(logging.Handler):
            def emit(self, record):
                raise KeyboardInterrupt

        logger, handler, before = logging.getLogger("fanmap"), Interrupted(), logging.getLogger("fanmap").level
        logger.addHandler(handler)
        self.addCleanup(logger.removeHandler, handler)
        logger.setLevel(logging.INFO)
        self.addCleanup(logger.setLevel, before)
        with fanmap.Fleet(local=True, slots=1) as fleet, self.assertRaises(KeyboardInterrupt):
            for _ in fanmap.map(tasks.square, itertools.count(), fleet=fleet):
                pass  # a line was written when its slots started

    def test_close_and_with(self):
        with self.long() as job:
            self.assertEqual(next(job), 0)
        self.assertEqual(list(job), [])
        job.close()
        self.is_free()

    def ended_by_its_input(self, fleet, end):
        jobs = []

        def items():
            yield 1
            end(jobs[0])
            yield 2

        jobs.append(fanmap.map(tasks.square, items(), fleet=fleet))
        with contextlib.suppress(fanmap.JobStopped):
            self.assertEqual(list(jobs[0]), [])
        self.assertEqual((list(jobs[0]), jobs[0]._handle), ([], None))

    def test_closed_by_its_own_input(self):
        with fanmap.Fleet(local=True, slots=1) as fleet:
            self.ended_by_its_input(fleet, lambda job: job.close())
            self.ended_by_its_input(fleet, lambda job: fleet.close())
            with self.assertRaisesRegex(RuntimeError, "its own input asks"):
                self.ended_by_its_input(fleet, next)
            self.assertEqual(pull(tasks.square, [3], fleet=fleet), [9])

    def test_a_job_is_not_copied(self):
        with self.long() as job:
            self.assertRaisesRegex(TypeError, "neither copied nor pickled", copy.copy, job)

    def test_garbage(self):
        job = self.long()
        next(job)
        del job
        gc.collect()
        self.is_free()

    def test_never_iterated(self):
        self.long()
        gc.collect()
        self.is_free()

    def test_cancelled_from_inside_the_loop(self):
        job = self.long(return_exceptions=True)
        got = []
        with self.assertRaises(fanmap.JobStopped):
            for v in job:
                got.append(v)
                if len(got) == 1:
                    job.cancel()
        self.assertEqual({e.kind for e in got[1:]}, {"cancelled"})

    def test_a_task_may_tidy_up_when_it_is_cancelled(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "tidied")
            job = fanmap.map(tasks.tidy, [path], fleet=FLEET, timeout=3, return_exceptions=True)
            self.assertEqual(next(job).kind, "timeout")
            self.assertTrue(os.path.exists(path))

    def test_pause_resume_and_concurrency(self):
        job = fanmap.map(tasks.square, itertools.count(), fleet=FLEET, concurrency=2)
        next(job)
        job.pause()
        self.assertTrue(job.stats().paused)
        job.resume()
        job.set_concurrency(3)
        self.assertEqual(next(job), 1)
        job.close()
        with self.assertRaises(fanmap.FanmapError):
            job.pause()

    def test_stats_and_repr(self):
        job = fanmap.map(tasks.odd_fails, range(10), fleet=FLEET, return_exceptions=True)
        list(job)
        s = job.stats()
        self.assertEqual((s.known, s.delivered, s.failed, s.total, s.done), (10, 10, 5, 10, True))
        self.assertRegex(repr(job), r"<fanmap.Job \S+ of odd_fails: done, 10 of 10, 5 failed>")
        self.assertEqual(repr(FLEET), "<fanmap.Fleet on this machine>")

    def test_a_thousand_maps_in_a_row_leave_nothing(self):
        fleet = fanmap.Fleet(local=True, slots=2)
        left.use_slots(fleet, 2)
        left.use_slots(FLEET, 3)
        fds, kids, memory = left.descriptors(), left.children(), 0
        for i in range(1000):
            self.assertEqual(pull(tasks.square, [i], fleet=fleet), [i * i])
            memory = left.memory() if i == 250 else memory
        self.assertLessEqual(left.descriptors(), fds)
        self.assertEqual(left.children(), kids)
        self.assertLess(left.memory() - memory, left.SLACK)
        fleet.close()
        left.wait_until(lambda: left.children() < kids)

    def test_loops_that_are_left_leave_nothing(self):
        """By break and by an exception, with items under way and more to come."""
        left.use_slots(FLEET, 3)
        fds, kids = left.descriptors(), left.children()
        for i in range(12):
            with self.assertRaises(ZeroDivisionError):
                for _ in fanmap.map(tasks.square, itertools.count(), fleet=FLEET):
                    if i % 2:
                        break
                    raise ZeroDivisionError
                1 / 0  # noqa: B018
        # one that an earlier test's slot had may have been counted before, and be gone; a slot that is started anew has more
        left.wait_until(lambda: left.descriptors() <= fds)
        self.assertEqual(left.children(), kids)

    def test_fleets_with_other_numbers_of_slots_are_not_kept_for_ever(self):
        fleet = fanmap.Fleet(local=True)
        kids = left.children()
        for n in range(1, 7):
            self.assertEqual(pull(tasks.square, [n], fleet=fleet, concurrency=n), [n * n])
        self.assertLessEqual(len(fleet._threads.connections), 3)
        fleet.close()
        left.wait_until(lambda: left.children() <= kids)

    def test_threads_have_connections_of_their_own(self):
        got = {}

        def one(k):
            got[k] = pull(tasks.square, range(k, k + 50))
            FLEET.close()

        threads = [threading.Thread(target=one, args=(k,)) for k in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(got, {k: [i * i for i in range(k, k + 50)] for k in range(4)})

    def test_a_job_may_go_to_another_thread(self):
        job = fanmap.map(tasks.square, range(100), fleet=FLEET)
        got = [next(job)]
        thread = threading.Thread(target=lambda: got.extend(job))
        thread.start()
        thread.join()
        self.assertEqual(got, [i * i for i in range(100)])

    def test_a_slow_body_does_not_stop_the_slots(self):
        began = time.monotonic()
        for _ in fanmap.map(tasks.nap, [0.05] * 12, fleet=FLEET):
            time.sleep(0.05)
        self.assertLess(time.monotonic() - began, 5)

    def test_a_closed_fleet(self):
        fleet = fanmap.Fleet(local=True, slots=1)
        job = fanmap.map(tasks.nap, [60], fleet=fleet)
        fleet.close()
        self.assertRaisesRegex(fanmap.JobStopped, "its fleet was closed", next, job)
        self.assertEqual(list(job), [])
        self.assertEqual(pull(tasks.square, [2], fleet=fleet), [4])
        fleet.close()


class Refused(unittest.TestCase):
    def test_what_takes_a_fleet(self):
        self.assertRaisesRegex(fanmap.FanmapError, "takes a fleet", fanmap.submit, tasks.square, [1], fleet=FLEET)
        self.assertRaisesRegex(fanmap.FanmapError, "takes a fleet", fanmap.gather, "some-job", fleet=FLEET)
        self.assertRaises(ValueError, fanmap.Fleet, brokers="x:1", local=True)

    def test_positions(self):
        job = fanmap.map(tasks.square, [1, 2], fleet=FLEET)
        self.assertRaisesRegex(fanmap.FanmapError, "leaves nothing to go on with", getattr, job, "position")
        self.assertEqual(list(job), [1, 4])
        self.assertRaisesRegex(fanmap.FanmapError, "is closed", getattr, job, "position")

    def test_a_broker_that_is_not_there(self):
        logging.getLogger("fanmap").setLevel(logging.CRITICAL)
        with fanmap.Fleet(brokers="127.0.0.1:1", redis="none", connect_timeout=0.5) as fleet:
            with self.assertRaises(fanmap.FanmapError) as raised:
                pull("square", [1], fleet=fleet)
            self.assertEqual(raised.exception.code, -4)
            with self.assertRaisesRegex(TypeError, "cannot be imported by a worker"):
                fanmap.map(lambda x: x, [1], fleet=fleet)


if __name__ == "__main__":
    unittest.main()
