"""Workers that come, go and die under items that run for long, and items that kill their worker."""
import json
import os
import signal
import time

from fleet import PATIENCE, Case, wait_until

# The most that a group of this Kafka lets go without a word; also the time between two polls.
TIMEOUTS = ["-X", "session.timeout.ms=6000", "-X", "max.poll.interval.ms=6000"]

KILLER = """#!/bin/sh
read -r item
echo "$item" >> "$HOME/started"
case "$item" in
kill)
    pid=$PPID
    while ! tr '\\0' ' ' < /proc/$pid/cmdline | grep -q 'fanmap worker'; do
        pid=$(sed -n 's/^PPid:\\t//p' /proc/$pid/status)
        [ "$pid" -gt 1 ] || exit 9
    done
    kill -9 "$pid"
    sleep 60
    ;;
*)
    sleep 1
    echo "$item"
    ;;
esac
"""


class Takeover(Case):
    bound_s = 300

    def setUp(self):
        super().setUp()
        self.on_fleet()

    def short_worker(self, *args, **kwargs):
        return self.worker(*TIMEOUTS, *args, session="6s", **kwargs)

    def test_long_items_stay_where_they_run(self):
        """Items that take longer than session and poll interval, while workers join and leave: none is started twice."""
        counted = self.recorder()
        n = 12
        data = "".join(f"[16000,{i}]\n" for i in range(n))
        workers = [self.short_worker(slots=6)]
        run = self.start_map("recorded_sleep", data=data)
        counted.wait_started(6, 30)
        for _ in range(2):  # each takes partitions over, with claims on them, and gives them up again
            workers.append(self.short_worker(slots=3))
            time.sleep(2)
        counted.wait_started(n, 30)
        workers.pop(1).signal(signal.SIGTERM)
        time.sleep(2)
        workers.append(self.short_worker(slots=3))
        self.finish(run, 90)
        self.assert_same(run.out(), "".join(f"{i}\n" for i in range(n)).encode())
        report = counted.report()
        job = next(iter(report["jobs"].values()))
        self.assertEqual((report["starts"], job["indexes"], job["overlaps"]), (n, n, 0))

    def test_killed_worker_costs_no_retry(self):
        """SIGKILL: what ran there runs elsewhere, as the first attempt that it was."""
        counted = self.recorder()
        n = 12
        workers = [self.short_worker(slots=4) for _ in range(2)]
        data = "".join(f"[3000,{i}]\n" for i in range(n))
        run = self.start_map("recorded_sleep", "--records", data=data)
        counted.wait_started(6, 30)
        workers[0].kill()
        self.finish(run, 90)
        for i, line in enumerate(run.out().decode().splitlines()):
            record = json.loads(line)
            self.assertEqual((record["index"], record["value"], record["attempts"]), (i, i, 1))
        job = next(iter(counted.report()["jobs"].values()))
        self.assertEqual((job["indexes"], job["overlaps"]), (n, 0))

    def test_a_killer_of_workers_ends_as_crashed(self):
        """An item that takes down worker after worker is `crashed` at the cap; those beside it end well."""
        script = os.path.join(self.folder, "killer.sh")
        with open(script, "w") as f:
            f.write(KILLER)
        items = [f"item{i}" for i in range(12)]
        items.insert(5, "kill")

        def start():
            return self.short_worker("--exec", f"killer=/bin/sh {script}", tasks=None, slots=4)

        workers = [start(), start()]
        run = self.start_map("killer", "--input-format", "lines", "--output-format", "jsonl",
                             data="".join(f"{x}\n" for x in items))
        deaths, until = 0, time.monotonic() + 150 * PATIENCE
        while run.alive() and time.monotonic() < until:
            for i, worker in enumerate(workers):
                if not worker.alive():
                    self.assertEqual(worker.process.returncode, -signal.SIGKILL)
                    deaths += 1
                    workers[i] = start()
            time.sleep(0.2)
        self.finish(run, 5, 1)
        lines = run.out().decode().splitlines()
        self.assertEqual(len(lines), len(items))
        for item, line in zip(items, lines):
            value = json.loads(line)
            if item == "kill":
                self.assertEqual(value["$error"]["kind"], "crashed")
            else:
                self.assertEqual(value.rstrip("\n"), item)
        self.assertIn(deaths, (3, 4), "the first time it may have run unnamed")
        with open(os.path.join(self.folder, "started")) as f:
            self.assertEqual(f.read().split().count("kill"), deaths)
        for worker in workers:  # and none is left in trouble by it
            self.assertTrue(worker.alive())
