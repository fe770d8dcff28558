"""What nobody sent in good faith, or by mistake: records and keys that this version would never write."""
import ctypes
import json
import os
import signal
import time

import raw
from fleet import FANMAP, PATIENCE, Case, seq, wait_until
from test_list_rules import Maker


def pack(value):
    return Maker(None, 0).pack(value)


def spec(job, partition=0, start_offset=0, **changed):
    """A spec as schemas/README.md has it."""
    fields = [1, job, "echo", "default", 8, partition, start_offset, 1700000000000, 0, "n" * 32, 15000, 0, 1000, 2000, 300000, 0, 5000, 0, False,
              [0, 0, 1, False], 3, 1 << 20, 1 << 20, changed.get("is_signed", False), None]
    return fields


class Keys(Case):
    def test_keys_of_another_type_hide_no_workers(self):
        """Another program's strings stand where presence has its sorted sets and hashes."""
        self.on_fleet()
        for key in ("serve.default.echo", "bounds.default.echo", "workers", "workers.seen"):
            self.redis.ask("SET", f"{self.namespace}.{key}", "x")
        worker = self.worker()
        wait_until(lambda: "ready" in worker.err(), 60 * PATIENCE, "the worker is ready")
        self.run_map("echo", "--no-wait", "-j", "2", data=seq(1, 20))
        self.assertIn("echo", self.run_fanmap("workers").out().decode())


class JobsTopic(Case):
    partitions = 2

    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.run_fanmap("topics", "--create", "--partitions", self.partitions)

    def jobs(self, *records):
        raw.produce(self.kafka.brokers, f"{self.namespace}.jobs", 0, [(key.encode(), pack(value)) for key, value in records])

    def submit(self, job):
        self.run_fanmap("submit", "echo", "--job-id", job, "-j", "2", "--partitions", self.partitions, data=seq(1, 5))

    def test_an_end_without_one_in_the_log_is_repaired_by_cancel(self):
        self.submit("stranded")
        self.jobs(("stranded/end", [1, 1]))
        said = self.run_fanmap("pause", "stranded", exit_status=3)
        self.assert_one_line(said, "its log does not", "cancel")
        self.run_fanmap("cancel", "stranded")
        gathered = self.run_fanmap("gather", "stranded", "--records", exit_status=3)
        self.assertEqual([json.loads(line)["error"]["kind"] for line in gathered.out().splitlines()], ["cancelled"] * 5)
        self.assert_one_line(self.run_fanmap("cancel", "stranded", exit_status=3), "ended already")

    def test_a_version_behind_which_there_is_none(self):
        self.submit("stuck")
        highest = (1 << 64) - 1
        self.jobs(("stuck/paused", [1, 1, highest]), ("stuck/concurrency", [1, 1, highest]))
        self.assert_one_line(self.run_fanmap("resume", "stuck", exit_status=3), "no effect", "highest version")
        self.assert_one_line(self.run_fanmap("set", "stuck", "-j", "5", exit_status=3), "no effect", "highest version")
        self.run_fanmap("cancel", "stuck")

    def test_of_equal_versions_the_first_counts(self):
        """For who only looks as for the workers; and what is set behind them takes effect."""
        self.submit("twice")
        self.jobs(("twice/concurrency", [1, 7, 3]), ("twice/concurrency", [1, 9, 3]), ("twice/concurrency", [1, 11, 2]),
                  ("twice/paused", [1, 1, 1]), ("twice/paused", [1, 0, 1]))
        shown = json.loads(self.run_fanmap("show", "twice", "--json").out())
        self.assertEqual((shown["concurrency"], shown["state"]), (7, "paused"))
        self.run_fanmap("resume", "twice")
        self.run_fanmap("set", "twice", "-j", "4")
        shown = json.loads(self.run_fanmap("show", "twice", "--json").out())
        self.assertEqual((shown["concurrency"], shown["state"]), (4, "running"))

    def test_a_spec_that_points_elsewhere_is_one_bad_row(self):
        self.submit("good")
        self.jobs(("bad/spec", [1, spec("bad", partition=77)]), ("gone/spec", [1, spec("gone", partition=78)]), ("gone/end", [1, 1]))
        rows = [json.loads(line) for line in self.run_fanmap("jobs", "--json").out().splitlines()]
        rows = {row["job"]: row for row in rows}
        self.assertEqual(rows["good"]["published"], 5)
        self.assertTrue(rows["bad"]["log_gone"])
        for words in (("gather", "bad"), ("show", "bad"), ("cancel", "bad")):
            self.assert_one_line(self.run_fanmap(*words, exit_status=6), "partition 77", "which has 2")
        self.run_fanmap("topics", "--clean", bound_s=60)

    def test_records_that_cannot_be_right_go_to_the_dead_letters_once(self):
        """Of two workers, and of those that start later; each says in one line what it has put there, and no other."""
        jobs = f"{self.namespace}.jobs"

        def put(first, n):
            raw.produce(self.kafka.brokers, jobs, 0, [(b"job%d/spec" % i, b"\x93\x01\xc0junk") for i in range(first, first + n)])

        def letters():
            lines = self.run_fanmap("dead", "list", "--json").out().splitlines()
            return sorted(json.loads(line)["offset"] for line in lines)

        put(0, 2000)
        workers = [self.worker(slots=1), self.worker(slots=1)]
        wait_until(lambda: len(letters()) >= 2000, 60 * PATIENCE, "the records that were there before the workers", 0.5)
        put(2000, 3)
        wait_until(lambda: len(letters()) >= 2003, 60 * PATIENCE, "those that came while they ran", 0.5)
        workers[0].signal(signal.SIGTERM)
        self.finish(workers[0], 30)
        workers.append(self.worker(slots=1))
        put(2003, 1)
        wait_until(lambda: len(letters()) >= 2004, 60 * PATIENCE, "the last one", 0.5)
        self.assertEqual(len(set(letters())), 2004)
        self.assertEqual(len(letters()), 2004)

        def said():
            lines = [line for w in workers for line in w.err().splitlines(True) if "records of the jobs topic" in line]
            return [int(line.split("warning: ")[1].split()[0]) for line in lines if line.endswith("\n")]
        wait_until(lambda: sum(said()) >= 2004, 60 * PATIENCE, "they say so")
        self.assertEqual(sum(said()), 2004, said())
        self.assertLessEqual(len(said()), 4)
        self.run_map("echo", "-j", "2", data=seq(1, 20))

    def test_a_log_on_a_partition_that_is_newer_than_the_connection(self):
        """A spec that points beyond what was known of the results topic is looked at twice: the topic may have grown."""
        self.submit("old")
        self.run_fanmap("cancel", "old")
        library = ctypes.CDLL(os.path.join(os.path.dirname(FANMAP), "libfanmap.so"))
        options, f, err = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.create_string_buffer(4096)
        self.assertEqual(library.fanmap_options_new(ctypes.byref(options)), 0)
        for key, value in (("brokers", self.kafka.brokers), ("redis", self.redis.url), ("namespace", self.namespace)):
            self.assertEqual(library.fanmap_options_set(options, key.encode(), value.encode(), err), 0)
        self.assertEqual(library.fanmap_open(options, None, None, ctypes.byref(f), err), 0)

        def end_of(job_id):
            job, outcome, status, n = ctypes.c_void_p(), ctypes.c_void_p(), 0, -1
            self.assertEqual(library.fanmap_gather(f, job_id.encode(), None, ctypes.byref(job), err), 0)
            until = time.monotonic() + 30 * PATIENCE
            while status in (0, 1) and time.monotonic() < until:
                n += status == 0
                status = library.fanmap_next(job, 1000, ctypes.byref(outcome), err)
            library.fanmap_job_close(job)
            return status, n

        stopped, lost = -7, -9
        self.assertEqual(end_of("old")[0], stopped)
        raw.add_partitions(self.kafka.port, f"{self.namespace}.results", 12)
        raw.produce(self.kafka.brokers, f"{self.namespace}.results", 11,
                    [(b"new", pack([1, 1, spec("new", 11, -1)])), (b"new", pack([1, 2, 1, [0, 1, 0, 5, 42]])), (b"new", pack([1, 5, 1]))])
        self.jobs(("new/spec", [1, spec("new", 11)]), ("bad/spec", [1, spec("bad", 77)]))
        self.assertEqual(end_of("new"), (stopped, 1))
        self.assertEqual(end_of("bad")[0], lost)
        library.fanmap_close(f)
        library.fanmap_options_free(options)

    def test_a_signed_job_is_refused(self):
        self.submit("plain")
        self.jobs(("signed/spec", [1, spec("signed", is_signed=True)]))
        self.assertNotIn("signed", self.run_fanmap("jobs").out().decode())
        self.run_fanmap("gather", "signed", exit_status=2)
