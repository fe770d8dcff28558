"""Policies on a fleet and embedded: retries and their counts, fail-fast and halts, live control."""
import os
import time

from fleet import PATIENCE, RECORDED, Case, wait_until

RETRIED = 10_000


class Retries(Case):
    """Items that fail at first: while they wait others run, the limit holds, and every attempt is counted."""
    bound_s = 200

    def check(self, finish, recorder):
        items = "".join(f"[{1 + i % 2},{i}]\n" for i in range(RETRIED))
        # Were a waiting item to hold its place, 10,000 waits of 150 ms at five at a time would take 300 s.
        run = finish("record_fail_n", "-j", 5, "--retries", 3, "--backoff", "200ms,2,1s", "--records", data=items, bound_s=120)
        records = run.out().splitlines()
        wanted = [b'{"index":%d,"attempts":%d,"value":%d}' % (i, 2 + i % 2, i) for i in range(RETRIED)]
        self.assert_same(b"\n".join(records) + b"\n", b"\n".join(wanted) + b"\n")
        report = recorder.report()
        job = next(iter(report["jobs"].values()))
        self.assertEqual((job["max"], job["starts"], job["indexes"], job["overlaps"]), (5, RETRIED * 5 // 2, RETRIED, 0))

    def test_on_a_fleet(self):
        self.on_fleet()
        recorder = self.recorder()
        for _ in range(2):
            self.worker()
        self.check(self.run_map, recorder)

    def test_embedded(self):
        recorder = self.recorder()
        self.check(lambda task, *args, **kw: self.run_fanmap("map", "--local", "--slots", 8, "--tasks", RECORDED, task, *args, **kw), recorder)


class Halts(Case):
    bound_s = 240

    def setUp(self):
        super().setUp()
        self.on_fleet()

    def command_worker(self, script, n=3, slots=4):
        path = os.path.join(self.folder, "task.sh")
        with open(path, "w") as f:
            f.write(script)
        for _ in range(n):
            self.worker("--exec", f"task=sh {path}", tasks=None, slots=slots)

    def running(self):
        """Attempts of the task, on any worker."""
        return [c for _, c in self.left_over() if "task.sh" in c and "fanmap" not in c.split(" ")[0] and "--exec" not in c]

    def test_fail_fast_on_a_long_queue(self):
        """Everything is queued before the first failure; then the gatherer is back at once, nothing runs any more, and who
        gathers later gets the same list."""
        n = int(os.environ.get("FANMAP_TEST_FAIL_FAST", "200000"))
        go = os.path.join(self.folder, "go")
        self.command_worker(f"until test -e {go}; do sleep 0.02; done\nexit 7\n")
        items = "".join(f"{i}\n" for i in range(1, n + 1))
        job = self.finish(self.start_map("task", "--fail-fast", data=items, command="submit"), 120).out().decode().strip()
        gather = self.start("gather", job, name="gather")
        wait_until(lambda: len(self.running()) >= 4, 60 * PATIENCE, "attempts run")
        with open(go, "w"):
            began = time.monotonic()
        self.finish(gather, 30, 3)
        back_s = time.monotonic() - began
        wait_until(lambda: not self.running(), 25 * PATIENCE, "nothing of the job runs")
        still_s = time.monotonic() - began
        print(f"    {n} items: back after {back_s:.2f} s, nothing runs after {still_s:.2f} s", flush=True)
        out = gather.out()
        self.assertIn(b'"exit_status":7', out)
        cancelled = out.count(b'"cancelled"')
        self.assertEqual(len(out.splitlines()), n)
        self.assertLess(n - cancelled, n // 10, "back at once, and not when most have run")
        self.assertIn(f"{cancelled} of its {n} items were cancelled", gather.err())
        for _ in range(2):
            again = self.run_fanmap("gather", job, exit_status=3, bound_s=60)
            self.assert_same(again.out(), out, "a later gather")

    def test_a_condition_over_the_fleet_ends_a_job_that_nobody_gathers(self):
        """Counts of three workers together; who gathers later sees the same end as the workers did."""
        ran, go = (os.path.join(self.folder, name) for name in ("ran", "go"))
        self.command_worker(f"read x\necho $x >>{ran}\nuntil test -e {go}; do sleep 0.02; done\nsleep 0.1\ntest $((x % 10)) -ne 0\n", slots=2)
        for halt in ("now,fail=4", "soon,done=30"):
            open(ran, "w").close()
            items = "".join(f"{i}\n" for i in range(1, 3001))
            submit = self.start_map("task", "-j", 6, "--halt", halt, data=items, command="submit")
            job = self.finish(submit, 60).out().decode().strip()
            open(go, "w").close()  # with all of its input there: a job that ends before is no submission that went well
            count = lambda: os.path.getsize(ran)
            wait_until(count, 60 * PATIENCE, "the job runs")
            wait_until(lambda: self.is_still(count), 60 * PATIENCE, "the workers stop")
            with open(ran) as f:
                self.assertLess(len(f.readlines()), 1500, halt)
            outs = [self.run_fanmap("gather", job, exit_status=3, bound_s=60) for _ in range(2)]
            self.assert_same(outs[0].out(), outs[1].out())
            self.assertEqual(len(outs[0].out().splitlines()), 3000)
            self.assertGreater(outs[0].out().count(b'"cancelled"'), 1500)
            self.assertIn("--halt condition held", outs[0].err())
            os.unlink(go)

    def is_still(self, count):
        before = count()
        time.sleep(1.5)
        return count() == before


class OneAtATime(Case):
    """With one at a time nothing starts behind the outcome that ends the job."""
    bound_s = 240
    BAD = (20, 40, 60)
    # each with the item behind which nothing starts
    ENDS = ((("--fail-fast",), 20), (("--halt", "now,fail=1"), 20), (("--halt", "soon,fail=1"), 20), (("--halt", "soon,fail=3"), 60),
            (("--halt", "now,fail=2"), 40), (("--halt", "soon,done=35"), 35), (("--halt", "now,success=50"), 52))

    def test_embedded(self):
        """No-ops, many of which wait in the slot; and commands."""
        items = "".join(f"[{9 * (i in self.BAD)},{i}]\n" for i in range(1, 5001))
        for options, last in self.ENDS:
            recorder = self.recorder()
            self.run_fanmap("map", "--local", "-j", 1, "--tasks", RECORDED, "record_fail_n", *options, data=items,
                            exit_status=0 if "success" in options[-1] else 3)
            self.assertEqual(recorder.report()["starts"], last, options)
        ran = os.path.join(self.folder, "ran")
        self.run_fanmap("map", "--local", "-j", 1, "--halt", "soon,fail=1", "--", "sh", "-c",
                        f"echo $1 >>{ran}; test $1 -ne 3", "sh", "{}", data="".join(f"{i}\n" for i in range(1, 101)), exit_status=3)
        with open(ran) as f:
            self.assertEqual(f.read(), "1\n2\n3\n")

    def test_on_a_fleet(self):
        """Whichever of three workers had the item: the token stays with it."""
        self.on_fleet()
        for _ in range(3):
            ran = os.path.join(self.folder, "ran")
            self.worker("--exec", f"task=sh -c 'read x; echo $x >>{ran}; test $x -ne 20'", tasks=None, slots=4)
        items = "".join(f"{i}\n" for i in range(1, 201))
        for options in (("--fail-fast",), ("--halt", "now,fail=1"), ("--halt", "soon,fail=1")):
            open(ran, "w").close()
            self.run_map("task", "-j", 1, *options, data=items, exit_status=3)
            time.sleep(0.5)
            with open(ran) as f:
                self.assertEqual(f.read().split()[-1], "20", options)


class Control(Case):
    bound_s = 240

    def test_limits_pause_and_cancel_reach_every_worker(self):
        """Within 2 s on a quiet fleet; here five times that."""
        self.on_fleet()
        recorder = self.recorder()
        for _ in range(3):
            self.worker(slots=6)
        # so long that the moment between two of them is nothing beside it: else the full number is hardly ever seen
        items = "".join(f"[500,{i}]\n" for i in range(100_000))
        run = self.start_map("recorded_sleep", "-j", 6, "--lease", "6s", "--job-id", "steered", data=items)
        taken = {}

        def wait(what, holds):
            began = time.monotonic()
            wait_until(lambda: holds(recorder.report()["open"]), 10 * PATIENCE, what, 0.02)
            taken[what] = time.monotonic() - began

        def stays(what, holds):
            until = time.monotonic() + 1
            while time.monotonic() < until:
                n = recorder.report()["open"]
                self.assertTrue(holds(n), f"{n} run, {what}")

        recorder.wait_started(50, 60)
        self.run_fanmap("set", "steered", "--concurrency", 2)
        wait("down to 2", lambda n: n <= 2)
        stays("the limit is 2", lambda n: n <= 2)
        self.run_fanmap("set", "steered", "--concurrency", 10)
        wait("up to 10", lambda n: n == 10)
        self.run_fanmap("set", "steered", "--concurrency", 0)
        wait("no limit", lambda n: n > 12)
        self.run_fanmap("pause", "steered")
        wait("pause", lambda n: n == 0)
        stays("paused", lambda n: n == 0)
        self.run_fanmap("resume", "steered")
        wait("resume", lambda n: n > 0)
        self.run_fanmap("set", "steered", "--concurrency", 3)
        wait("down to 3", lambda n: n <= 3)
        recorder.wait_started(recorder.started() + 20, 30)
        stays("the limit is 3", lambda n: n <= 3)
        self.run_fanmap("cancel", "steered")
        self.finish(run, 60, 3)
        wait("cancel", lambda n: n == 0)
        print("    " + ", ".join(f"{what}: {s:.1f} s" for what, s in taken.items()), flush=True)
        refused = self.run_fanmap("set", "steered", "--concurrency", 5, exit_status=3)
        self.assertIn("has ended already", refused.err())
