"""The main job: a map over a fleet, with workers lost on the way."""
import json
import os
import random
import time

from fleet import PATIENCE, PIPE, Case, seq, squares, wait_until


class MainJob(Case):
    bound_s = 420

    def setUp(self):
        super().setUp()
        self.on_fleet()

    def check_places(self, recorder, limit, items):
        """The recorder's word: the limit was used and never passed, every item started, none twice at once."""
        report = recorder.report()
        self.assertEqual(len(report["jobs"]), 1)
        job = next(iter(report["jobs"].values()))
        self.assertEqual(job["max"], limit, f"most attempts at once; the recorder says {report}")
        self.assertEqual((job["indexes"], job["overlaps"], job["open"]), (items, 0, 0), f"the recorder says {report}")
        return job

    def test_a_small_job_reaches_every_worker(self):
        """Eight items that wait for each other, on two workers of four slots and twice as many partitions."""
        self.run_fanmap("topics", "--create", "--task", "meet", "--partitions", 16)
        script = f"mkdir -p {self.folder}/$FANMAP_JOB; cd {self.folder}/$FANMAP_JOB; >$FANMAP_INDEX; " \
                 "until test $(ls | wc -l) = 8; do sleep 0.05; done; printf met"
        for _ in range(2):
            self.worker("--exec", f"meet=sh -c '{script}'", tasks=None, slots=4)
        wait_until(self.share_alike, 60 * PATIENCE, "both have eight partitions")
        for job in ("a", "b", "c", "d"):
            run = self.run_map("meet", "--job-id", job, "--timeout", "60s", "--output-format", "lines", data=seq(1, 8), bound_s=90)
            self.assert_same(run.out(), b"met\n" * 8)

    def share_alike(self):
        lines = self.run_fanmap("workers", "--json").out().splitlines()
        return [json.loads(line)["partitions"] for line in lines] == [8, 8]

    def test_three_workers_one_killed(self):
        n = 100_000
        recorder = self.recorder()
        workers = [self.worker() for _ in range(3)]
        run = self.start_map("recorded", "-j", 7, data=seq(1, n))
        recorder.wait_started(n * 2 // 5, 120)
        workers[1].kill()
        self.finish(run, 240)
        self.assert_same(run.out(), squares(n))
        job = self.check_places(recorder, 7, n)
        # What the killed worker had done since its last commit, a second ago, runs again.
        self.assertLess(job["starts"], n * 1.2, "far more attempts than items")

    def test_a_worker_killed_every_few_seconds(self):
        n = int(os.environ.get("FANMAP_TEST_KILL_ITEMS", "12000"))
        recorder = self.recorder()
        workers = [self.worker() for _ in range(4)]
        items = "".join(f"[{random.Random(i).randrange(1, 25)},{i}]\n" for i in range(n))
        run = self.start_map("recorded_sleep", "-j", 7, data=items)
        recorder.wait_started(200, 60)
        chance, kills = random.Random(4), 0
        while run.alive() and kills < 6:
            time.sleep(chance.uniform(2, 4))
            if run.alive():
                workers.pop(chance.randrange(4)).kill()
                workers.append(self.worker())
                kills += 1
        self.finish(run, 300)
        self.assertGreaterEqual(kills, 3, "the job was over before enough workers were killed")
        self.assert_same(run.out(), "".join(f"{i}\n" for i in range(n)).encode())
        self.check_places(recorder, 7, n)

    def test_a_million_lines_mapped_submitted_and_gathered(self):
        n = int(os.environ.get("FANMAP_TEST_LINES", "1000000"))
        lines = seq(1, n)
        for _ in range(2):
            self.worker(slots=2)
        formats = ("--input-format", "lines", "--output-format", "lines")
        run = self.run_map("echo", *formats, data=lines, bound_s=180)
        self.assert_same(run.out(), lines)
        submitted = self.finish(self.start_map("echo", "--input-format", "lines", data=lines, command="submit"), 120)
        job = submitted.out().decode().strip()
        self.assertRegex(job, r"^[A-Za-z0-9._-]+$")
        for _ in range(2):
            gathered = self.run_fanmap("gather", job, "--output-format", "lines", bound_s=120)
            self.assert_same(gathered.out(), lines, "what was gathered")

    def test_submit_then_gather_gives_what_map_gave(self):
        """Errors and all, in records, twice, by another process."""
        self.worker(slots=2)
        items = b"".join(b"%d\n" % (i if i % 10 else -3) for i in range(1, 2001)) + b"not json\n"
        submitted = self.finish(self.start_map("trouble", "--job-id", "same-bytes", data=items, command="submit"), 60)
        self.assertEqual(submitted.out(), b"same-bytes\n")
        self.assertEqual(self.run_map("trouble", "--detach", "--job-id", "left", data=b"1\n").out(), b"left\n", "as submit does")
        first = self.run_fanmap("gather", "same-bytes", "--records", bound_s=60, exit_status=1).out()
        again = self.run_fanmap("gather", "same-bytes", "--records", bound_s=60, exit_status=1).out()
        self.assert_same(again, first, "the second gathering")
        records = [json.loads(line) for line in first.splitlines()]
        self.assertEqual([r["index"] for r in records], list(range(2001)))
        kinds = [r["error"]["kind"] for r in records if "error" in r]
        self.assertEqual((kinds.count("exception"), kinds.count("bad_input"), len(kinds)), (200, 1, 201))

        # Which job it was is said as well where the input breaks off, and of a job that was stopped.
        half = self.start_map("echo", "-i", self.input_file("1\n2\n"), "-i", self.input_file("4\n"), command="submit")
        self.assert_one_line(self.finish(half, 60, 6), "sequence 2")
        self.assertEqual(self.run_fanmap("gather", half.out().decode().strip(), bound_s=60, exit_status=6).out(), b"[1,4]\n")
        self.finish(self.start_map("nowhere", "--job-id", "stopped", data=b"1\n", command="submit"), 60)
        self.run_fanmap("cancel", "stopped")
        stopped = self.finish(self.start_map("nowhere", "--job-id", "stopped", data=b"1\n", command="submit"), 60, 3)
        self.assertEqual(stopped.out(), b"stopped\n")
        self.assert_one_line(stopped, "job stopped was ") # ended or stopped, as who learns it first has it

    def test_two_maps_share_the_workers_and_keep_their_own_limits(self):
        n = 1500
        recorder = self.recorder()
        self.worker(slots=8)
        self.worker(slots=8)
        items = "".join(f"[2,{i}]\n" for i in range(n))
        runs = [self.start_map("recorded_sleep", "-j", j, "--job-id", f"limit-{j}", data=items) for j in (2, 5)]
        for run in runs:
            self.finish(run, 90)
            self.assert_same(run.out(), "".join(f"{i}\n" for i in range(n)).encode())
        jobs = recorder.report()["jobs"]
        self.assertEqual({name: (job["max"], job["overlaps"]) for name, job in jobs.items()},
                         {"limit-2": (2, 0), "limit-5": (5, 0)})

    def test_a_small_job_is_not_held_up_by_a_big_one(self):
        self.worker(slots=2)
        big = self.start_map("recorded_sleep", data="".join(f"[20,{i}]\n" for i in range(20_000)))
        began = time.monotonic()
        small = self.run_map("recorded_sleep", data="".join(f"[20,{i}]\n" for i in range(10)))
        self.assertLess(time.monotonic() - began, 60 * PATIENCE)  # behind the big one it would take 200 s
        self.assertEqual(small.out(), b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n")
        self.assertTrue(big.alive(), "the big one cannot be over yet")
        big.signal(2)
        big.wait(30)

    def test_outcomes_stream_before_the_input_ends(self):
        self.worker(slots=2)
        run = self.start("map", "echo", *self.connect_args(), stdin=PIPE, name="map")
        for i in range(3):
            run.process.stdin.write(b"%d\n" % i)
            run.process.stdin.flush()
            wait_until(lambda: run.out().count(b"\n") == i + 1, 30 * PATIENCE, f"outcome {i}")
        run.process.stdin.close()
        self.finish(run, 20)
        self.assertEqual(run.out(), b"0\n1\n2\n")
