"""A slow item 0 in front of a million fast ones: memory stays bounded on both sides, and nothing waits for it but the list."""
import os
import time

from fleet import Case

ITEMS = int(os.environ.get("FANMAP_TEST_MEMORY_ITEMS", "1000000"))
SLEEP_S = int(os.environ.get("FANMAP_TEST_MEMORY_SLEEP_S", "60"))
MIB = 1024  # KiB


class Memory(Case):
    bound_s = 300 + 3 * SLEEP_S
    partitions = 32

    def setUp(self):
        super().setUp()
        self.on_fleet()

    def test_item_0_sleeps_in_front_of_a_million(self):
        worker = self.worker("--budget", "64MiB", slots=2)
        data = b"[%d,0]\n" % (SLEEP_S * 1000) + b"".join(b"[0,%d]\n" % i for i in range(1, ITEMS))
        run = self.start_map("recorded_sleep", "--ahead", 2 * ITEMS, "--records", data=data)
        began, first_at = time.monotonic(), None
        while run.alive():
            map_kib, worker_kib = run.memory_peak_kib(), worker.memory_peak_kib()
            self.assertLessEqual(map_kib, 128 * MIB, "map")
            self.assertLessEqual(worker_kib, (64 + 64) * MIB, "worker")
            if first_at is None and os.path.getsize(run.out_path):
                first_at = time.monotonic() - began
            self.assertLess(time.monotonic() - began, 200 + 3 * SLEEP_S)
            time.sleep(0.1)
        self.finish(run, 5)
        wanted = 0
        with open(run.out_path, "rb") as f:
            for line in f:
                self.assertTrue(line.startswith(b'{"index":%d,' % wanted) and line.endswith(b'"value":%d}\n' % wanted), line)
                wanted += 1
        self.assertEqual(wanted, ITEMS)
        # The rest was known before item 0 ended: once it had ended, everything came in one go.
        self.assertGreaterEqual(first_at, SLEEP_S * 0.9)
        print(f"    map {map_kib // 1024} MiB, worker {worker_kib // 1024} MiB, "
              f"{time.monotonic() - began - first_at:.1f} s from item 0 to the end")

    def test_a_job_of_big_items_stays_within_the_budget(self):
        worker = self.worker("--budget", "8MiB", slots=2)
        n, text = 400, "x" * 500_000
        run = self.start_map("echo", data="".join(f'"{i:06d}{text}"\n' for i in range(n)))
        while run.alive():
            run.memory_peak_kib(), worker.memory_peak_kib()
            time.sleep(0.05)
        self.finish(run, 5)
        self.assertEqual(run.out().count(b"\n"), n)
        self.assertTrue(all(line.startswith(b'"%06d' % i) for i, line in enumerate(run.out().splitlines())))
        self.assertLessEqual(worker.peak_kib, (64 + 8) * MIB, "worker")
        self.assertLessEqual(run.peak_kib, 128 * MIB, "map")
