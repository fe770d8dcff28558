"""Readers that keep their place: a gather that goes on where another stopped, however that ended, reads what is left of the log
and nothing else."""
import os
import signal

import raw
from fleet import PATIENCE, PIPE, Case, seq, wait_until


class Readers(Case):
    partitions = 1
    bound_s = 120

    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.worker(slots=4)
        self.place = os.path.join(self.folder, "place")

    def kept(self):
        """How many outcomes FILE says are written."""
        try:
            with open(self.place) as f:
                return int(f.read().split(".")[0])
        except FileNotFoundError:
            return 0

    def go_on(self, *args, exit_status=0):
        return self.run_fanmap("gather", "j", "--position-file", self.place, *args, exit_status=exit_status, bound_s=60 * PATIENCE)

    def test_killed_and_started_again(self):
        """It is killed, and what it has read goes from Kafka: the next one needs none of it, and gives what is left, once."""
        source = self.start_map("echo", "--job-id", "j", command="submit", stdin=PIPE)
        source.process.stdin.write(seq(1, 3000))
        source.process.stdin.flush()
        wait_until(lambda: "3000" in source.err(), 60 * PATIENCE, "the items are there")
        first = self.start("gather", "j", "--position-file", self.place)
        wait_until(lambda: self.kept() == 3000, 60 * PATIENCE, "the file says that all is written", 0.05)
        first.signal(signal.SIGKILL)
        first.wait(10)
        self.assert_same(first.out(), seq(1, 3000))
        with open(self.place) as f:
            middle = f.read()
        raw.delete_records(self.kafka.port, f"{self.namespace}.results", 0, -1)
        source.process.stdin.write(seq(3001, 3100))
        source.process.stdin.close()
        self.finish(source, 60)
        self.assert_same(self.go_on().out(), seq(3001, 3100))
        self.assertEqual(self.go_on().out(), b"")  # and behind its end there is nothing
        self.assertIn("no longer whole", self.run_fanmap("gather", "j", exit_status=6).err())
        raw.delete_records(self.kafka.port, f"{self.namespace}.results", 0, -1)
        with open(self.place, "w") as f:
            f.write(middle)
        self.assertIn("no longer whole", self.go_on(exit_status=6).err())

    def test_from_an_index_and_what_is_no_position(self):
        self.run_map("echo", "--job-id", "j", data=seq(1, 100))
        self.run_map("echo", "--job-id", "other", data=seq(1, 10))
        self.assertEqual(self.run_fanmap("gather", "j", "--from", 95).out(), seq(96, 100))
        self.assertEqual(self.run_fanmap("gather", "j", "--from", 100).out(), b"")
        arrived = self.run_fanmap("gather", "j", "--from", 95, "--unordered").out().splitlines()
        self.assertEqual(len(arrived), 5)
        for words, said in ((("j", "--from", "soon"), "neither an index nor a position"), (("other", "--position-file", self.place), "of another job"),
                            (("j", "--unordered", "--position-file", self.place), "without --unordered")):
            self.go_on()
            self.assert_one_line(self.run_fanmap("gather", *words, exit_status=2), said)
        with open(self.place) as f:
            position = f.read().strip()
        self.assertEqual(self.run_fanmap("gather", "j", "--from", position).out(), b"")
        self.place = os.path.join(self.folder, "no-such-folder", "place")
        refused = self.go_on(exit_status=6)
        self.assert_one_line(refused, "--position-file")
        self.assertEqual(refused.out(), b"")  # nothing is printed whose place could not be kept
