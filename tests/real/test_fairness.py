"""A job that fills the workers for long holds up no other: its records are put off, and read again in their turn."""
import os
import subprocess

from fleet import PATIENCE, Case, wait_until


def naps(n, ms):
    return b"".join(b"[%d,%d]\n" % (ms, i) for i in range(n))


class PutOff(Case):
    bound_s = 240

    def setUp(self):
        super().setUp()
        self.on_fleet()

    def done(self, job):
        return int(self.run_fanmap("show", job, "--json").json()["done"])

    def test_ten_items_behind_a_hundred_thousand(self):
        self.ready_worker(slots=2)
        crowd = self.run_map("recorded_sleep", "--detach", data=naps(100_000, 20)).out().decode().strip()
        few = self.run_map("recorded_sleep", data=naps(10, 20), bound_s=30 * PATIENCE)
        self.assert_same(few.out(), b"".join(b"%d\n" % i for i in range(10)))
        self.run_fanmap("cancel", crowd)
        self.run_fanmap("gather", crowd, bound_s=60 * PATIENCE, exit_status=3)

    def test_all_that_was_put_off_comes_again_through_a_kill(self):
        """A megabyte has room for some thousand of them, which last for seconds."""
        first = self.ready_worker("--budget", "1MiB", slots=4)
        run = self.start_map("recorded_sleep", "--partitions", 6, data=naps(20_000, 2))
        wait_until(lambda: os.path.getsize(run.out_path) > 10_000, 60 * PATIENCE, "thousands are there")
        first.kill()
        self.worker("--budget", "1MiB", slots=8)
        self.finish(run, 120 * PATIENCE)
        self.assert_same(run.out(), b"".join(b"%d\n" % i for i in range(20_000)))
