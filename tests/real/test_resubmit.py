"""A job id that is submitted again after its producer was killed, and the second try of a job's failed items."""
import os
import signal
import time

from fleet import PIPE, Case, seq, squares, wait_until

SILENT_S = 10  # so long a producer must have been silent


class Resubmit(Case):
    bound_s = 240

    def setUp(self):
        super().setUp()
        self.on_fleet()

    def killed(self, task, fed, *args, started=0):
        """`fanmap submit` with an input that goes on, killed when some of it was published and ran."""
        first = self.start_map(task, *args, stdin=PIPE, command="submit")
        os.set_blocking(first.process.stdin.fileno(), True)
        first.process.stdin.write(fed)
        first.process.stdin.flush()
        self.counted.wait_started(started, 90)
        first.kill()
        self.killed_at = time.monotonic()

    def again(self, task, data, *args, command="submit", bound_s=90, exit_status=0):
        """The same command, once the other producer has been silent for long enough."""
        wait_until(lambda: time.monotonic() > self.killed_at + SILENT_S + 1, 60, "silence")
        program = self.start_map(task, *args, data=data, command=command)
        return self.finish(program, bound_s, exit_status)

    def test_killed_amid_publishing(self):
        n = 50000
        self.counted = self.recorder()
        self.worker()
        self.killed("recorded", seq(1, 30000), "--job-id", "again", started=8000)
        early = self.start_map("recorded", "--job-id", "again", data=seq(1, n), command="submit")
        self.finish(early, 60, 2)
        self.assert_one_line(early, "another producer was heard of", "try again in")

        other = seq(1, 4000) + b"7\n" + seq(4002, n)
        refused = self.again("recorded", other, "--job-id", "again", exit_status=2)
        self.assert_one_line(refused, "different input", "item")
        short = self.again("recorded", seq(1, 100), "--job-id", "again", exit_status=2)
        self.assert_one_line(short, "different input", "ends after 100 items")
        task = self.again("echo", seq(1, n), "--job-id", "again", exit_status=2)
        self.assert_one_line(task, "another task")

        submitted = self.again("recorded", seq(1, n), "--job-id", "again", "--retries", 3)
        self.assertEqual(submitted.out(), b"again\n")
        self.assertIn("keeps the policy", submitted.err())
        gathered = self.run_fanmap("gather", "again", bound_s=120)
        self.assert_same(gathered.out(), squares(n))
        job = next(iter(self.counted.report()["jobs"].values()))
        self.assertEqual((job["indexes"], job["overlaps"]), (n, 0))
        self.assertEqual(self.counted.started(), n, "nothing that was published before ran again")

        # Once it has its input, submitting it again compares the input and gathers.
        whole = self.again("recorded", seq(1, n), "--job-id", "again", command="map")
        self.assert_same(whole.out(), squares(n))
        longer = self.again("recorded", seq(1, n + 1), "--job-id", "again", command="map", exit_status=2)
        self.assert_one_line(longer, f"it had {n} items")
        self.assertEqual(self.counted.started(), n)

    def test_stopped_producer_is_taken_over_and_stops(self):
        self.counted = self.recorder()
        self.worker()
        old = self.start_map("recorded", "--job-id", "two", stdin=PIPE, command="submit")
        old.process.stdin.write(seq(1, 2000))
        old.process.stdin.flush()
        self.counted.wait_started(2000, 60)
        old.signal(signal.SIGSTOP)
        self.killed_at = time.monotonic()
        whole = self.again("recorded", seq(1, 3000), "--job-id", "two", command="map")
        self.assert_same(whole.out(), squares(3000))
        old.signal(signal.SIGCONT)
        old.process.stdin.write(seq(2001, 4000))
        old.process.stdin.close()
        self.assertNotEqual(old.wait(60), 0, "the old producer gives way")
        self.assertEqual(self.counted.started(), 3000)
        self.assert_same(self.run_fanmap("gather", "two").out(), squares(3000))
