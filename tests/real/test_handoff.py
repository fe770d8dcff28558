"""Unstarted items go to a worker that has nothing to do, whichever partition they stand in."""
import os

import raw
from fleet import PATIENCE, Case, wait_until

NAP = """#!/bin/sh
read -r seconds
[ "$seconds" = 0 ] || echo >> {started}
sleep "$seconds"
printf %s "$seconds"
"""
# Two partitions: the items of a small job stand in them by turns, so one worker gets all the long ones.
TWO = ("--partitions", "2")
LINES = ("--input-format", "lines", "--output-format", "lines")


class HandOff(Case):
    bound_s = 240

    def setUp(self):
        super().setUp()
        self.on_fleet()

    def napping_worker(self, name, *args):
        """A worker of one slot; `name` has a line for each long item that began there."""
        script = os.path.join(self.folder, f"nap-{name}")
        with open(script, "w") as f:
            f.write(NAP.format(started=os.path.join(self.folder, name)))
        os.chmod(script, 0o755)
        self.worker(*TWO, *args, "--exec", f"nap={script}", tasks=None, slots=1)

    def two_workers(self, *args):
        """Each has one partition: who had both would run the first items alone."""
        self.napping_worker("a", *args)
        self.napping_worker("b", *args)
        group, topic = f"{self.namespace}.workers.default", f"{self.namespace}.items.default.nap"
        wait_until(lambda: raw.assigned(self.kafka.port, group, topic) == [1, 1], 60 * PATIENCE, "each has a partition")

    def began(self, name):
        path = os.path.join(self.folder, name)
        return len(open(path).readlines()) if os.path.exists(path) else 0

    def nap(self, n, seconds, *args):
        items = [seconds if i % 2 else "0" for i in range(n)]
        run = self.run_map("nap", *TWO, *LINES, *args, data="".join(f"{item}\n" for item in items), bound_s=90)
        self.assert_same(run.out(), "".join(f"{item}\n" for item in items).encode())

    def test_long_items_of_one_partition_run_on_both_workers(self):
        self.two_workers()
        self.nap(4, "0")
        self.nap(16, "1.5")
        self.assertEqual(self.began("a") + self.began("b"), 8)
        self.assertGreaterEqual(min(self.began("a"), self.began("b")), 2)

    def test_without_redis_nothing_is_handed(self):
        self.two_workers("--redis", "none")
        self.nap(4, "0", "--redis", "none")
        self.nap(8, "0.3", "--redis", "none")
        self.assertEqual(sorted((self.began("a"), self.began("b"))), [0, 4])
