"""Machines whose clocks are hours apart."""
import os
import time

import raw
from fleet import BUILD, PATIENCE, PIPE, Case, seq, squares, wait_until

OFF = os.path.join(BUILD, "tests", "clock_off.so")
HOURS = 3600


def off(seconds):
    """The environment of a program whose clock is so far ahead."""
    return {"LD_PRELOAD": OFF, "CLOCK_OFF_S": str(seconds)}


class Clocks(Case):
    partitions = 4

    def setUp(self):
        super().setUp()
        self.on_fleet()

    def test_a_worker_two_hours_ahead_of_the_broker(self):
        """The topics take the broker's time, so nothing is refused."""
        self.worker(env=off(2 * HOURS))
        run = self.run_map("trouble", data=seq(1, 40))
        self.assert_same(run.out(), squares(40))

    def test_a_topic_that_refuses_the_workers_clock(self):
        """It was made by hand. What is done is kept, that is said once, and it goes on when the topic takes it."""
        results = f"{self.namespace}.results"
        raw.create_topic(self.kafka.port, results, self.partitions, message_timestamp_type="CreateTime")
        self.counted = self.recorder()
        worker = self.worker(env=off(2 * HOURS))
        run = self.start_map("recorded", data=seq(1, 40))
        wait_until(lambda: "kept and tried again" in worker.err(), 30 * PATIENCE, "it is said")
        self.assertEqual(run.out(), b"")
        raw.configure_topic(self.kafka.port, results, "message.timestamp.type", "LogAppendTime")
        self.finish(run, 30)
        self.assert_same(run.out(), squares(40))
        self.assertEqual(worker.err().count("kept and tried again"), 1, worker.err())
        self.assertEqual(self.counted.started(), 40, "what was done is not done again")

    def test_a_deadline_is_a_span(self):
        """The submitter's clock is ten minutes behind, the worker's two hours ahead; the job has a minute."""
        self.worker(env=off(2 * HOURS))
        run = self.run_map("trouble", "--deadline", "60s", data=seq(1, 200), env=off(-600))
        self.assert_same(run.out(), squares(200))

    def test_a_deadline_of_a_job_that_is_older_than_its_worker(self):
        """Submitted by a clock that is an hour ahead, before there is a worker: it ends by the broker's clock."""
        deadline_s = 12
        self.counted = self.recorder()
        self.run_fanmap("submit", "recorded_sleep", "--job-id", "old", "--deadline", f"{deadline_s}s", *self.connect_args(),
                        data=b"[60000,1]\n" * 4, env=off(HOURS))
        time.sleep(deadline_s - 2)  # a span of which the worker knows by the broker's clock alone
        began = time.monotonic()
        self.worker(env=off(-HOURS))
        run = self.run_fanmap("gather", "old", "--records", exit_status=3)
        self.assertLess(time.monotonic() - began, deadline_s, "it was counted from when the worker heard of the job")
        self.assertEqual(run.out().count(b'"deadline"'), 4, run.out())

    def test_submitting_again_by_another_clock(self):
        """Whether a producer may still be there is judged by the broker's clock: hours mean nothing, ten seconds do."""
        half = self.start_map("trouble", "--job-id", "again", stdin=PIPE)
        half.process.stdin.write(seq(1, 20))
        half.process.stdin.flush()
        self.worker()
        wait_until(lambda: half.out().count(b"\n") == 20, 30 * PATIENCE, "what was given is done")
        for seconds in (HOURS, -HOURS):  # it lives, and says so
            early = self.run_map("trouble", "--job-id", "again", data=seq(1, 30), exit_status=2, env=off(seconds))
            self.assertIn("another producer was heard of", early.err())
        half.kill()
        time.sleep(13)
        again = self.run_map("trouble", "--job-id", "again", data=seq(1, 30), env=off(-HOURS))
        self.assert_same(again.out(), squares(30))
