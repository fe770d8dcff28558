"""Tasks that misbehave: each has the outcome it deserves, the items beside it succeed, the worker's memory stays bounded and nothing is
left. Embedded each alone; on a fleet all at once."""
import json
import os
import sys

from fleet import BUILD, PATIENCE, PIPE, ROOT, Case, wait_until

ZOO = os.path.join(ROOT, "tests", "lib", "zoo.py")
NASTY = os.path.join(BUILD, "examples", "nasty.so")
PROCESSES, FILES = 24, 64
MEMORY_KIB_MAX = 160 * 1024  # of the worker, whatever its tasks do (a sanitizer's own share included)
MEMORY = ("memory", "exit", "signal")  # where no memory cgroup tells which

# creature → the kinds it may end with; "value": a success with that value (None: any)
COMMANDS = {"flood_stdout": "too_large", "ignore_term": "timeout", "stop_itself": "timeout", "close_stdout": "timeout",
            "bad_json": "protocol", "allocate": MEMORY, "kill_parent": "signal", "leave_daemon": "value",
            "unread_stdin": "value", "flood_stderr": "value", "fork_and_count": "value", "fork_bomb": "timeout",
            "open_and_count": "value", "fill_file": "signal", "spin": "timeout"}
FUNCTIONS = {"segfault": "signal", "exit": "exit", "stop self": "timeout", "kill parent": "signal", "allocate": MEMORY,
             "daemon": "value", "flood stdout": "value", "close": "value", "fork": "value", "open": "value",
             "wait for cancel": "timeout", "daemon and spin": "timeout"}
LIMITED = ("fork_and_count", "fork_bomb", "fork")


class Hostile(Case):
    bound_s = 300

    def setUp(self):
        super().setUp()
        limits = [f"files = {FILES}", "memory = 64MiB", "cpu-time = 60s", "file-size = 1MiB"]
        exec_line = f"exec = {json.dumps([sys.executable, ZOO, '--', '{}'])}".replace('"--", ', "")
        env = f"env = {json.dumps(['TMPDIR=' + self.folder])}"
        # A limit of processes is refused where nothing can keep it: as root without a pids controller.
        abilities = self.abilities()
        self.can_limit = "processes by nothing" not in abilities
        self.tells_memory = "memory by cgroup" in abilities
        processes = [f"processes = {PROCESSES}"] if self.can_limit else []
        self.conf = os.path.join(self.folder, "zoo.conf")
        with open(self.conf, "w") as f:
            f.write("\n".join(["[zoo]", exec_line, "output = json", env, *limits, *processes,
                               "[text]", exec_line, env, "[misbehave]", f"so = {json.dumps(NASTY)}", *limits, *processes, ""]))

    def abilities(self):
        """The start-up line says what keeps limits here."""
        run = self.run_fanmap("map", "--local", "-v", "--", "true", data=b"1\n")
        return next(line for line in run.err().splitlines() if "limits:" in line)

    def check(self, creature, record, wanted):
        kinds = ("memory",) if wanted == MEMORY and self.tells_memory else wanted if isinstance(wanted, tuple) else (wanted,)
        kind = record["error"]["kind"] if "error" in record else "value"
        self.assertIn(kind, kinds, f"{creature}: {record}")
        if creature in ("fork_and_count", "fork"):
            self.assertLessEqual(record["value"], PROCESSES)
            self.assertGreater(record["value"], PROCESSES // 2)
        if creature in ("open_and_count", "open"):
            self.assertLessEqual(record["value"], FILES)
            self.assertGreater(record["value"], FILES // 2)

    def alone(self, task, creature, wanted):
        """One creature among harmless items, on slots of its own and of others."""
        items = [creature] + ["harmless"] * 7
        run = self.start("map", "--local", "--records", "--slots", 2, "--tasks", self.conf, task, "--timeout", "4s", "--grace",
                         "100ms", stdin=PIPE, name=task)
        wait_until(run.memory_peak_kib, 30 * PATIENCE, "its memory is known before it can end")
        run.process.stdin.write("".join(json.dumps(i) + "\n" for i in items).encode())
        run.process.stdin.close()
        wait_until(lambda: run.memory_peak_kib() and not run.alive(), 60 * PATIENCE, "the map ends", 0.01)
        records = [json.loads(x) for x in run.out().splitlines()]
        self.assertEqual(len(records), len(items), run.err()[-500:])
        self.check(creature, records[0], wanted)
        self.assertEqual([r["index"] for r in records[1:] if "value" not in r], [], f"beside {creature}: {records[1:]}")
        self.assertLess(run.memory_peak_kib(), MEMORY_KIB_MAX, creature)
        self.assertEqual(self.left_over(), [], creature)

    def test_commands_each_alone(self):
        for creature, wanted in COMMANDS.items():
            if self.can_limit or creature not in LIMITED:
                self.alone("zoo", creature, wanted)

    def test_functions_each_alone(self):
        for creature, wanted in FUNCTIONS.items():
            if self.can_limit or creature not in LIMITED:
                self.alone("misbehave", creature, wanted)

    def test_bytes_that_are_no_text(self):
        run = self.run_fanmap("map", "--local", "--tasks", self.conf, "text", data=b'"invalid_utf8"\n')
        self.assertEqual(json.loads(run.out()), {"$binary": "//4="})

    def test_the_whole_zoo_at_once_on_a_fleet(self):
        self.on_fleet()
        worker = self.worker(tasks=self.conf, slots=4)
        for task, creatures in (("zoo", COMMANDS), ("misbehave", FUNCTIONS)):
            here = {c: w for c, w in creatures.items() if self.can_limit or c not in LIMITED}
            items = [i for c in here for i in (c, "harmless", "harmless")]
            run = self.run_map(task, "--records", "--timeout", "8s", "--grace", "100ms", bound_s=150, exit_status=1,
                               data="".join(json.dumps(i) + "\n" for i in items))
            records = [json.loads(x) for x in run.out().splitlines()]
            self.assertEqual([r["index"] for r in records], list(range(len(items))))
            for item, record in zip(items, records):
                self.check(item, record, here.get(item, "value"))
            self.assertLess(worker.memory_peak_kib(), MEMORY_KIB_MAX)
        worker.signal(15)
        worker.wait(60)
        self.assertEqual(self.left_over(), [])
