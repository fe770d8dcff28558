"""What jobs ask for, against what the workers of a fleet allow."""
import json
import os
import sys

from fleet import PATIENCE, ROOT, Case, seq, wait_until

COUNT = ["python3", "-c", "import resource; print(resource.getrlimit(resource.RLIMIT_CPU)[0])"]


SERVED = """
import os, resource, sys
sys.path.insert(0, sys.argv[1])
import fanmap_task

@fanmap_task.task
def mischief(what):
    if what == "allocate":
        return len(bytearray(b"x" * (1 << 30)))
    if what == "spin":
        while True:
            pass
    if what == "open":
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return [os.getcwd(), os.environ["MODE"], os.nice(0), what]

fanmap_task.serve()
"""


class Served(Case):
    """Programs that are served have limits and surroundings too."""

    def setUp(self):
        super().setUp()
        program, self.conf = os.path.join(self.folder, "served.py"), os.path.join(self.folder, "served.conf")
        with open(program, "w") as f:
            f.write(SERVED)
        argv = [sys.executable, program, os.path.join(ROOT, "examples", "python")]
        with open(self.conf, "w") as f:
            f.write(f"[mischief]\nserve = {json.dumps(argv)}\nmemory = 64MiB\nfiles = 77\ncpu-time = 300ms\n"
                    'workdir = "/usr"\nenv = "MODE=served"\nnice = 4\n')
        self.abilities = self.run_fanmap("map", "--local", "-v", "--", "true", data=b"1\n").err()

    def check(self, finish, *args):
        """One item after another: each of the mischievous ones ends by its limit, and those beside it well."""
        run = finish(*args, "--records", "--grace", "100ms", data=b'"a"\n"allocate"\n"b"\n"spin"\n"open"\n', exit_status=1)
        out = [json.loads(x) for x in run.out().splitlines()]
        for i, what in ((0, "a"), (2, "b")):
            self.assertEqual(out[i]["value"], ["/usr", "served", 4, what])
        kinds = ("memory",) if "memory by cgroup" in self.abilities else ("memory", "exit", "signal", "exception")
        self.assertIn(out[1]["error"]["kind"], kinds)
        self.assertEqual(out[3]["error"]["kind"], "timeout")
        self.assertIn("processor time", out[3]["error"]["message"])
        self.assertEqual(out[4]["value"], 77)

    def test_embedded(self):
        self.check(self.run_fanmap, "map", "--local", "--slots", 1, "--tasks", self.conf, "mischief")

    def test_on_a_fleet(self):
        self.on_fleet()
        worker = self.worker(tasks=self.conf, slots=1)
        self.check(self.run_map, "mischief")
        self.assertTrue(worker.alive())


class Rates(Case):
    def test_a_rate_holds_over_the_fleet(self):
        """Two workers that could start everything at once, with a limit and without; each start says when it was, by the one clock that they
        share here. A place of --rate may be used a second late, and a command may take another second to say when it began."""
        self.on_fleet()
        for _ in range(2):
            self.worker("--exec", "when=date +%s.%N", tasks=None, slots=8)
        n = 21
        for words, least_s in ((["--rate", "5/s"], 20 / 5 - 2), (["--rate", "300/m", "-j", "9"], 20 / 5 - 2), (["--delay", "250ms"], 20 / 4 - 1)):
            with self.subTest(words=words):
                run = self.run_map("when", "--job-id", "-".join(words).strip("-").replace("/", "-"), *words, data=seq(1, n))
                at = sorted(float(json.loads(x)) for x in run.out().splitlines())
                self.assertEqual(len(at), n)
                self.assertGreater(at[-1] - at[0], least_s)
        self.assertEqual(json.loads(self.run_fanmap("show", "rate-5-s", "--json").out())["policy"]["rate"], "5/s")
        run = self.run_fanmap("map", "--redis", "none", "--rate", "5/s", "when", ":::", "1", exit_status=2)
        self.assert_one_line(run, "--rate needs Redis")


class Limits(Case):
    def setUp(self):
        super().setUp()
        self.on_fleet()

    def command_worker(self, *args):
        worker = self.worker("--exec", "t=" + " ".join(f"'{w}'" for w in COUNT), *args, tasks=None, slots=1)
        self.until_listed(worker)  # a map asks Redis what workers allow
        return worker

    def refused(self, *args):
        run = self.start_map("t", *args, data=b"1\n")
        self.assertEqual(run.wait(30), 2)
        return run

    def test_more_than_any_worker_allows_is_refused_before_anything_is_sent(self):
        # A worker refuses a limit of its own that nothing there can keep.
        abilities = self.run_fanmap("map", "--local", "-v", "--", "true", data=b"1\n").err()
        has_cpus = "cpus by nothing" not in abilities
        worker = self.command_worker("--memory", "64MiB", "--cpu-time", "20s", *(["--cpus", "0.5"] if has_cpus else []))
        self.assert_one_line(self.refused("--memory", "65MiB", "--job-id", "j"), "--memory 65MiB", "any worker", "64MiB")
        self.assert_one_line(self.refused("--cpu-time", "21s"), "--cpu-time 21s", "20s")
        if has_cpus:
            self.assert_one_line(self.refused("--cpus", "2"), "--cpus 2", "0.5")
        self.run_fanmap("gather", "j", exit_status=2)  # there is no such job
        self.assertNotIn("an attempt of t gets", worker.err())
        # Less is what it gets, and the worker says so.
        run = self.run_map("t", "--cpu-time", "10s", "--memory", "64MiB", "--output-format", "lines", data=b"1\n")
        self.assertEqual(run.out(), b"13\n")  # the meter's limit is 10 s; the kernel's, for one that escapes it, is above
        self.assertRegex(worker.err(), "an attempt of t gets memory 64MiB, (cpus 0.5, )?cpu-time 10s")

    def test_one_worker_that_allows_it_is_enough(self):
        self.command_worker("--cpu-time", "20s")
        self.command_worker("--cpu-time", "40s")
        self.assert_one_line(self.refused("--cpu-time", "41s"), "40s")
        run = self.run_map("t", "--cpu-time", "30s", data=b"1\n2\n3\n4\n")
        # At each worker the smaller limit counts.
        self.assertLessEqual({json.loads(x) for x in run.out().splitlines()}, {"23", "33"})
        self.command_worker()
        self.run_map("t", "--cpu-time", "41s", data=b"1\n")

    def test_a_job_that_asks_waits_for_workers_as_any_other(self):
        run = self.start_map("t", "--memory", "1GiB", data=b"1\n")
        wait_until(lambda: "no worker serves task" in run.err(), 30 * PATIENCE, "it says that nobody serves it")
        self.command_worker()
        self.assertEqual(run.wait(60), 0)
