"""A fleet with --redis none: it serves jobs without a limit, and Kafka says whether anybody is there."""
import time

from fleet import PATIENCE, Case, seq, wait_until

NONE = {"FANMAP_REDIS": "none"}


class WithoutRedis(Case):
    def setUp(self):
        super().setUp()
        self.on_fleet()

    def test_no_worker_is_said(self):
        """A worker of another task is none."""
        other = self.worker("--exec", "shout=tr a-z A-Z", tasks=None, env=NONE)
        wait_until(lambda: "ready" in other.err(), 30 * PATIENCE, "a worker of another task is there")
        waiting = self.start_map("echo", data=seq(1, 100), env=NONE)
        began = time.monotonic()
        wait_until(lambda: "no worker serves task echo" in waiting.err(), 25 * PATIENCE, "the warning")
        self.assertIn("fanmap worker", waiting.err())
        self.assertLess(time.monotonic() - began, 25 * PATIENCE)
        refused = self.run_map("echo", "--no-wait", data=seq(1, 3), env=NONE, exit_status=5)
        self.assertIn("no worker serves task echo", refused.err())
        self.worker(env=NONE)
        self.finish(waiting, 60)
        self.assert_same(waiting.out(), seq(1, 100))
        served = self.run_map("echo", "--no-wait", data=seq(1, 1000), env=NONE)
        self.assertEqual(served.err(), "")
        self.assert_same(served.out(), seq(1, 1000))

    def test_a_limit_is_refused(self):
        limited = self.run_map("echo", "-j", "2", data=seq(1, 3), env=NONE, exit_status=2)
        self.assert_one_line(limited, "--concurrency 2", "needs redis")
