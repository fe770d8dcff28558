"""What the log of attempts (NS.logs) costs a task that writes nothing: no record, no topic, and no call of the system more."""
import collections
import os
import re
import shutil
import signal
import unittest

import raw
from fleet import BUILD, FANMAP, PATIENCE, Case, Program, wait_until

NUMBERS = os.path.join(BUILD, "examples", "numbers.so")
SHORT, LONG = 200, 1200
# As strace -f -y -Y writes it: PID<COMM> CALL(FD<WHAT>, ...
CALL = re.compile(r"^\d+<([^>]*)> (\w+)\((?:\d+<([a-z]*))?")
# How often these come depends on when something else happens, and not on what is logged.
WAITING = {"futex", "epoll_wait", "epoll_pwait", "poll", "ppoll", "restart_syscall", "clock_nanosleep"}


@unittest.skipIf(shutil.which("strace") is None, "strace is missing: apt-get install strace")
class Silent(Case):
    bound_s = 300
    partitions = 1

    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.run_fanmap("topics", "--create", *self.connect_args())  # or there would be no topic to count in: it is made with the first line
        self.logs = f"{self.namespace}.logs"
        self.assertEqual(raw.end(self.kafka.port, self.logs, 0), 0)

    def traced(self, logs, n):
        """What a worker and its slots call while they run n silent items, as (program, call, what its descriptor is)."""
        queue = f"{logs}{n}"
        trace = os.path.join(self.folder, f"trace.{queue}")
        worker = Program(f"worker.{queue}", ["strace", "-f", "-qq", "-y", "-Y", "-o", trace, FANMAP, "worker", "--tasks", NUMBERS, "--slots", "1",
                                             "--queue", queue, "--logs", logs, *self.connect_args()], self.folder, self.environment())
        self.programs.append(worker)
        wait_until(lambda: " ready" in worker.err(), 60 * PATIENCE, "a worker")
        ones = b"1\n" * n
        # Whether anything was written is asked of an attempt that lasted long enough for it, so each of these lasts for a millisecond.
        self.assert_same(self.run_map("sleep_ms", "--queue", queue, data=ones, bound_s=120).out(), ones)
        with open(f"/proc/{worker.pid}/task/{worker.pid}/children") as f:
            os.kill(int(f.read().split()[0]), signal.SIGTERM)
        self.finish(worker, 60)
        with open(trace, errors="replace") as f:
            return collections.Counter(call.groups() for call in map(CALL.match, f) if call)

    def cost(self, logs):
        """Calls an item: what LONG items take more than SHORT ones."""
        long = self.traced(logs, LONG)
        long.subtract(self.traced(logs, SHORT))
        return {key: n / (LONG - SHORT) for key, n in long.items()}

    def test_a_silent_task_costs_nothing(self):
        costs = {logs: self.cost(logs) for logs in ("on", "off")}
        sums = {}
        for logs, calls in costs.items():
            # Output of an attempt comes to the worker by pipes: of what is silent nothing is read or written there (librdkafka's threads wake each
            # other by pipes of their own).
            pipes = {key: n for key, n in calls.items() if key[2] == "pipe" and not key[0].startswith("rdk:") and
                     key[1] in (("read", "readv") if key[0] == "fanmap" else ("read", "write", "readv", "writev", "splice"))}
            self.assertLess(sum(map(abs, pipes.values())), 0.05, (logs, pipes))
            # Of the process that runs the attempts: whether anything was written is asked once, whoever wants to know.
            sums[logs] = sum(n for (program, call, what), n in calls.items()
                             if program == "fanmap-host" and what != "socket" and call not in WAITING | {"sendto", "recvfrom"})
            self.assertLess(sums[logs], 1.1, logs)
        print(f"    calls of the system an item, besides those that bring the item and take its value: {sums['on']:.2f} with logs, {sums['off']:.2f} without")
        self.assertLess(abs(sums["on"] - sums["off"]), 0.3)
        self.assertEqual(raw.end(self.kafka.port, self.logs, 0), 0, "records of the log of attempts")
