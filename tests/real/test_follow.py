"""fanmap gather of a stream, and of readers with a name: outcomes out of a log, by readers that keep their place."""
import json
import os
import signal

import raw
from fleet import PATIENCE, PIPE, seq, wait_until
from test_stream import StreamCase


def records(out):
    return [json.loads(line) for line in out.splitlines()]


class Follow(StreamCase):
    lanes = 2

    def setUp(self):
        super().setUp()
        self.place = os.path.join(self.folder, "place")
        self.worker(slots=4)
        self.run_fanmap("stream", "echo", "--from", self.source, "--to", self.to, "--detach")  # nobody gathers, and nothing is deleted

    def gather(self, *args, exit_status=0):
        return self.run_fanmap("gather", "echo", "--records", *args, exit_status=exit_status, bound_s=60 * PATIENCE)

    def check(self, got, first, last):
        """Each once, those of a lane in their order."""
        self.assertEqual(sorted(r["value"]["n"] for r in got), list(range(first, last + 1)))
        for lane in range(self.lanes):
            offsets = [r["offset"] for r in got if r["partition"] == lane]
            self.assertEqual(offsets, sorted(offsets))

    def written(self, n):
        """Until so many outcomes are in the log."""
        reader = self.start("gather", "echo", "--follow", "-q")
        wait_until(lambda: reader.out().count(b"\n") >= n, 60 * PATIENCE, "the outcomes are there")
        reader.signal(signal.SIGTERM)
        reader.wait(10)

    def test_follows_is_killed_and_goes_on(self):
        self.write(1, 300)
        first = self.start("gather", "echo", "--records", "--follow", "--position-file", self.place)
        wait_until(lambda: first.out().count(b"\n") == 300 and os.path.exists(self.place), 60 * PATIENCE, "it prints what is there")
        self.write(301, 400)
        wait_until(lambda: first.out().count(b"\n") == 400, 60 * PATIENCE, "it prints what comes")
        first.signal(signal.SIGTERM)
        self.assertEqual(first.wait(10), 143)
        got = records(first.out())
        self.check(got, 1, 400)
        self.assertEqual(got[0]["key"], "k%d" % (got[0]["value"]["n"] % 7))
        self.write(401, 450)
        self.written(450)
        for lane in range(self.lanes):  # what it has had is not needed again
            raw.delete_records(self.kafka.port, f"{self.namespace}.stream.echo", lane, 1)
        self.check(records(self.gather("--position-file", self.place).out()), 401, 450)
        self.assertEqual(self.gather("--position-file", self.place).out(), b"")
        last = self.start("gather", "echo", "--follow", "--position-file", self.place)
        self.run_fanmap("cancel", "echo")
        self.assertEqual(last.wait(60 * PATIENCE), 3)
        self.assertIn("was cancelled", last.err())

    def test_places_without_an_order_and_what_is_none(self):
        self.write(1, 100)
        self.written(100)
        whole = records(self.gather().out())
        self.check(whole, 1, 100)
        part = records(self.gather("--from", "0:40,1:45").out())
        self.assertEqual(len(part), sum(r["offset"] >= (40, 45)[r["partition"]] for r in whole))
        arrived = records(self.gather("--unordered", "--position-file", self.place).out())
        self.assertEqual(sorted(r["value"]["n"] for r in arrived), list(range(1, 101)))
        self.write(101, 120)
        self.written(120)
        arrived = records(self.gather("--unordered", "--position-file", self.place).out())
        self.assertEqual(sorted(r["value"]["n"] for r in arrived), list(range(101, 121)))
        for words, said in ((("--from", "5"), "LANE:OFFSET"), (("--from", "0:x"), "is no place in stream"), (("--from", "7:1"), "is no place in stream"),
                            (("--from", "abc;0:1"), "another stream"), (("--position-file", self.place), "without --unordered")):
            self.assert_one_line(self.gather(*words, exit_status=2), said)

    def test_what_was_deleted_before_it_was_read(self):
        self.write(1, 100)
        self.written(100)
        raw.delete_records(self.kafka.port, f"{self.namespace}.stream.echo", 0, -1)
        self.write(101, 110)
        reader = self.start("gather", "echo", "--follow", "--skip-lost")
        wait_until(lambda: b"110" in reader.out() and b"109" in reader.out(), 60 * PATIENCE, "it goes on behind that")
        self.assertIn("were deleted before they were read", reader.err())
        for order in (), ("--unordered",):
            self.assertIn("no longer whole", self.gather("--from", "0:0,1:0", *order, exit_status=6).err())

    def test_from_before_the_stream_began(self):
        """A stream that began at the end of its source has nothing of before: nobody lost that, also who asks for it."""
        self.write(1, 100)
        self.run_fanmap("stream", "echo", "--job-id", "later", "--from", self.source, "--to", self.to, "--start", "latest", "--detach")
        self.write(101, 110)
        reader = self.start("gather", "later", "--records", "--follow", "--from", "0:0,1:7")
        wait_until(lambda: reader.out().count(b"\n") == 10, 60 * PATIENCE, "what came since")
        self.check(records(reader.out()), 101, 110)

    def test_nothing_is_left_of_what_was_asked_for(self):
        """Where all that was handed out is deleted no record tells of it; whoever asks for it, or had a part of it, is told all the same."""
        self.write(1, 100)
        self.written(50)
        self.gather("--from", "0:3,1:3", "--position-file", self.place)
        self.write(101, 110)
        stream = self.start("stream", "echo", "--from", self.source, "--to", self.to)
        self.read(self.to, self.lanes, 110, quiet_s=0)
        stream.signal(signal.SIGTERM)
        self.finish(stream, 30)
        for lane in range(self.lanes):
            raw.delete_records(self.kafka.port, f"{self.namespace}.stream.echo", lane, -1)
        for words in ("--from", "0:0"), ("--from", "0:0", "--unordered"), ("--position-file", self.place):
            self.assert_one_line(self.gather(*words, exit_status=6), "no longer whole", "--skip-lost")
        self.assertEqual(self.gather("--from", "0:0", "--skip-lost").out(), b"")
        for words in (), ("--from", "0:55,1:55"):
            self.assertEqual(self.gather(*words).out(), b"")


class Named(StreamCase):
    """A reader whose place is in Kafka, under a name."""

    lanes = 2
    partitions = 1

    def setUp(self):
        super().setUp()
        self.worker(slots=4)

    def test_a_job_by_a_reader_that_is_killed_and_one_that_takes_over(self):
        source = self.start_map("echo", "--job-id", "j", command="submit", stdin=PIPE)
        source.process.stdin.write(seq(1, 2000))
        source.process.stdin.flush()
        wait_until(lambda: "2000" in source.err(), 60 * PATIENCE, "the items are there")
        first = self.start("gather", "j", "--as", "store")
        wait_until(lambda: first.out().endswith(b"2000\n"), 60 * PATIENCE, "it prints")
        wait_until(lambda: raw.committed(self.kafka.port, f"{self.namespace}.reader.j.store", f"{self.namespace}.results", 0) > 0,
                   60 * PATIENCE, "it is stored")
        first.signal(signal.SIGKILL)
        first.wait(10)
        second = self.start("gather", "j", "--as", "store")
        source.process.stdin.write(seq(2001, 2100))
        source.process.stdin.flush()
        wait_until(lambda: second.out().endswith(b"2100\n"), 60 * PATIENCE, "the next one goes on")
        numbers = [int(n) for n in second.out().split()]
        self.assertEqual(numbers, list(range(numbers[0], 2101)))
        self.assertGreater(numbers[0], 1)  # of what was printed before, no more than the last second's
        third, last = self.start("gather", "j", "--as", "store"), 2100

        def prints_one_more():
            nonlocal last
            last += 1
            source.process.stdin.write(seq(last, last))
            source.process.stdin.flush()
            return third.out()

        wait_until(prints_one_more, 60 * PATIENCE, "another one takes over", 0.1)
        self.assertEqual(second.wait(60 * PATIENCE), 2)
        self.assertIn("read by another process as store now", second.err())
        source.process.stdin.close()
        self.finish(source, 60)
        self.assertEqual(third.wait(60 * PATIENCE), 0)
        numbers = [int(n) for n in third.out().split()]
        self.assertEqual(numbers, list(range(numbers[0], last + 1)))
        self.assertEqual(second.out()[:len(seq(int(second.out().split()[0]), numbers[0] - 1))],
                         seq(int(second.out().split()[0]), numbers[0] - 1))  # all before it was printed by the other
        self.assertEqual(self.run_fanmap("gather", "j", "--as", "store").out(), b"")
        self.assert_one_line(self.run_fanmap("gather", "j", "--as", "store", "--unordered", exit_status=2), "without --unordered")
        self.assertEqual(self.run_fanmap("gather", "j", "--as", "other").out(), seq(1, last))

    def test_a_stream(self):
        self.run_fanmap("stream", "echo", "--from", self.source, "--detach")
        self.write(1, 100)
        for order in (), ("--unordered",):
            name = "store" + "u" * len(order)
            first = self.start("gather", "echo", "--follow", "--as", name, *order)
            wait_until(lambda: len(first.out().splitlines()) == 100, 60 * PATIENCE, "it prints what is there")
            first.signal(signal.SIGTERM)  # stores, and leaves
            self.assertEqual(first.wait(20), 143)
            self.assertEqual(self.run_fanmap("gather", "echo", "--as", name, *order).out(), b"")
        self.write(101, 120)
        last = self.start("gather", "echo", "--follow", "--as", "store")
        wait_until(lambda: len(last.out().splitlines()) == 20, 60 * PATIENCE, "it prints what came since")
        self.assertEqual(sorted(json.loads(line)["n"] for line in last.out().splitlines()), list(range(101, 121)))
