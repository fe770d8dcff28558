"""`--local`: the same cores with no Kafka and no Redis, real slot processes, real limits."""
import json
import os

from fleet import PIPE, RECORDED, Case, seq, squares, wait_until


class Embedded(Case):
    def local(self, *args, data=b"", **kwargs):
        return self.run_fanmap("map", "--local", *args, data=data, **kwargs)

    def tasks(self, task, *args, **kwargs):
        return self.local("--tasks", RECORDED, task, *args, **kwargs)

    def test_a_hundred_thousand_items_in_order_at_seven(self):
        n = 100_000
        recorder = self.recorder()
        run = self.tasks("recorded", "-j", 7, "--slots", 16, data=seq(1, n), bound_s=110)
        self.assert_same(run.out(), squares(n))
        report = recorder.report()
        job = next(iter(report["jobs"].values()))
        self.assertEqual((job["max"], job["starts"], job["indexes"], job["overlaps"]), (7, n, n, 0))

    def test_lines(self):
        run = self.tasks("echo", "--input-format", "lines", "--output-format", "lines", data=seq(1, 50_000))
        self.assert_same(run.out(), seq(1, 50_000))

    def test_a_command_an_item(self):
        run = self.local("--", "sh", "-c", "read x; echo $((x * x))", data=seq(1, 300))
        self.assertEqual(run.out(), squares(300))

    def test_a_command_gets_the_item_in_an_argument(self):
        run = self.local("--", "printf", "%s.%s\\n", "{}", "x", data=b"a b\n$HOME\n;\n")
        self.assertEqual(run.out(), b"a b.x\n$HOME.x\n;.x\n")

    def test_a_command_gets_jsonl(self):
        run = self.local("--input-format", "jsonl", "--output-format", "jsonl", "--", "cat", data=b'{"a":[1]}\n"text"\n')
        self.assertEqual([json.loads(x) for x in run.out().splitlines()], ['{"a":[1]}', "text"])

    def test_order_is_kept_whatever_takes_longer(self):
        items = "".join(f"[{(i * 37) % 50},{i}]\n" for i in range(200)).encode()
        run = self.tasks("recorded_sleep", "--slots", 8, data=items)
        self.assertEqual(run.out(), b"".join(b"%d\n" % i for i in range(200)))

    def test_unordered_is_not_offered_yet_or_has_indexes(self):
        run = self.start("map", "--local", "--tasks", RECORDED, "echo", "--unordered", stdin=self.input_file(seq(1, 50)))
        if run.wait(30) == 2:
            self.assert_one_line(run, "unordered")
        else:
            self.assertEqual(sorted(json.loads(x)["index"] for x in run.out().splitlines()), list(range(50)))

    def test_failures_retries_and_attempts(self):
        data = b"[0,1]\n[2,2]\n[5,3]\n"
        run = self.tasks("record_fail_n", "--retries", 3, "--backoff", "1ms", "--records", data=data, exit_status=1)
        records = [json.loads(x) for x in run.out().splitlines()]
        self.assertEqual([r["attempts"] for r in records], [1, 3, 4])
        self.assertEqual((records[1]["value"], records[2]["error"]["kind"]), (2, "exception"))

    def test_a_timeout_ends_a_c_function_and_what_it_started(self):
        run = self.tasks("trouble", "--timeout", "300ms", "--grace", "100ms", data=b"3\n-5\n4\n", exit_status=1)
        lines = [json.loads(x) for x in run.out().splitlines()]
        self.assertEqual((lines[0], lines[1]["$error"]["kind"], lines[2]), (9, "timeout", 16))

    def test_a_timeout_ends_a_command_and_its_children(self):
        marker = os.path.join(self.folder, "pid")
        run = self.local("--timeout", "500ms", "--grace", "100ms", "--records", "--", "sh", "-c",
                         f"(trap '' TERM; echo $$ > {marker}; sleep 300) & sleep 300", data=b"x\n", exit_status=1)
        self.assertEqual(json.loads(run.out())["error"]["kind"], "timeout")
        wait_until(lambda: not self.left_over(), 5, "nothing left of the attempt")

    def test_endless_input_streams_and_stays_small(self):
        run = self.start("map", "--local", "--tasks", RECORDED, "echo", "--input-format", "lines", stdin=PIPE, name="map")
        writer = os.fork()
        if writer == 0:
            try:
                block = seq(1, 5000)
                while True:
                    os.write(run.process.stdin.fileno(), block)
            finally:
                os._exit(0)
        run.process.stdin.close()
        try:
            wait_until(lambda: os.path.getsize(run.out_path) > 5_000_000, 60, "half a million outcomes of an endless input")
            self.assertLess(run.memory_peak_kib(), 128 * 1024)
        finally:
            os.kill(writer, 9)
            os.waitpid(writer, 0)
        run.kill()

    def test_slots_are_processes_of_their_own(self):
        """A task that dies takes nothing with it; exactly its own attempts fail."""
        data = b"".join(b"%d\n" % (-1 if i % 50 == 7 else i) for i in range(200))
        run = self.tasks("trouble", "--slots", 4, "--records", data=data, exit_status=1)
        records = [json.loads(x) for x in run.out().splitlines()]
        bad = [r["index"] for r in records if "error" in r]
        self.assertEqual(bad, [7, 57, 107, 157])
        self.assertEqual({r["error"]["kind"] for r in records if "error" in r}, {"signal"})
