"""Topics that get more partitions, or are deleted and made anew, under a running fleet."""
import json
import signal
import time

import raw
from fleet import PATIENCE, Case, seq, squares, wait_until


class TopicsChange(Case):
    partitions = 2
    bound_s = 240

    def setUp(self):
        super().setUp()
        self.on_fleet()

    def topic(self, name):
        return f"{self.namespace}.{name}"

    def test_more_partitions_of_results(self):
        """The worker learns of them when it has something to store there."""
        self.worker()
        self.run_map("trouble", data=seq(1, 5))
        raw.add_partitions(self.kafka.port, self.topic("results"), 16)
        for n in range(8):  # one of them, at least, is on a new partition
            run = self.run_map("trouble", "--job-id", f"more{n}", data=seq(1, 50))
            self.assert_same(run.out(), squares(50))

    def test_more_partitions_of_items(self):
        """A job whose items stand on them as well is not held up."""
        self.worker()
        self.run_map("trouble", data=seq(1, 5))
        raw.add_partitions(self.kafka.port, self.topic("items.default.trouble"), 8)
        began = time.monotonic()
        run = self.run_map("trouble", data=seq(1, 200))
        self.assert_same(run.out(), squares(200))
        self.assertLess(time.monotonic() - began, 20 * PATIENCE)

    def make_anew(self, name, pause_s):
        raw.delete_topic(self.kafka.port, self.topic(name))
        time.sleep(pause_s)
        wait_until(lambda: self.is_made(name), 20, "the topic is made anew")

    def is_made(self, name):
        try:
            raw.create_topic(self.kafka.port, self.topic(name), self.partitions,
                             message_timestamp_type="LogAppendTime")
        except RuntimeError:  # it is being deleted
            return False
        return True

    def test_an_items_topic_made_anew(self):
        """At once, and after a while: the worker comes back by itself, and new jobs run, also one that fills the topic at once
        beyond where the old one ended."""
        worker = self.worker()
        for pause_s, before, after in ((0, 300, 40), (5, 300, 40), (0, 5, 400)):
            self.run_map("trouble", data=seq(1, before))
            self.make_anew("items.default.trouble", pause_s)
            run = self.run_map("trouble", data=seq(1, after))
            self.assert_same(run.out(), squares(after))
            self.assertTrue(worker.alive(), worker.err())

    def test_an_items_topic_made_anew_before_anybody_read_it(self):
        """Nobody saw what was there: a worker that finds nothing to do while the job is open looks for it."""
        first = self.worker()
        self.run_map("trouble", data=seq(1, 5))
        first.kill()
        self.run_fanmap("submit", "trouble", "--job-id", "unseen", "--partitions", "2", data=seq(1, 20), bound_s=60)
        raw.delete_topic(self.kafka.port, self.topic("items.default.trouble"))
        wait_until(lambda: "was deleted: items that had not run are lost" in self.run_fanmap("show", "unseen").out().decode(), 20 * PATIENCE,
                   "show says that the topic is gone")
        wait_until(lambda: self.is_made("items.default.trouble"), 20, "the topic is made anew")
        self.worker()
        gather = self.start("gather", "unseen", "--records")
        self.finish(gather, 100, 1)
        self.assertEqual([json.loads(x)["error"]["kind"] for x in gather.out().splitlines()], ["lost"] * 20)

    def test_an_items_topic_made_anew_under_a_job(self):
        """What had not run is lost, and says so; with that map and gather end. What ran has its value."""
        counted = self.recorder()
        workers = [self.worker(slots=2) for _ in range(2)]
        run = self.start_map("recorded_sleep", "--job-id", "gone", "--records", data="".join(f"[2000,{i}]\n" for i in range(100)))
        counted.wait_started(8, 30)
        gather = self.start("gather", "gone", "--records")
        self.make_anew("items.default.recorded_sleep", 0)
        for program in (run, gather):
            self.finish(program, 60 * PATIENCE, 1)
        records = [json.loads(x) for x in run.out().splitlines()]
        self.assertEqual(gather.out(), run.out())
        self.assertEqual([r["index"] for r in records], list(range(100)))
        lost = [r for r in records if "error" in r]
        self.assertEqual({(r["error"]["kind"], r["attempts"]) for r in lost}, {("lost", 0)})
        self.assertEqual([r for r in records if r.get("value", r["index"]) != r["index"]], [])
        self.assertTrue(20 < len(lost) < 97, len(lost))
        self.assert_same(self.run_map("trouble", data=seq(1, 40)).out(), squares(40))
        self.assertTrue(all(w.alive() for w in workers))

    def test_a_results_topic_made_anew_under_a_job(self):
        """Map and gather refuse: the log is no longer whole. The worker goes on with new jobs."""
        self.counted = self.recorder()
        worker = self.worker(slots=2)
        run = self.start_map("recorded_sleep", "--job-id", "gone", data=b"".join(b"[500,%d]\n" % i for i in range(200)))
        self.counted.wait_started(4, 30)
        gather = self.start("gather", "gone")
        wait_until(lambda: gather.out(), 20 * PATIENCE, "gather prints")
        self.make_anew("results", 0)
        for program in (run, gather):
            self.finish(program, 30, 6)
            self.assertIn("no longer whole", program.err())
        again = self.run_map("trouble", data=seq(1, 40))
        self.assert_same(again.out(), squares(40))
        self.assertTrue(worker.alive(), worker.err())

    def test_outcomes_held_while_the_results_topic_is_made_anew(self):
        """They have nowhere to go for some seconds: the worker says so, goes on with what comes then, and ends with nothing in hand."""
        counted = self.recorder()
        worker = self.worker(slots=2)
        gone = self.start_map("recorded_sleep", "--job-id", "gone", data="".join(f"[300,{i}]\n" for i in range(60)))
        counted.wait_started(4, 30)
        raw.delete_topic(self.kafka.port, self.topic("results"))
        wait_until(lambda: "is kept and tried again" in worker.err(), 60 * PATIENCE, "the worker says that it keeps outcomes")
        self.finish(gone, 60 * PATIENCE, 6)
        self.assertIn("no longer whole", gone.err(), "its reader knows it while there is no topic yet")
        wait_until(lambda: self.is_made("results"), 20, "the topic is made anew")
        self.assert_same(self.run_map("trouble", data=seq(1, 40)).out(), squares(40))
        worker.signal(signal.SIGTERM)
        self.finish(worker, 60 * PATIENCE)
