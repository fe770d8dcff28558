"""Errors stand in their places, and exit codes say what happened."""
import json
import os
import subprocess
import time

from fleet import FANMAP, PIPE, Case, seq, wait_until

MIB = 1 << 20


class Errors(Case):
    bound_s = 90

    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.worker(slots=4)

    def records(self, task, *args, data, exit_status=1):
        run = self.run_map(task, "--records", *args, data=data, exit_status=exit_status)
        out = [json.loads(line) for line in run.out().splitlines()]
        self.assertEqual([r["index"] for r in out], list(range(len(out))))
        return out

    def test_kinds_in_their_places(self):
        run = self.run_map("trouble", "--timeout", "2s", "--grace", "200ms", data=b"2\n-1\n-2\n-3\n-4\n-5\n3\n",
                           exit_status=1)
        lines = [json.loads(x) for x in run.out().splitlines()]
        self.assertEqual((lines[0], lines[6], len(lines)), (4, 9, 7))
        kinds = [x["$error"]["kind"] for x in lines[1:6]]
        self.assertEqual(kinds, ["signal", "exit", "exception", "exception", "timeout"])
        self.assertEqual({x["$error"]["attempts"] for x in lines[1:6]}, {1})
        self.assertIn("asked for", lines[3]["$error"]["message"])

    def test_final_errors_are_not_tried_again(self):
        out = self.records("trouble", "--retries", 2, "--backoff", "10ms", data=b"-3\n-4\n")
        self.assertEqual([r["attempts"] for r in out], [1, 3])

    def test_retries_until_it_works(self):
        recorder = self.recorder()
        self.worker(slots=1, name="counted")
        out = self.records("record_fail_n", "--retries", 5, "--backoff", "10ms", data=b"[3,30]\n[0,1]\n", exit_status=0)
        self.assertEqual([(r["value"], r["attempts"]) for r in out], [(30, 4), (1, 1)])
        self.assertLessEqual(recorder.report()["starts"], 5)

    def test_an_item_that_always_kills_its_slot_is_crashed(self):
        out = self.records("trouble", "--retries", 50, "--backoff", "1ms", data=b"-1\n5\n")
        self.assertEqual((out[0]["error"]["kind"], out[0]["attempts"], out[1]["value"]), ("crashed", 3, 25))

    def test_lines_that_are_not_json(self):
        bad = [b"", b"not json", b"[1,", b"1 2", b'"\\ud800"', b"18446744073709551616", b"-9223372036854775809", b"1e400",
               b'{"a":1,"a":2}', b'{"a\\u0000":1}', b"\xff", b"nan", b"[" * 5000 + b"]" * 5000]
        data = b"1\n" + b"".join(line + b"\n" for line in bad) + b"2\n"
        out = self.records("echo", data=data)
        self.assertEqual((out[0]["value"], out[-1]["value"], len(out)), (1, 2, len(bad) + 2))
        for number, (r, line) in enumerate(zip(out[1:], bad), 2):
            self.assertEqual(r.get("error", {}).get("kind"), "bad_input", f"{line[:40]!r}: {r}")
            self.assertIn(str(number), r["error"]["message"], "names the line")
            self.assertEqual(r["attempts"], 0)

    def test_an_item_over_the_limit(self):
        data = b"1\n" + b'"' + b"x" * MIB + b'"\n' + b'"' + b"y" * (5 * MIB) + b'"\n2\n'
        out = self.records("echo", data=data)
        self.assertEqual([r.get("error", {}).get("kind") for r in out], [None, "too_large", "too_large", None])
        self.assertIn("2", out[1]["error"]["message"])

    def test_a_value_over_the_limit(self):
        out = self.records("big", data=b"10\n%d\n%d\n" % (2 * MIB, MIB - 6))
        self.assertEqual(out[0]["value"], "x" * 10)
        self.assertEqual(out[1]["error"]["kind"], "too_large")
        self.assertEqual(len(out[2]["value"]), MIB - 6)

    def test_errors_with_lines_go_to_stderr(self):
        run = self.run_map("trouble", "--output-format", "lines", data=b"1\n-3\n2\n", exit_status=1)
        self.assertEqual(run.out(), b"1\n\n4\n")
        self.assertIn("asked for", run.err())

    def test_fail_fast_stops_with_3(self):
        data = b"1\n-3\n" + b"".join(b"%d\n" % i for i in range(2000))
        run = self.run_map("trouble", "--fail-fast", "-j", 1, data=data, exit_status=3)
        self.assertIn("exception", run.out().decode() + run.err())

    def test_a_deadline_stops_with_3(self):
        self.run_map("echo", data=seq(1, 20))  # the worker has its partitions
        began = time.monotonic()
        run = self.run_map("recorded_sleep", "--deadline", "6s", "-j", 2, data="[1,1]\n[60000,1]\n", exit_status=3)
        self.assertLess(time.monotonic() - began, 45)
        lines = [json.loads(x) for x in run.out().splitlines()]
        self.assertEqual((lines[0], lines[1]["$error"]["kind"]), (1, "deadline"))

    def test_an_input_that_breaks_off(self):
        """A folder opens and cannot be read: exit 6, and nothing else is lost."""
        run = self.run_fanmap("map", "echo", *self.connect_args(), "-i", self.folder, exit_status=6)
        self.assertEqual(run.out(), b"")

    def test_an_unreadable_file_after_a_start(self):
        run = self.run_fanmap("map", "echo", *self.connect_args(), "-i", os.path.join(self.folder, "none"), exit_status=6)
        self.assert_one_line(run, "none")

    def test_head_ends_it_quietly(self):
        map_ = subprocess.Popen([FANMAP, "map", "echo", *self.connect_args(), "-i", self.input_file(seq(1, 500_000))],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env=self.environment())
        head = subprocess.run(["head", "-3"], stdin=map_.stdout, stdout=subprocess.PIPE, timeout=60)
        map_.stdout.close()
        said = map_.stderr.read().decode()
        self.assertEqual((head.stdout, map_.wait(30)), (b"1\n2\n3\n", -13), said)
        map_.stderr.close()
        self.assertNotIn("rror", said)

    def test_interrupt_cancels_and_says_130(self):
        run = self.start_map("recorded_sleep", data="[0,1]\n" + "[60000,2]\n" * 3)
        wait_until(lambda: run.out() == b"1\n", 30, "the first outcome")
        run.signal(2)
        self.assertEqual(run.wait(20), 130)
        self.assertEqual(run.out().split(b"\n")[0], b"1")

    def test_interrupt_of_a_named_job_leaves_it_and_gather_finds_it(self):
        run = self.start_map("recorded_sleep", "--job-id", "kept", data="[0,1]\n[60000,2]\n")
        wait_until(lambda: run.out() == b"1\n", 30, "the first outcome")
        run.signal(2)
        self.assertEqual(run.wait(20), 130)
        self.assertIn("gather kept", run.err())
        self.assertIn("cancel kept", run.err())

    def test_a_job_that_does_not_exist(self):
        run = self.start("gather", "no-such-job", *self.connect_args())
        self.assertNotEqual(run.wait(30), 0)
        self.assert_one_line(run, "no-such-job")

    def test_stdin_that_stays_open_and_silent(self):
        run = self.start("map", "echo", *self.connect_args(), stdin=PIPE, name="map")
        run.process.stdin.write(b"1\n")
        run.process.stdin.flush()
        wait_until(lambda: run.out() == b"1\n", 30, "the outcome of the only item so far")
        run.process.stdin.close()
        self.finish(run, 20)
