"""What an attempt is handed (zipped and bound arguments, the variables of a command), what its exit status decides, and outcomes as they
arrive. The same tests on a fleet and embedded."""
import json
import os
import socket
import time

from fleet import PATIENCE, RECORDED, Case, wait_until

SLOTS = 3
VARIABLES = ("ATTEMPT", "DEADLINE", "FENCE", "INDEX", "JOB", "SLOT")
COMMANDS = """
[seen]
exec = ["sh", "-c", "env | grep ^FANMAP_ | sort >>%s/seen.$FANMAP_JOB.$FANMAP_INDEX; test $FANMAP_ATTEMPT -ge 3"]
[exits]
exec = ["sh", "-c", "exit $1", "sh", "{}"]
[filled]
exec = ["echo", "{size}/{n}/{}"]
[bytes]
exec = ["printf", '\\377\\376']
[parts]
exec = ["echo", "{2}:{1}:{#}"]
[gate]
exec = ["sh", "-c", "read i; test $i != 0 || until test -e %s/go; do sleep 0.05; done; echo $i"]
output = "json"
"""


def boottime_ms():
    return time.clock_gettime(time.CLOCK_BOOTTIME) * 1000


class Attempts:
    """Mixed into the two classes below, which say how a map is run."""

    bound_s = 90
    host = ":"

    def setUp(self):
        super().setUp()
        self.conf = os.path.join(self.folder, "tasks.conf")
        with open(self.conf, "w") as f:
            f.write(COMMANDS % (self.folder, self.folder))

    def begin(self, task, *args, data=None):
        """The map in the background."""
        raise NotImplementedError

    def map(self, task, *args, data=None, exit_status=0):
        return self.finish(self.begin(task, *args, data=data), 60, exit_status)

    def records(self, task, *args, data=None, exit_status=0):
        return [json.loads(x) for x in self.map(task, "--records", *args, data=data, exit_status=exit_status).out().splitlines()]

    def seen(self, job, index):
        """The variables of each attempt at an item, as its command saw them: a list by attempt."""
        with open(os.path.join(self.folder, f"seen.{job}.{index}")) as f:
            lines = f.read().splitlines()
        attempts = [lines[i:i + len(VARIABLES)] for i in range(0, len(lines), len(VARIABLES))]
        for lines in attempts:
            self.assertEqual([line.split("=")[0] for line in lines], ["FANMAP_" + name for name in VARIABLES])
        return [dict(line[len("FANMAP_"):].split("=", 1) for line in lines) for lines in attempts]

    def test_the_variables_of_a_command(self):
        """Six and no others, whatever its worker was started with; in a limited job each try has a higher fence than the one before."""
        n = 12
        before = boottime_ms()
        for job, more in (("limited", ("-j", 2, "--deadline", "10m")), ("free", ())):
            self.records("seen", "--job-id", job, "--retries", 2, "--backoff", "1ms", *more, data="1\n" * n)
        for index in range(n):
            limited, free = self.seen("limited", index), self.seen("free", index)
            for job, attempts in (("limited", limited), ("free", free)):
                self.assertEqual([a["ATTEMPT"] for a in attempts], ["1", "2", "3"])
                self.assertEqual({(a["JOB"], a["INDEX"]) for a in attempts}, {(job, str(index))})
                self.assertLess(max(int(a["SLOT"]) for a in attempts), SLOTS)
            mine = [int(a["FENCE"]) for a in limited]
            self.assertEqual(mine, sorted(set(mine)), f"fences of item {index} rise")
            self.assertGreater(mine[0], 0)
            self.assertEqual({(a["FENCE"], a["DEADLINE"]) for a in free}, {("0", "-1")})
            for a in limited:
                self.assertLess(before, int(a["DEADLINE"]))
                self.assertLess(int(a["DEADLINE"]), boottime_ms() + 600_000 + 1000)
                self.assertGreater(int(a["DEADLINE"]), before + 600_000 - 1000)

    def test_a_final_exit_status_is_not_tried_again(self):
        out = self.records("exits", "--retries", 2, "--backoff", "1ms", "--final-exit", "64-78,2", data=b"1\n2\n63\n64\n78\n79\n0\n",
                           exit_status=1)
        self.assertEqual([r["attempts"] for r in out], [3, 1, 3, 1, 1, 3, 1])
        self.assertEqual([r["error"]["exit_status"] for r in out[:6]], [1, 2, 63, 64, 78, 79])

    def test_zipped_inputs(self):
        a, b = self.input_file("1\n2\n", "a"), self.input_file('"x"\n{"y":1}\n', "b")
        self.assertEqual(self.map("echo", "-i", a, "-i", b).out(), b'[1,"x"]\n[2,{"y":1}]\n')
        self.assertEqual(self.map("echo", ":::", "1", "2", ":::+", "3", "4", ":::+", "5", "6").out(), b"[1,3,5]\n[2,4,6]\n")
        self.assertEqual(self.map("parts", "--input-format", "lines", ":::", "a", "b", ":::+", "c", "d").out(),
                         b'"c:a:1"\n"d:b:2"\n')
        run = self.map("echo", "-i", a, "-i", self.input_file("4\n", "short"), exit_status=6)
        self.assertEqual(run.out(), b"[1,4]\n")
        self.assertIn("sequence 2", run.err())
        self.assertIn("is the shorter one and has 1 items", run.err())

    def test_bound_arguments(self):
        bind = ("--bind", 'size="big"', "--bind", 'n=[1,{"a":null}]')
        self.assertEqual(self.map("bound", *bind, data=b"7\n[8]\n").out(),
                         b'[7,{"size":"big","n":[1,{"a":null}]}]\n[[8],{"size":"big","n":[1,{"a":null}]}]\n')
        self.assertEqual(self.map("bound", data=b"7\n").out(), b"[7,null]\n")
        self.assertEqual(self.map("filled", *bind, data=b'"a"\n').out(), b'"big/[1,{\\"a\\":null}]/a"\n')

    def test_unordered(self):
        """Each outcome as it arrives, with its index; none twice, none left out, also of a job that is closed early."""
        n = 1500
        out = self.records("recorded_sleep", "--unordered", data=b"".join(b"[%d,%d]\n" % (i % 3, i) for i in range(n)))
        self.assertEqual(sorted(r["index"] for r in out), list(range(n)))
        self.assertEqual([r for r in out if r["index"] != r["value"]], [])
        run = self.begin("gate", "--unordered", "--records", data="".join(f"{i}\n" for i in range(150)))
        wait_until(lambda: run.out().count(b"\n") > 100, 60 * PATIENCE, "outcomes arrive while item 0 waits for all of that")
        open(os.path.join(self.folder, "go"), "w").close()
        self.finish(run, 60)
        out = [json.loads(x) for x in run.out().splitlines()]
        self.assertEqual(sorted((r["index"], r["value"]) for r in out), [(i, i) for i in range(150)])
        self.assertGreater([r["index"] for r in out].index(0), 100)
        out = self.records("trouble", "--unordered", "--fail-fast", "-j", 1, data=b"3\n" * 5 + b'"no"\n' + b"4\n" * n, exit_status=3)
        self.assertEqual(sorted(r["index"] for r in out), list(range(len(out))))
        kinds = {r["error"]["kind"] for r in out if "error" in r}
        self.assertTrue({"exception"} <= kinds <= {"exception", "cancelled"}, kinds)

    def test_formats(self):
        """What one writes the other reads, and the same bytes come back; a stream that breaks ends the job behind what came before."""
        text = (b'1\n-9223372036854775808\n1.5\nnull\n"a\\nb"\n{"$binary":"AAEC/w=="}\n[1,[2,{"a":null}]]\n'
                b'{"$value":{"$error":1}}\n{"$error":{"kind":"exit","message":"m","attempts":2,"exit_status":3}}\n')
        once = self.map("echo", data=text, exit_status=1).out()
        self.assertEqual(once.splitlines()[:-1], text.splitlines()[:-1])
        packed = self.map("echo", "--output-format", "msgpack", data=once, exit_status=1).out()
        back = self.map("echo", "--input-format", "msgpack", data=packed, exit_status=1)
        self.assert_same(back.out(), once)
        run = self.map("echo", "--input-format", "msgpack", data=b"\x01\x92\x02\x03\xc1", exit_status=6)
        self.assertEqual(run.out(), b"1\n[2,3]\n")
        self.assertIn("not msgpack at byte 4", run.err())
        self.assertEqual(self.map("bytes", data=b"1\n").out(), b'{"$binary":"//4="}\n')

    def test_the_job_log(self):
        path = os.path.join(self.folder, "log")
        self.map("exits", "--joblog", path, data=b"3\n0\n", exit_status=1)
        with open(path) as f:
            head, *rows = [line.rstrip("\n").split("\t") for line in f]
        self.assertEqual(head, "Seq Host Starttime JobRuntime Send Receive Exitval Signal Command".split())
        self.assertEqual([(r[0], r[6], r[7], r[8]) for r in rows], [("1", "3", "0", "exits 3"), ("2", "0", "0", "exits 0")])
        self.assertEqual({r[1] for r in rows}, {self.host})

    def test_results_in_files(self):
        """Of a task that is no command of the caller: its value, and of one that failed the end of what it wrote."""
        top = os.path.join(self.folder, "results")
        self.map("filled", "--results", top, "--bind", "size=1", "--bind", "n=2", data=b"3\n\"a/b\"\n")
        self.map("exits", "--results", top + ".csv", data=b"0\n3\n", exit_status=1)
        for name, seq, text in (("3", "1", '"1/2/3"'), ('"a\\_b"', "2", '"1/2/a/b"')):
            for file, wanted in (("stdout", text), ("seq", seq), ("stderr", "")):
                with open(os.path.join(top, "1", name, file)) as f:
                    self.assertEqual(f.read().rstrip("\n"), wanted)
        with open(top + ".csv") as f:
            rows = [row.split(",") for row in f][1:]
        self.assertEqual([(row[0], row[1], row[6]) for row in rows], [("1", self.host, "0"), ("2", self.host, "3")])

    def test_going_on_by_the_job_log(self):
        """What has no line runs, and what is another item than that of its line; of those with one only what failed, where that is asked for."""
        path = os.path.join(self.folder, "log")
        begun = 0
        for words, data, exit_status, ran in (([], b"3\n0\n0\n", 1, ["1 3", "2 0", "3 0"]),
                                              (["--resume"], b"3\n0\n4\n5\n", 1, ["3 4", "4 5"]),
                                              (["--resume"], b"3\n0\n4\n5\n", 0, []),
                                              (["--resume-failed"], b"3\n0\n4\n5\n0\n", 1, ["1 3", "3 4", "4 5", "5 0"]),
                                              (["--retry-failed"], b"3\n0\n4\n6\n7\n", 1, ["1 3", "3 4"])):
            with self.subTest(words=words, ran=ran):
                self.map("exits", "--joblog", path, *words, data=data, exit_status=exit_status)
                with open(path) as f:
                    rows = [line.rstrip("\n").split("\t") for line in f][1:]
                self.assertEqual([f"{r[0]} {r[8][6:]}" for r in rows[begun:]], ran)
                begun = len(rows)


class AttemptsOnAFleet(Attempts, Case):
    partitions = 4
    host = socket.gethostname()

    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.worker("--tasks", self.conf, slots=SLOTS)

    def begin(self, task, *args, data=None):
        return self.start_map(task, *args, data=data)


class AttemptsEmbedded(Attempts, Case):
    def begin(self, task, *args, data=None):
        # A variable of the library's own stands in for those that a worker is started with.
        return self.start("map", "--local", "--slots", SLOTS, "--tasks", RECORDED, "--tasks", self.conf, task, *args,
                          stdin=self.input_file(data) if data is not None else None, env={"FANMAP_NAMESPACE": "else"})
