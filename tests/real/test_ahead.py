"""How far a map on a fleet runs ahead: publishing stops at `--ahead` items without an outcome, and at `--spill` of outcomes that wait."""
import os
import time

import raw
from fleet import PATIENCE, Case, wait_until

ITEM_BYTES = 100_000


class Ahead(Case):
    partitions = 2
    bound_s = 90

    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.go = os.path.join(self.folder, "go")
        self.ran = os.path.join(self.folder, "ran")
        os.mkdir(self.ran)

    def gate_worker(self):
        """Item 0 waits for a file; what ran is said in others."""
        script = f"touch {self.ran}/$FANMAP_INDEX; test $FANMAP_INDEX != 0 || until test -e {self.go}; do sleep 0.05; done; cat"
        self.worker("--exec", f"gate=sh -c '{script}'", tasks=None, slots=4)

    def stays_at(self, count, most, what):
        """It gets there, and no further while someone looks."""
        wait_until(lambda: count() >= most // 2, 60 * PATIENCE, f"{what} begins")
        before, until = count(), time.monotonic() + 1
        while time.monotonic() < until:
            time.sleep(0.05)
            if count() != before:
                before, until = count(), time.monotonic() + 1
            self.assertLessEqual(before, most, what)
        return before

    def published(self):
        return sum(raw.end(self.kafka.port, f"{self.namespace}.items.default.gate", p) for p in range(self.partitions))

    def test_items_without_an_outcome(self):
        self.run_fanmap("topics", "--create", "--task", "gate", "--partitions", self.partitions)
        run = self.start_map("gate", "--ahead", 40, "--output-format", "lines", data="".join(f"{i}\n" for i in range(300)))
        wait_until(lambda: self.published() == 40, 60 * PATIENCE, "40 are published")
        self.assertEqual(self.stays_at(self.published, 40, "publishing"), 40)
        open(self.go, "w").close()
        self.gate_worker()
        self.finish(run, 60)
        self.assertEqual(run.out(), b"".join(b"%d\n" % i for i in range(300)))

    def test_outcomes_that_wait_for_their_turn(self):
        """Item 0 holds them all up: of 30 MB no more than 1 MiB is worked on beyond what was on its way."""
        n, ahead = 300, 10
        item = b'"%s"\n' % (b"x" * ITEM_BYTES)
        self.gate_worker()
        run = self.start_map("gate", "--ahead", ahead, "--spill", "1MiB", "--output-format", "lines", data=item * n)
        ran = self.stays_at(lambda: len(os.listdir(self.ran)), (1 << 20) // ITEM_BYTES + 1 + ahead, "the work")
        self.assertEqual(run.out(), b"")
        open(self.go, "w").close()
        self.finish(run, 60)
        self.assertEqual(run.out(), item.replace(b'"', b"") * n)
        print(f"    {ran} of {n} ran before item 0 had its value", flush=True)
