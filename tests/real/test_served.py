"""Programs that speak the slot protocol, embedded and as workers of a fleet: the examples, and one that breaks the protocol in every
way that an item asks for (tests/unit/nasty_slot.py)."""
import json
import os
import signal
import time

from fleet import PATIENCE, ROOT, Case, seq, squares, wait_until

NUMBERS = os.path.join(ROOT, "examples", "python", "numbers_task.py")
WORDS = os.path.join(ROOT, "examples", "perl", "words_task.pl")
NASTY = os.path.join(ROOT, "tests", "unit", "nasty_slot.py")
# Items that harm their own attempt, and the kind that it ends with.
HOSTILE = {"bad json": "protocol", "twice": "protocol", "other n": "protocol", "unknown type": "protocol", "both": "protocol",
           "endless line": "protocol", "not utf-8": "protocol", "close": "protocol", "large": "too_large", "exit": "exit",
           "segfault": "signal", "kill parent": "signal", "stop": "timeout", "stubborn": "timeout", "daemon": "timeout",
           "fail": "exception", "fail for good": "exception"}
HARMLESS = ("flood", "print", "answer and die", "answer and leave", "fine")
NO_HELLO = "said no hello on FANMAP_SLOT_FD or stdout"
POLICY = ("--timeout", "5s", "--grace", "100ms")
# Says in files that it was cancelled, and that it ended by itself.
PATIENT = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
import fanmap_task

@fanmap_task.task
def patient(seconds):
    try:
        time.sleep(seconds)
    except fanmap_task.Cancelled:
        open(os.path.join(sys.argv[2], "cancelled"), "w").close()
        raise
    return seconds

fanmap_task.serve()
open(os.path.join(sys.argv[2], "ended"), "w").close()
"""


# Takes several at once: what it gives for each is how many. One fails by itself, one fails the call, one ends the program.
SIZES = """
import os, sys
sys.path.insert(0, sys.argv[1])
import fanmap_task

@fanmap_task.task(batch=True)
def sizes(xs):
    if 13 in xs:
        raise ValueError("thirteen")
    if 22 in xs:
        os._exit(3)
    return [KeyError("five") if x == 5 else len(xs) for x in xs]

fanmap_task.serve(sys.argv[2])
"""


class Served:
    """What holds embedded and on a fleet alike. `serve` runs a map of one task and gives its lines."""

    def test_python_and_perl(self):
        for program in (f"python3 {NUMBERS}", f"python3 {NUMBERS} msgpack"):
            got = self.serve("square", program, data=seq(1, 3000))
            self.assert_same(got, squares(3000))
        words = "".join(f'"word {i}"\n' for i in range(2000)).encode()
        self.assert_same(self.serve("shout", f"perl {WORDS}", data=words), words.upper())

    def test_every_kind_of_value_passes(self):
        values = (b'null\ntrue\n-9223372036854775808\n18446744073709551615\n1.5\n"z\xc3\xbcrich \\u0000"\n'
                  b'{"$binary":"AP8="}\n[1,{"a":{"b":[]}}]\n{"$value":{"$error":1}}\n')
        for program in (f"python3 {NUMBERS}", f"python3 {NUMBERS} msgpack", f"perl {WORDS}"):
            self.assert_same(self.serve("echo", program, data=values), values)

    def test_parts_and_bound_arguments_are_arguments(self):
        """The parts of a zipped item by place, what is bound by name; a list that is one item stays one argument."""
        zipped = ("-i", self.input_file(seq(1, 3)), "-i", self.input_file(seq(4, 6)))
        for encoding in ("json", "msgpack"):
            program = f"python3 {NUMBERS} {encoding}"
            self.assert_same(self.serve("mul", program, *zipped), b"4\n10\n18\n")
            self.assert_same(self.serve("mul", program, *zipped, "--bind", "scale=10", "--bind", "other=1"),
                             b"40\n100\n180\n")
            self.assert_same(self.serve("echo", program, "--bind", "x=7", data=b"[1,2]\n"), b"[1,2]\n")
            (one,) = [json.loads(x) for x in self.serve("mul", program, "--records", data=b"[1,2]\n", exit_status=1).splitlines()]
            self.assertEqual(one["error"]["type"], "TypeError")

    def test_where_it_failed_stands_in_the_error(self):
        for program in (f"python3 {NUMBERS}", f"python3 {NUMBERS} msgpack"):
            got = self.serve("root", program, "--records", data=b"-1\n" * 20, exit_status=1)
            for record in map(json.loads, got.splitlines()):
                self.assertRegex(record["error"]["stderr"], r"(?s)Traceback.*numbers_task.py.*in root.*math.sqrt.*ValueError")
        got = self.serve("count", f"perl {WORDS}", "--records", data=b"[1]\n" * 20, exit_status=1)
        for record in map(json.loads, got.splitlines()):
            self.assertRegex(record["error"]["stderr"], r"(?s)want a string.*words_task.pl line \d+")
            self.assertEqual(record["error"]["message"], "want a string")

    def test_retries_and_final_errors(self):
        got = self.serve("flaky", f"python3 {NUMBERS}", "--retries", 4, "--backoff", "1ms", data=seq(1, 20))
        self.assertEqual([json.loads(x) for x in got.splitlines()], [[i, 3] for i in range(1, 21)])
        got = self.serve("nasty", f"python3 {NASTY}", "--retries", 2, "--backoff", "1ms", "--records", exit_status=1,
                         data=b'"fail for good"\n"fail"\n')
        for_good, each_time = [json.loads(x) for x in got.splitlines()]
        self.assertEqual((for_good["attempts"], for_good["error"]["type"]), (1, "TypeError"))
        self.assertEqual((each_time["attempts"], each_time["error"]["stderr"]), (3, "so sad\n"))

    def test_hostile_items_end_alone(self):
        """Each fails with its own kind, and every item beside it succeeds, once."""
        items = []
        for item in HOSTILE:
            items += [item] + ["fine"] * 5
        for item in HARMLESS * 3:
            items += [item, "fine"]
        data = "".join(json.dumps(i) + "\n" for i in items).encode()
        got = self.serve("nasty", f"python3 {NASTY}", *POLICY, "--records", data=data, exit_status=1)
        records = [json.loads(x) for x in got.splitlines()]
        self.assertEqual([(items[r["index"]], r["error"]["kind"] if "error" in r else r["value"]) for r in records],
                         [(i, HOSTILE.get(i, i)) for i in items])
        self.assertEqual({r["attempts"] for r in records}, {1})

    def test_death_between_items_charges_none(self):
        """A program that leaves after every answer, while the next run may be on its way to it."""
        data = b'"answer and leave"\n' * 30
        got = self.serve("nasty", f"python3 {NASTY}", "--crash-cap", 1, "--records", data=data)
        records = [json.loads(x) for x in got.splitlines()]
        self.assertEqual([(r.get("value"), r["attempts"]) for r in records], [("answer and leave", 1)] * 30)

    def test_poison_ends_at_the_cap(self):
        got = self.serve("nasty", f"python3 {NASTY}", "--retries", 9, "--backoff", "1ms", "--records", exit_status=1,
                         data=b'"exit"\n"fine"\n')
        poison, fine = [json.loads(x) for x in got.splitlines()]
        self.assertEqual((poison["error"]["kind"], poison["attempts"], fine["value"]), ("crashed", 3, "fine"))

    def test_a_task_that_the_program_does_not_name(self):
        got = self.serve("cube", f"python3 {NUMBERS}", data=b"1\n", exit_status=1)
        error = json.loads(got)["$error"]
        self.assertEqual(error["kind"], "unknown_task")
        self.assertIn("does not name it", error["message"])

    def test_cancel_and_bye(self):
        """The grace ends with the program's answer; and when nothing more comes it is left to end by itself."""
        program = self.input_file(PATIENT, "patient.py")
        began = time.monotonic()
        got = self.serve("patient", f"python3 {program} {os.path.dirname(NUMBERS)} {self.folder}", "--timeout", "5s", "--grace", "100s",
                         data=b"600\n0.5\n", exit_status=1)  # together, so in two slots
        stopped, value = got.splitlines()
        self.assertEqual((json.loads(stopped)["$error"]["kind"], value), ("timeout", b"0.5"))
        self.assertLess(time.monotonic() - began, 50 * PATIENCE)
        for name in ("cancelled", "ended"):
            self.assertTrue(os.path.exists(os.path.join(self.folder, name)), name)

    def test_a_program_that_does_not_start_is_said_and_charges_nothing(self):
        """Until what it needs is there; then the items run for the first time."""
        needed = os.path.join(self.folder, "model")
        script = self.input_file(f"test -e {needed} || {{ echo no such model >&2; exit 9; }}\nexec python3 {NUMBERS}\n", "start.sh")

        def mend(program):
            said = f"task square: 'sh {script}' ended with status 9 before it was ready"
            wait_until(lambda: said in program.err(), 60 * PATIENCE, "it is said")
            open(needed, "w").close()
        got = self.serve("square", f"sh {script}", "--records", "--crash-cap", 1, data=b"7\n", meanwhile=mend)
        self.assertEqual(json.loads(got), {"index": 0, "attempts": 1, "value": 49})

    def test_several_at_once(self):
        """Calls of up to eight; what fails whole is split until the guilty item is alone, and none of the others has used up
        an attempt."""
        program = os.path.join(self.folder, "sizes.py")
        with open(program, "w") as f:
            f.write(SIZES)
        for encoding in ("json", "msgpack"):
            got = self.serve("sizes", f"python3 {program} {os.path.dirname(NUMBERS)} {encoding}", "--records", "--batch", 8,
                             "--within", "500ms", "--crash-cap", 1, data=seq(0, 39), exit_status=1)
            records = [json.loads(line) for line in got.splitlines()]
            self.assertEqual([(r["index"], r["error"]["kind"]) for r in records if "error" in r],
                             [(5, "exception"), (13, "exception"), (22, "crashed")])
            self.assertEqual([r["error"]["message"] for r in records if "error" in r][:2], ["'five'", "thirteen"])
            self.assertEqual({r["attempts"] for r in records}, {1})
            sizes = [r["value"] for r in records if "value" in r]
            self.assertEqual((max(sizes), len(sizes)), (8, 37))

    def test_output_is_labelled(self):
        self.serve("root", f"python3 {NUMBERS}", "--job-id", "r1", data=b"4\n9\n")
        lines = self.worked.err()
        for line in ("r1/0/1: looking for the root of 4\n", "r1/1/1: looking for the root of 9\n"):
            self.assertIn(line, lines)


class ServedEmbedded(Served, Case):
    def serve(self, task, program, *args, data=b"", exit_status=0, meanwhile=None):
        self.worked = self.start("map", "--local", "--slots", 4, "--serve", f"{task}={program}", task, *args,
                                 stdin=self.input_file(data))
        if meanwhile:
            meanwhile(self.worked)
        return self.finish(self.worked, 110, exit_status).out()

    def test_a_program_that_never_starts_ends_the_map(self):
        """After a few tries, with what it said; other ways to fail likewise."""
        for program, said in (("sh -c 'exit 9'", "ended with status 9 before it was ready"), ("/nonexistent", "No such file"),
                              ("sleep 100", "said no hello")):
            map_ = self.start("map", "--local", "--start-timeout", "1s", "--serve", f"t={program}", "t", ":::", "1", "2")
            self.finish(map_, 40 * PATIENCE, 2)
            self.assertIn(said, map_.err().splitlines()[-1])
            self.assertIn("time and again", map_.err().splitlines()[-1])

    def test_a_program_that_says_nothing_is_said(self):
        """Which one, in which slot, and what is missing, within 5 s; and what becomes of the items when its time is up."""
        program = self.start("map", "--local", "--slots", 1, "--start-timeout", "6s", "--serve", "t=cat", "t", ":::", "1")
        wait_until(lambda: "slot 0: task t: 'cat' has " + NO_HELLO in program.err(), 25)
        wait_until(lambda: "slot 0: task t: 'cat' " + NO_HELLO + " in time (6 s, --start-timeout): it is started again, its items wait"
                   in program.err(), 60)

    def test_a_check_says_what_it_waits_for(self):
        """At once; and a program that says nothing has 10 s."""
        check = self.start("check-task", "--", "cat")
        wait_until(lambda: check.out().startswith(b"# waiting for hello, up to 10s (--start-timeout)\n"), 10)
        self.finish(check, 50, exit_status=1)
        self.assertIn(b"\nnot ok 1 - hello is the first thing that it says: nothing came in time\n", check.out())


class ServedOnAFleet(Served, Case):
    partitions = 2

    def serve(self, task, program, *args, data=b"", exit_status=0, meanwhile=None):
        if self.kafka is None:
            self.on_fleet()
        self.worked = self.worker("--serve", f"{task}={program}", tasks=None, slots=4)
        run = self.start_map(task, *args, data=data)
        if meanwhile:
            meanwhile(self.worked)
        out = self.finish(run, 110, exit_status).out()
        self.worked.signal(signal.SIGTERM)  # it leaves its group at once
        self.finish(self.worked, 60)
        return out

    def test_a_program_that_says_nothing_is_said(self):
        self.on_fleet()
        worker = self.worker("--serve", "t=cat", tasks=None, slots=1)
        self.start_map("t", data=b"1\n")
        wait_until(lambda: "warning: slot 0: task t: 'cat' has " + NO_HELLO in worker.err(), 60)
