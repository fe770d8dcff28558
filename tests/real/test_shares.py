"""Readers that divide a job's list among them (gather --share): each outcome goes to one of them, and what one that dies had not stored goes
to the others again."""
import json
import signal

from fleet import PATIENCE, PIPE, Case, seq, wait_until


def indexes(*readers):
    return [json.loads(line)["index"] for reader in readers for line in reader.out().splitlines(True) if line.endswith(b"\n")]


class Shares(Case):
    partitions = 8
    bound_s = 180

    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.worker(slots=4)
        self.source = self.start_map("echo", "--job-id", "j", command="submit", stdin=PIPE)
        self.written = 0

    def reader(self):
        return self.start("gather", "j", "--share", "store", "--records", "-q", "--session-timeout", "10s")

    def write(self, n):
        self.source.process.stdin.write(seq(self.written + 1, self.written + n))
        self.source.process.stdin.flush()
        self.written += n

    def are_printed(self, *readers):
        wait_until(lambda: set(indexes(*readers)) == set(range(self.written)), 60 * PATIENCE, "all that was written is printed")

    def has_part(self, reader):
        def prints():
            self.write(20)
            return indexes(reader)

        wait_until(prints, 60 * PATIENCE, "it has a part of the list", 0.2)

    def test_readers_come_leave_and_are_killed(self):
        self.write(2000)
        wait_until(lambda: "2000" in self.source.err(), 60 * PATIENCE, "the items are there")
        one, two = self.reader(), self.reader()
        self.are_printed(one, two)
        three = self.reader()
        self.has_part(three)  # so that what the others had printed is stored
        self.are_printed(one, two, three)
        two.signal(signal.SIGTERM)
        self.assertEqual(two.wait(20), 143)
        self.assertIn("--share store", two.err())
        self.write(500)
        self.are_printed(one, two, three)
        self.assertEqual(sorted(indexes(one, two, three)), list(range(self.written)))  # none twice as long as all live
        one.signal(signal.SIGKILL)
        one.wait(10)
        four = self.reader()
        self.write(500)
        self.source.process.stdin.close()
        self.finish(self.source, 60)
        for reader in three, four:
            self.assertEqual(reader.wait(90 * PATIENCE), 0, reader.err())
        self.assertEqual(set(indexes(one, two, three, four)), set(range(self.written)))
        alive = indexes(two, three, four)
        self.assertEqual(len(alive), len(set(alive)))
        again = set(alive) & set(indexes(one))
        self.assertFalse(again & set(range(2000)))  # that was stored
        self.assertEqual(self.run_fanmap("gather", "j", "--share", "store").out(), b"")
        self.assertEqual(self.run_fanmap("gather", "j", "--share", "alone").out(), seq(1, self.written))
        for words, said in ((("--unordered",), "no --unordered"), (("--from", "3"), "no --as, --from"), (("--as", "x"), "no --as, --from"),
                            (("--position-file", "x"), "give one of them")):
            self.assert_one_line(self.run_fanmap("gather", "j", "--share", "store", *words, exit_status=2), said)
