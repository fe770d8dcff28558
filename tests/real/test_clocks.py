"""Machines whose clocks are hours apart."""
import os

import raw
from fleet import BUILD, PATIENCE, Case, seq, squares, wait_until

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
