"""Jobs of which Kafka has deleted something, as retention does: of their log, which nobody lists a part of, or items before they ran."""
import json
import os
import signal

import raw
from fleet import PATIENCE, Case, seq, wait_until


class LostLogs(Case):
    partitions = 1
    bound_s = 180

    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.worker(slots=2)

    def lose(self, records):
        """The first ones of the one results partition."""
        raw.delete_records(self.kafka.port, f"{self.namespace}.results", 0, records)

    def submit_open(self):
        self.finish(self.start_map("recorded_sleep", "--job-id", "open", data=b"[1,1]\n[60000,2]\n", command="submit"), 30)

    def refused(self, job, *args):
        """In one line, without a byte of output."""
        run = self.run_fanmap(*args, exit_status=6)
        self.assert_one_line(run, f"the log of job {job} is no longer whole", "retention")
        self.assertEqual(run.out(), b"")

    def test_gather_refuses(self):
        """Whatever is missing: `start` alone, although every outcome is there, or all of it; and of a job that is open."""
        self.run_map("echo", "--job-id", "ended", data=seq(1, 50))
        self.submit_open()
        self.assertEqual(self.run_fanmap("gather", "ended").out(), seq(1, 50))
        self.lose(1)
        for words in ((), ("--unordered",)):
            self.refused("ended", "gather", "ended", *words)
        self.lose(-1)
        for job in ("ended", "open"):
            self.refused(job, "gather", job)
        # What comes after is whole.
        self.assertEqual(self.run_map("echo", "--job-id", "next", data=seq(1, 5)).out(), seq(1, 5))
        self.assertEqual(self.run_fanmap("gather", "next").out(), seq(1, 5))

    def test_the_aggregator_writes_no_file_and_says_so(self):
        """Of a job that it has seen begin; of one that came and went while it was away; and a new group begins with what is whole."""
        out = os.path.join(self.folder, "out")

        def aggregator(folder, *args):
            os.makedirs(folder, exist_ok=True)
            return self.start("aggregator", "--out", folder, *args, *self.connect_args())

        def wait_file(job, folder=out):
            path = os.path.join(folder, job + ".jsonl")
            wait_until(lambda: os.path.exists(path), 60 * PATIENCE, f"the file of {job}", 0.05)
            with open(path, "rb") as f:
                self.assertEqual(f.read(), seq(1, 20))

        first = aggregator(out)
        self.submit_open()
        self.run_map("echo", "--job-id", "beside", data=seq(1, 20))
        wait_file("beside")
        self.lose(1)
        self.run_fanmap("cancel", "open")
        wait_until(lambda: "job open gets no file: the log of job open is no longer whole" in first.err(), 60 * PATIENCE, "it says so")
        first.signal(signal.SIGTERM)
        self.finish(first, 40)
        self.run_map("echo", "--job-id", "away", data=seq(1, 20))
        self.lose(-1)
        self.run_map("echo", "--job-id", "whole", data=seq(1, 20))
        second = aggregator(out)
        wait_file("whole")
        self.assertIn("jobs that began there get no file", second.err())
        self.assertEqual(sorted(os.listdir(out)), ["beside.jsonl", "whole.jsonl"])
        # The beginning of `whole` goes too: what another group finds of it is no job.
        self.lose(raw.begin(self.kafka.port, f"{self.namespace}.results", 0) + 1)
        self.run_map("echo", "--job-id", "last", data=seq(1, 20))
        wait_file("last")
        other = os.path.join(self.folder, "other")
        aggregator(other, "--group", "other")
        wait_file("last", other)
        self.assertEqual(os.listdir(other), ["last.jsonl"])


class LostItems(Case):
    partitions = 1
    bound_s = 180

    def lose(self, n):
        """Submits a job of ten items, of which the first n go before any worker reads them. Gives the offset of the first one."""
        topic = f"{self.namespace}.items.default.echo"
        begins = raw.end(self.kafka.port, topic, 0)
        self.finish(self.start_map("echo", "--job-id", "gone", data=seq(1, 10), command="submit"), 30)
        raw.delete_records(self.kafka.port, topic, 0, begins + n)
        return begins

    def check(self, said):
        """What is left runs, what is gone is lost, with that the job ends, and what comes after is whole."""
        worker = self.worker(slots=1)
        wait_until(lambda: said in worker.err(), 60 * PATIENCE, "the worker says which")
        wait_until(lambda: json.loads(self.run_fanmap("show", "gone", "--json").out())["known"] == 4, 60 * PATIENCE, "what is left runs")
        for _ in range(2):
            gather = self.run_fanmap("gather", "gone", "--records", exit_status=1, bound_s=60 * PATIENCE)
            out = [json.loads(x) for x in gather.out().splitlines()]
            self.assertEqual([r["error"]["kind"] if "error" in r else r["value"] for r in out], ["lost"] * 6 + [7, 8, 9, 10])
        wait_until(lambda: "6 items that Kafka lost are listed as lost" in worker.err(), 60 * PATIENCE, "it says how many")
        self.assertEqual(self.run_map("echo", data=seq(1, 5)).out(), seq(1, 5))

    def test_the_worker_says_which(self):
        self.on_fleet()
        worker = self.worker(slots=1)
        self.run_map("echo", data=seq(1, 3))
        worker.signal(signal.SIGTERM)
        self.finish(worker, 40)
        begins = self.lose(6)
        self.check(f"items.default.echo, partition 0: Kafka no longer has offsets {begins} to {begins + 5}; what had not run is listed as lost")

    def test_where_nobody_has_committed_yet(self):
        self.on_fleet()
        self.run_fanmap("topics", "--create", "--task", "echo", "--partitions", 1)
        self.lose(6)
        self.check("items.default.echo, partition 0: Kafka no longer has offsets before 6, and no commit says that they ran")
