"""A job id that is submitted again after its producer was killed, and the second try of a job's failed items."""
import json
import os
import signal

from fleet import PATIENCE, PIPE, Case, seq, squares, wait_until

SILENT_S = 10  # so long a producer must have been silent


class Resubmit(Case):
    bound_s = 240

    def setUp(self):
        super().setUp()
        self.on_fleet()

    def killed(self, task, fed, *args, started=0):
        """`fanmap submit` with an input that goes on, killed when some of it was published and ran."""
        first = self.start_map(task, *args, stdin=PIPE, command="submit")
        os.set_blocking(first.process.stdin.fileno(), True)
        first.process.stdin.write(fed)
        first.process.stdin.flush()
        self.counted.wait_started(started, 90)
        first.kill()

    def again(self, task, data, *args, command="submit", bound_s=90, exit_status=0):
        """The same command, until the other producer has been silent for long enough (one that was refused late had
        the job for a moment, too)."""

        def not_too_early():
            program = self.start_map(task, *args, data=data, command=command)
            program.wait(bound_s)
            return None if "was heard of" in program.err() else program

        program = wait_until(not_too_early, 6 * SILENT_S * PATIENCE, "a job whose producer is silent", 1)
        self.assertEqual(program.wait(bound_s), exit_status, program.err()[-1500:])
        return program

    def test_killed_amid_publishing(self):
        n = 50000
        self.counted = self.recorder()
        self.worker()
        self.killed("recorded", seq(1, 3), "--job-id", "small", started=3)
        self.killed("recorded", seq(1, 30000), "--job-id", "again", started=8000)
        other = seq(1, 4000) + b"7\n" + seq(4002, n)
        refused = self.again("recorded", other, "--job-id", "again", exit_status=2)
        self.assert_one_line(refused, "different input", "item")
        short = self.again("recorded", seq(1, 100), "--job-id", "again", exit_status=2)
        self.assert_one_line(short, "different input", "ends after 100 items")
        task = self.again("echo", seq(1, n), "--job-id", "again", exit_status=2)
        self.assert_one_line(task, "another task")

        submitted = self.again("recorded", seq(1, n), "--job-id", "again", "--retries", 3)
        self.assertEqual(submitted.out(), b"again\n")
        self.assertIn("keeps the policy that it was submitted with: --retries 0 (not 3)\n", submitted.err())
        gathered = self.run_fanmap("gather", "again", bound_s=120)
        self.assert_same(gathered.out(), squares(n))
        job = self.counted.report()["jobs"]["again"]
        self.assertEqual((job["indexes"], job["overlaps"]), (n, 0))
        self.assertEqual(self.counted.started(), n + 3, "nothing that was published before ran again")

        # One that died before it had said how far it was: its few items are found by the time of the submission.
        small = self.again("recorded", seq(1, 6), "--job-id", "small", command="map")
        self.assert_same(small.out(), squares(6))
        self.assertEqual(self.counted.started(), n + 6)

        # Once it has its input, submitting it again compares the input and gathers.
        whole = self.again("recorded", seq(1, n), "--job-id", "again", command="map")
        self.assert_same(whole.out(), squares(n))
        longer = self.again("recorded", seq(1, n + 1), "--job-id", "again", command="map", exit_status=2)
        self.assert_one_line(longer, f"it had {n} items")
        self.assertEqual(self.counted.started(), n + 6)

    def test_stopped_producer_is_taken_over_and_stops(self):
        self.counted = self.recorder()
        self.worker()
        old = self.start_map("recorded", "--job-id", "two", stdin=PIPE, command="submit")
        old.process.stdin.write(seq(1, 2000))
        old.process.stdin.flush()
        self.counted.wait_started(2000, 60)
        early = self.start_map("recorded", "--job-id", "two", data=seq(1, 3000))
        self.finish(early, 60, 2)
        self.assert_one_line(early, "another producer was heard of", "try again in")
        old.signal(signal.SIGSTOP)
        whole = self.again("recorded", seq(1, 3000), "--job-id", "two", command="map")
        self.assert_same(whole.out(), squares(3000))
        old.signal(signal.SIGCONT)
        old.process.stdin.write(seq(2001, 4000))
        old.process.stdin.close()
        self.assertNotEqual(old.wait(60), 0, "the old producer gives way")
        self.assertEqual(self.counted.started(), 3000)
        self.assert_same(self.run_fanmap("gather", "two").out(), squares(3000))


class RetryFailed(Case):
    """A second try: what had a value keeps it, what had none runs again, and every reader gets the whole list."""

    bound_s = 180

    def setUp(self):
        super().setUp()
        self.on_fleet()

    def failed(self, *args, n=300):
        """Job `old`: values, failures of their own, items that cannot be parsed."""
        lines = [b"%d" % (-3 if i % 10 == 3 else i) for i in range(n)]
        lines[7] = b"{not json"
        self.worker()
        self.run_map("trouble", "--job-id", "old", *args, data=b"\n".join(lines) + b"\n", exit_status=1)

    def test_what_failed_runs_again(self):
        self.counted = self.recorder()
        self.failed()
        old = self.run_fanmap("gather", "old", "--records", exit_status=1).out().splitlines()
        started = self.counted.started()
        # With another task, which counts: only what had no value runs.
        first = self.run_fanmap("map", "--retry-failed", "old", "recorded", "--records", "--job-id", "new",
                                *self.connect_args(), exit_status=1)
        self.assertEqual(self.counted.started(), started + 30)
        self.assertIn("for 1 of its items: they could not be parsed", first.err())
        wanted = [b'{"index":%d,"attempts":1,"value":9}' % i if i % 10 == 3 else line for i, line in enumerate(old)]
        self.assert_same(first.out(), b"\n".join(wanted) + b"\n")
        again = self.run_fanmap("gather", "new", "--records", exit_status=1)
        self.assert_same(again.out(), first.out())
        # The same once more: nothing but what cannot be sent is left, and a resubmission compares and gathers.
        third = self.run_fanmap("map", "--retry-failed", "new", "--records", exit_status=1)
        self.assertIn("nothing is left", third.err())
        self.assert_same(third.out(), first.out())
        same = self.run_fanmap("map", "--retry-failed", "old", "recorded", "--records", "--job-id", "new", exit_status=1)
        self.assert_same(same.out(), first.out())
        self.assertEqual(self.counted.started(), started + 30)

    def test_of_a_job_that_was_stopped(self):
        """What a closed job had not run has its inputs in Kafka; its list ends where it was closed."""
        self.counted = self.recorder()
        worker = self.worker(slots=2)
        first = self.start_map("recorded_sleep", "--job-id", "old", data="".join(f"[20,{i}]\n" for i in range(2000)),
                               command="submit")
        self.finish(first, 60)
        wait_until(lambda: json.loads(self.run_fanmap("show", "old", "--json").out())["known"] > 50, 60 * PATIENCE, "values are stored")
        self.run_fanmap("cancel", "old")
        before = self.run_fanmap("gather", "old", exit_status=3).out().splitlines()
        self.assertEqual(len(before), 2000)
        worker.signal(signal.SIGTERM)
        worker.wait(60)
        values = sum(1 for line in before if not line.startswith(b"{"))
        started = self.counted.started()
        self.worker()
        submitted = self.run_fanmap("submit", "--retry-failed", "old", "echo", "--job-id", "new")
        self.assertEqual(submitted.out(), b"new\n")
        after = self.run_fanmap("gather", "new", bound_s=90).out().splitlines()
        wanted = [b"[20,%d]" % i if line.startswith(b"{") else line for i, line in enumerate(before)]
        self.assert_same(b"\n".join(after), b"\n".join(wanted))
        self.assertGreater(values, 50)
        self.assertEqual(self.counted.started(), started)

    def test_one_group_and_listed_items(self):
        """Exactly those run again; the others keep what they had, errors too."""
        self.counted = self.recorder()
        self.worker("--exec", "modulo=sh -c 'read n; case $((n % 5)) in 1) echo \"no $n\" >&2; exit 1;; 2) echo \"never $n\" >&2; exit 2;; *) echo $n;; esac'")
        self.run_map("modulo", "--job-id", "old", data=seq(0, 99), exit_status=1)
        old = self.run_fanmap("gather", "old", "--records", exit_status=1).out().splitlines()
        failures = json.loads(self.run_fanmap("show", "old", "--json").out())["failures"]
        self.assertEqual([(f["message"], f["count"], f["first"], f["last"]) for f in failures], [("no N", 20, 1, 96), ("never N", 20, 2, 97)])
        self.assertIn(f"20 x exit: never N, from item 2 on (--retry-group {failures[1]['group']})", self.run_fanmap("show", "old").out().decode())

        def again(job, runs, *choice):
            started = self.counted.started()
            printed = self.run_fanmap("map", "--retry-failed", "old", "recorded", "--records", "--job-id", job, *choice, exit_status=1).out()
            wanted = [b'{"index":%d,"attempts":1,"value":%d}' % (i, i * i) if i in runs else line for i, line in enumerate(old)]
            self.assert_same(printed, b"\n".join(wanted) + b"\n")
            self.assert_same(self.run_fanmap("gather", job, "--records", exit_status=1).out(), printed)
            self.assertEqual(self.counted.started(), started + len(runs))

        again("group", set(range(2, 100, 5)), "--retry-group", failures[1]["group"])
        again("items", {1, 2, 6, 7, 11, 96}, "--retry-items", "0-8,11,95-96")
        for wrong, why in ((("--retry-group", "0" * 12), "none of its failed items"), (("--retry-items", "3,4"), "none of its failed items"),
                           (("--retry-items", "x"), "want indexes")):
            self.assert_one_line(self.run_fanmap("map", "--retry-failed", "old", *wrong, exit_status=2), why)
        self.assert_one_line(self.run_fanmap("map", "echo", "--retry-items", "1", exit_status=2), "--retry-failed JOB")

    def test_what_was_left_out_runs_from_the_second_try(self):
        mended = os.path.join(self.folder, "mended")
        self.worker("--exec", f"modulo=sh -c 'read n; [ -e {mended} ] || [ $((n % 5)) -gt 2 ] || exit $((n % 5 + 1)); echo $n'")
        self.run_map("modulo", "--job-id", "first", data=seq(0, 49), exit_status=1)
        open(mended, "w").close()
        for of, job, choice, left in (("first", "second", ("--retry-items", "0-24"), 15), ("second", "third", ("--retry-items", "30-39"), 9), ("third", "fourth", (), 0)):
            self.run_fanmap("submit", "--retry-failed", of, "--job-id", job, *choice)
            lines = self.run_fanmap("gather", job, exit_status=1 if left else 0).out().splitlines()
            self.assertEqual(sum(line.startswith(b"{") for line in lines), left, job)
        self.assertEqual(lines, [b"\"%d\"" % i for i in range(50)])

    def test_refused(self):
        self.worker()
        missing = self.run_fanmap("map", "--retry-failed", "nobody", exit_status=2)
        self.assert_one_line(missing, "nobody", "no such job")
        run = self.start_map("recorded_sleep", "--job-id", "open", data="[1,1]\n[60000,2]\n", command="submit")
        self.finish(run, 60)
        early = self.run_fanmap("map", "--retry-failed", "open", exit_status=2)
        self.assert_one_line(early, "has not ended", "cancel")
        with_input = self.run_fanmap("map", "--retry-failed", "open", ":::", "1", exit_status=2)
        self.assert_one_line(with_input, "no -i, no :::")
        embedded = self.run_fanmap("map", "--local", "--retry-failed", "open", exit_status=2)
        self.assert_one_line(embedded, "needs a fleet")
        self.run_fanmap("cancel", "open")
