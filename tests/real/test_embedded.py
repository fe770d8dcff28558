"""`--local`: the same cores with no Kafka and no Redis, real slot processes, real limits."""
import fcntl
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import termios
import time

from fleet import FANMAP, PATIENCE, PIPE, RECORDED, Case, Program, seq, squares, wait_until


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

    def test_a_line_is_a_whole_command(self):
        log = os.path.join(self.folder, "log")
        run = self.local("-q", "-j", "3", "--joblog", log, data=b"echo one | tr a-z A-Z\nfor i in 1 2; do echo $i; done\nexit 3\necho '{}' -x\n",
                         exit_status=1)
        self.assertEqual(run.out(), b"ONE\n1\n2\n{} -x\n")
        with open(log) as f:
            self.assertEqual([line.rstrip("\n").split("\t")[-1] for line in f][3], "exit 3")

    def test_places_follow_the_limit(self):
        """Eight run at once on a machine of any size: each waits until all eight have begun. A percentage and +N are of its processors."""
        script = ("echo $$ >> begun; for i in $(seq 1000); do test $(wc -l < begun) -ge $1 && exit; sleep 0.05; done; exit 1")
        for limit, n in (("8", 8), ("+2", 2 + len(os.sched_getaffinity(0))), ("0", 12), ("300%", 3)):
            folder = os.path.join(self.folder, "at-once-" + limit)
            os.mkdir(folder)
            with self.subTest(limit=limit):
                self.local("-q", "-j", limit, "--", "env", "-C", folder, "sh", "-c", script, "sh", str(n), data=seq(1, n), bound_s=90)
        run = self.run_fanmap("map", "-b", "localhost:1", "-j", "100%", "x", ":::", "1", exit_status=2)
        self.assertIn("processors of this machine", run.err())

    def test_starts_are_spread(self):
        """Six at once are far enough apart to take five delays; none starts where there is too little memory; and no fleet is asked for these."""
        for words in (["--delay", "200ms"], ["--rate", "5/s"], ["--rate", "300/m", "--load", "1000000"]):
            with self.subTest(words=words):
                begun = time.monotonic()
                self.local("-q", "-j", "6", *words, "--", "true", "{}", data=seq(1, 6))
                self.assertGreater(time.monotonic() - begun, 0.99)
        run = self.local("-q", "--deadline", "300ms", "--memfree", "900TB", "--", "touch", "began{}", data=b"1\n", exit_status=3)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "began1")))
        for words in (["--memfree", "1B"], ["--nice", "1"], ["--workdir", "/"], ["--load", "1"]):
            run = self.run_fanmap("map", "-b", "localhost:1", *words, "x", ":::", "1", exit_status=2)
            self.assertIn("embedded", run.err())

    def test_order_is_kept_whatever_takes_longer(self):
        items = "".join(f"[{(i * 37) % 50},{i}]\n" for i in range(200)).encode()
        run = self.tasks("recorded_sleep", "--slots", 8, data=items)
        self.assertEqual(run.out(), b"".join(b"%d\n" % i for i in range(200)))

    def test_unordered(self):
        """Each outcome as it arrives, with its index; none twice, none left out."""
        data = b"[3000,0]\n" + b"".join(b"[0,%d]\n" % i for i in range(1, 2000))
        run = self.tasks("recorded_sleep", "--unordered", "--slots", 4, data=data)
        records = [json.loads(x) for x in run.out().splitlines()]
        self.assertEqual(sorted(r["index"] for r in records), list(range(2000)))
        self.assertEqual([r for r in records if r["index"] != r["value"]], [])
        self.assertGreater([r["index"] for r in records].index(0), 100)

    def test_unordered_lists_what_never_came(self):
        data = b"3\n" * 5 + b'"no"\n' + b"4\n" * 3000
        run = self.tasks("trouble", "--unordered", "--fail-fast", "--slots", 1, data=data, exit_status=3)
        records = [json.loads(x) for x in run.out().splitlines()]
        self.assertEqual(sorted(r["index"] for r in records), list(range(len(records))))
        kinds = {r["error"]["kind"] for r in records if "error" in r}
        self.assertTrue({"exception"} <= kinds <= {"exception", "cancelled"}, kinds)

    def test_failures_retries_and_attempts(self):
        data = b"[0,1]\n[2,2]\n[5,3]\n"
        run = self.tasks("record_fail_n", "--retries", 3, "--backoff", "1ms", "--records", data=data, exit_status=1)
        records = [json.loads(x) for x in run.out().splitlines()]
        self.assertEqual([r["attempts"] for r in records], [1, 3, 4])
        self.assertEqual((records[1]["value"], records[2]["error"]["kind"]), (2, "exception"))

    def test_a_timeout_ends_a_c_function_and_what_it_started(self):
        run = self.tasks("trouble", "--timeout", "2s", "--grace", "100ms", data=b"3\n-5\n4\n", exit_status=1)
        lines = [json.loads(x) for x in run.out().splitlines()]
        self.assertEqual((lines[0], lines[1]["$error"]["kind"], lines[2]), (9, "timeout", 16))

    def test_a_timeout_ends_a_command_and_its_children(self):
        marker = os.path.join(self.folder, "pid")
        run = self.local("--timeout", "500ms", "--grace", "100ms", "--records", "--", "sh", "-c",
                         f"(trap '' TERM; echo $$ > {marker}; sleep 300) & sleep 300", data=b"x\n", exit_status=1)
        self.assertEqual(json.loads(run.out())["error"]["kind"], "timeout")
        wait_until(lambda: not self.left_over(), 30 * PATIENCE, "nothing left of the attempt")

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
            wait_until(lambda: os.path.getsize(run.out_path) > 5_000_000, 90 * PATIENCE, "half a million outcomes of an endless input")
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


class CommandLine(Case):
    """What the user of a pipe, a terminal or a shell script sees."""

    def begin(self, task, *args, **kwargs):
        return self.start("map", "--local", "--tasks", RECORDED, task, *args, name="map", **kwargs)

    def local(self, task, *args, **kwargs):
        return self.run_fanmap("map", "--local", "--tasks", RECORDED, task, *args, **kwargs)

    def assert_nothing_left(self):
        wait_until(lambda: not self.left_over(), 30 * PATIENCE, "nothing left running")

    def test_formats_and_errors_in_place(self):
        data = b"1\nnonsense\n3\n"
        run = self.local("echo", data=data, exit_status=1)
        lines = run.out().splitlines()
        self.assertEqual((lines[0], lines[2]), (b"1", b"3"))
        error = json.loads(lines[1])["$error"]
        self.assertEqual((error["kind"], error["attempts"]), ("bad_input", 0))
        self.assertIn("line 2", error["message"])
        run = self.local("echo", "--records", data=data, exit_status=1)
        self.assertEqual([(r["index"], r.get("value"), r.get("error", {}).get("kind")) for r in map(json.loads, run.out().splitlines())],
                         [(0, 1, None), (1, None, "bad_input"), (2, 3, None)])
        run = self.local("trouble", "--output-format", "lines", data=data, exit_status=1)
        self.assertEqual(run.out(), b"1\n\n9\n")
        self.assert_one_line(run, "item 1", "bad_input")
        run = self.local("echo", "-0", "--output-format", "nul", data=b"a\nb\0\0c")
        self.assertEqual(run.out(), b"a\nb\0\0c\0")
        run = self.local("echo", ":::", "1", '"two"')
        self.assertEqual(run.out(), b'1\n"two"\n')

    def test_a_reader_that_leaves_ends_it_quietly(self):
        read_end, write_end = os.pipe()
        run = self.begin("echo", "--input-format", "lines", stdin=self.input_file(seq(1, 300_000)), stdout=write_end)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as reader:
            self.assertEqual([reader.readline() for _ in range(3)], [b'"1"\n', b'"2"\n', b'"3"\n'])
        self.assertEqual(run.wait(30), -signal.SIGPIPE)
        self.assertEqual(run.err(), "")
        self.assert_nothing_left()

    def test_a_reader_that_is_slow_costs_neither_memory_nor_time_of_the_processor(self):
        read_end, write_end = os.pipe()
        run = self.begin("echo", "--input-format", "lines", stdin=self.input_file(seq(1, 200_000)), stdout=write_end)
        os.close(write_end)
        try:
            ticks = 0

            def stands_still():
                nonlocal ticks
                time.sleep(0.3)
                before = ticks
                with open(f"/proc/{run.pid}/stat") as f:
                    ticks = sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
                return 0 < ticks == before
            wait_until(stands_still, 75 * PATIENCE, "it stands still while nobody reads")
            with os.fdopen(read_end, "rb") as reader:
                self.assert_same(reader.read(), b"".join(b'"%d"\n' % i for i in range(1, 200_001)))
        finally:
            run.wait(60)

    def test_an_interrupt_cancels_at_once(self):
        for signo, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            recorder = self.recorder()
            run = self.begin("recorded_sleep", "--slots", 2, "--grace", "100ms", stdin=self.input_file(b"[60000,1]\n" * 10))
            recorder.wait_started(2, 30)
            began = time.monotonic()
            run.signal(signo)
            self.assertEqual(run.wait(20), status)
            self.assertLess(time.monotonic() - began, 5 * PATIENCE)
            self.assert_one_line(run, "interrupted")
            self.assert_nothing_left()
            recorder.end()

    def test_an_interrupt_is_heard_while_nobody_reads(self):
        read_end, write_end = os.pipe()
        run = self.begin("echo", stdin=self.input_file(seq(1, 100_000)), stdout=write_end)
        os.close(write_end)
        waiting = struct.pack("i", 0)

        def is_full():  # of 64 KiB; each page of a pipe is at least half full
            nonlocal waiting
            time.sleep(0.3)
            before, waiting = waiting, fcntl.ioctl(read_end, termios.FIONREAD, waiting)
            return waiting == before and struct.unpack("i", waiting)[0] >= 32768
        wait_until(is_full, 60 * PATIENCE, "the pipe is full")
        run.signal(signal.SIGINT)
        self.assertEqual(run.wait(20), 130)
        with os.fdopen(read_end, "rb") as reader:
            got = reader.read()
        self.assertTrue(got.startswith(b"1\n2\n"))

    def test_a_kill_leaves_nothing(self):
        recorder = self.recorder()
        run = self.begin("recorded_sleep", "--slots", 2, stdin=self.input_file(b"[60000,1]\n" * 4))
        recorder.wait_started(2, 30)
        run.kill()
        self.assert_nothing_left()

    def test_input_that_breaks_off(self):
        run = self.local("echo", "-i", self.folder, exit_status=6)
        self.assert_one_line(run, "Is a directory")
        self.assertEqual(run.out(), b"")

    def test_input_that_breaks_off_in_the_middle(self):
        """A connection that is reset: what came before is run and printed."""
        ours, theirs = socket.socketpair()
        theirs.send(b"never read")  # which makes a close a reset
        ours.send(b"1\n2\n")
        run = self.begin("echo", stdin=theirs)
        theirs.close()
        wait_until(lambda: run.out() == b"1\n2\n", 20 * PATIENCE, "what came so far")
        ours.close()
        self.finish(run, 20, 6)
        self.assert_one_line(run, "stdin", "reset")
        self.assertEqual(run.out(), b"1\n2\n")

    def test_fail_fast(self):
        run = self.local("trouble", "--fail-fast", "--slots", 1, data=b"1\n\"no\"\n" + seq(2, 5000), exit_status=3)
        self.assert_one_line(run, "stopped")
        self.assertIn("$error", run.out().decode())

    def test_a_deadline(self):
        run = self.local("trouble", "--deadline", "3s", "--slots", 1, data=b"2\n-5\n3\n", exit_status=3)
        lines = run.out().splitlines()
        self.assertEqual((lines[0], json.loads(lines[1])["$error"]["kind"]), (b"4", "deadline"))
        self.assert_one_line(run, "deadline")

    def test_progress_on_a_terminal(self):
        master, slave = pty.openpty()
        env = self.environment({"TERM": "xterm", "NO_COLOR": None})
        run = subprocess.Popen([FANMAP, "map", "--local", "--tasks", RECORDED, "recorded_sleep"], stderr=slave, env=env,
                               stdin=open(self.input_file(b"[100,1]\n" * 20)), stdout=subprocess.DEVNULL)
        os.close(slave)
        said = b""
        while True:
            try:
                block = os.read(master, 4096)
            except OSError:
                break
            if not block:
                break
            said += block
        self.assertEqual(run.wait(30), 0)
        os.close(master)
        self.assertRegex(said, rb"\r\x1b\[K\d+/20, [\d.]+/s")
        self.assertRegex(said, rb"20 outcomes in [\d.]+ s\r\n$")
        self.assertNotRegex(said, rb"\x1b\[\d*m")

    def test_no_progress_where_nobody_watches(self):
        run = self.local("echo", data=seq(1, 100))
        self.assertEqual(run.err(), "")

    def test_help_of_every_command(self):
        run = self.run_fanmap("--help")
        for command in ("map", "submit", "gather", "worker", "cancel", "pause", "resume", "set"):
            self.assertIn(f"  {command} ", run.out().decode())
            page = self.run_fanmap(command, "--help", env={"FANMAP_NAMESPACE": "NOT VALID"}).out().decode()
            self.assertIn(f"Usage: fanmap {command} ", page)
            self.assertIn("Examples:\n  ", page)
            self.assertLess(max(map(len, page.splitlines())), 160)
        self.assertIn("--concurrency", self.run_fanmap("set", "--help").out().decode())
        page, whole = (self.run_fanmap("map", "--help", *more).out().decode() for more in ([], ["all"]))
        titles = ["Input:", "What runs:", "How many at once:", "Failures:", "Output:", "Isolation:", "Fleet:"]
        self.assertEqual([x for x in page.splitlines() if x in titles], titles)
        for option in ("--session-timeout", "--argv", "--source"):
            self.assertNotIn(option, page)
            self.assertIn(option, whole)
        self.assertEqual(page.split("Examples:\n")[1].count("\n"), 3)
        self.assertIn("--retries", self.run_fanmap("help", "failures").out().decode())
        topics = self.run_fanmap("--help").out().decode().split("topic:\n")[1].split(".")[0].split(", ")
        for topic in topics:
            self.assertRegex(self.run_fanmap("help", topic).out().decode(), r"^[A-Z][a-z ]+:\n.*\n.*--", topic)
        self.assertIn("concurrency", topics)
        for command, options in (("submit", ["--local"]), ("stream", ["--local", "--halt", "--deadline", "--retry-failed"])):
            for option in options:
                self.assertNotRegex(self.run_fanmap(command, "--help", "all").out().decode(), r"\n +" + option + " ", command)
                self.assertRegex(self.run_fanmap("map", "--help").out().decode(), r"\n +" + option + " ")
        self.assertEqual(self.run_fanmap("help", "map").out().decode(), page)
        self.run_fanmap("help", "nothing", exit_status=2)

    def test_words_that_do_not_fit_together(self):
        for args, words in ((["set", "job"], ["--concurrency"]), (["set", "job", "--retries", "1"], ["--retries"]),
                            (["submit", "--local", "x"], ["submit"]), (["worker", "--", "x"], ["--"]),
                            (["map", "--local", "--exec", "x=cat"], ["task"]), (["map", "--local", "x", "--", "y"], ["both"]),
                            (["map", "x", "-i", "y", ":::", "1"], ["-i"]), (["gather"], ["job"]),
                            (["map", "x", "--", "y"], ["--local"]), ([], ["--help"]),
                            (["map", "--local", "--detach", "--", "x"], ["--detach", "fleet"]),
                            (["topics", "--create", "--clean"], ["--create", "--clean"]),
                            (["map", "--local", "--", "echo", "{}", "::::+", "file"], ["::::+"]),
                            (["map", "--local", "--", "echo", "{}", ":::+", "1"], [":::+"])):
            with self.subTest(args=args):
                run = self.run_fanmap(*args, exit_status=2) if args else self.finish(self.plain(), 10, 2)
                self.assert_one_line(run, *words)
                self.assertEqual(run.out(), b"")

    def plain(self):
        program = Program("plain", [FANMAP], self.folder, self.environment())
        self.programs.append(program)
        return program

    def test_closed_standard_descriptors(self):
        for close, status in (("<&-", 6), (">&-", 6), ("2>&-", 0)):
            with self.subTest(close=close):
                script = f"echo 1 | {FANMAP} map --local --tasks {RECORDED} echo {close} >out"
                if close == ">&-":
                    script = f"echo 1 | {FANMAP} map --local --tasks {RECORDED} echo >&-"
                run = subprocess.run(["sh", "-c", script], cwd=self.folder, env=self.environment(), timeout=60,
                                     stderr=subprocess.DEVNULL)
                self.assertEqual(run.returncode, status)

    def test_a_command_line(self):
        run = self.run_fanmap("map", "--local", "--", "echo", "{#}", "{}", ":::", "a b", "c")
        self.assertEqual(run.out(), b"1 a b\n2 c\n")
        run = self.run_fanmap("map", "--local", "--", "cat", data=b"x\n\ny\xff\n")
        self.assertEqual(run.out(), b"x\n\ny\xff")
        run = self.run_fanmap("map", "--local", "--raw", "--", "cat", data=b"x\n\ny\xff\n")
        self.assertEqual(run.out(), b"xy\xff")
        run = self.run_fanmap("map", "--local", "--", "sh", "-ec", "read x; printf %s $x", ":::", "a", "b")
        self.assertEqual(run.out(), b"a\nb\n")
        run = self.run_fanmap("map", "--local", "--command-output", "json", "--output-format", "jsonl", "--", "cat", ":::", "[1]", "2")
        self.assertEqual(run.out(), b"[1]\n2\n")
        run = self.run_fanmap("map", "--local", "--", "rm", "{}", ":::", "-rf", exit_status=1)
        self.assertIn("--", run.err())
        run = self.run_fanmap("map", "--local", "--records", "--", "sh", "-c", "echo out; echo why >&2; exit 3", ":::", "x", exit_status=1)
        error = json.loads(run.out())["error"]
        self.assertEqual((error["kind"], error["exit_status"], error["stderr"]), ("exit", 3, "why\n"))
        self.assertEqual(error["stdout"], "out\n")
        run = self.run_fanmap("map", "--local", "-q", "--", "sh", "-c", "echo $1 is wrong; exit $2", "sh", "{1}", "{2}", ":::", "a", "b", ":::+", "1", "0",
                              exit_status=1)
        self.assertEqual(run.out(), b"a is wrong\nb is wrong\n")
        run = self.run_fanmap("map", "--local", "-q", "--sh", "echo {} >&2; exit 3", ":::", "x", exit_status=1)
        self.assertIn("item 0: exit: x\n", run.err())
        run = self.run_fanmap("map", "--local", "-q", "--", "sh", "-c", "echo first >&2; echo last >&2; exit 3", ":::", "x", exit_status=1)
        self.assertIn("item 0: exit: last: first", run.err())
