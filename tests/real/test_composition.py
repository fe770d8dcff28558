"""A map piped into a map on the command line: streaming, failures in their places, a reader that goes away."""
import json
import os
import re
import signal
import subprocess

from fleet import BUILD, FANMAP, PATIENCE, PIPE, Case, Program, seq, wait_until

NUMBERS = os.path.join(BUILD, "examples", "numbers.so")


class Chain(Case):
    def chain(self, *stages, stdin=None):
        """`fanmap map STAGE | fanmap map STAGE ...`; the last one's stdout is the last stage's file."""
        programs = []
        for i, stage in enumerate(stages):
            out = None
            if i + 1 < len(stages):
                reading, out = os.pipe()
            programs.append(self.start("map", *self.where(), *stage, name=f"stage{i}", stdin=stdin, stdout=out))
            if isinstance(stdin, int):
                os.close(stdin)
            if out is not None:
                os.close(out)
                stdin = reading
        return programs

    def check_values_and_failures(self):
        items = seq(1, 500) + b'"no number"\n[}\n' + seq(501, 1000)
        first, second = self.chain(["square"], ["square"], stdin=self.input_file(items))
        self.finish(second, 60, 1)
        self.finish(first, 10, 1)
        lines = second.out().splitlines()
        wanted = [i ** 4 for i in range(1, 1001)]
        self.assertEqual([int(x) for x in lines[:500] + lines[502:]], wanted)
        errors = [json.loads(x)["$error"] for x in lines[500:502]]
        self.assertEqual([(e["kind"], e.get("type"), e["attempts"]) for e in errors],
                         [("exception", "TypeError", 1), ("bad_input", None, 0)])
        self.assertIn("line 502", errors[1]["message"])

    def check_streams(self):
        """What went in comes out at the end while the first input is still open."""
        first, second = self.chain(["square"], ["square"], stdin=PIPE)
        for n in range(1, 4):
            first.process.stdin.write(b"%d\n" % n)
            first.process.stdin.flush()
            wait_until(lambda: len(second.out().splitlines()) == n, 30 * PATIENCE, f"line {n}")
        first.process.stdin.close()
        self.finish(first, 20)
        self.finish(second, 20)
        self.assertEqual(second.out(), b"1\n16\n81\n")

    def check_reader_leaves(self, *options):
        """`yes 1 | map | map | head -n 3`: an endless input, and a reader that has enough."""
        source = subprocess.Popen(["yes", "2"], stdout=subprocess.PIPE, env=self.environment())
        self.addCleanup(source.kill)
        reading, writing = os.pipe()
        first = self.start("map", *self.where(), "square", *options[0:2], name="first", stdin=source.stdout, stdout=writing)
        os.close(writing)
        source.stdout.close()
        tail_reading, tail_writing = os.pipe()
        second = self.start("map", *self.where(), "square", *options[2:4], name="second", stdin=reading,
                            stdout=tail_writing)
        os.close(reading)
        os.close(tail_writing)
        head = subprocess.run(["head", "-n", "3"], stdin=tail_reading, stdout=subprocess.PIPE, timeout=60 * PATIENCE)
        os.close(tail_reading)
        self.assertEqual(head.stdout, b"16\n16\n16\n")
        for stage in (second, first):
            self.assertEqual(stage.wait(30), -signal.SIGPIPE, stage.err()[-500:])
        source.wait(30)


class Embedded(Chain):
    def where(self):
        return ["--local", "--slots", "2", "--tasks", NUMBERS]

    def test_values_and_failures(self):
        self.check_values_and_failures()

    def test_it_streams(self):
        self.check_streams()

    def test_a_reader_that_leaves_ends_every_stage(self):
        self.check_reader_leaves()


class OnFleet(Chain):
    def where(self):
        return self.connect_args()

    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.worker(tasks=NUMBERS, slots=4)

    def test_values_and_failures(self):
        self.check_values_and_failures()

    def test_it_streams(self):
        self.check_streams()

    def test_a_reader_that_leaves_cancels_every_stage(self):
        self.check_reader_leaves("--job-id", "first", "--job-id", "second")
        for job in ("first", "second"):
            gathered = self.run_fanmap("gather", job, exit_status=3)
            self.assertIn("cancelled", gathered.err())


class Closing(Case):
    """A handle closed after every turn of a life, on the real fleet: tests/lib/closer.c."""

    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.worker(tasks=NUMBERS, slots=4)

    def closer(self, *args):
        closer = Program("closer", [os.path.join(BUILD, "tests", "closer"), *args], self.folder, self.environment())
        self.programs.append(closer)
        return self.finish(closer, 100)

    def lives(self, *args):
        closer = self.closer(*args)
        lives, turns = (int(x) for x in re.findall(rb"\d+", closer.out()))
        self.assertGreater(lives, 5)
        self.assertGreater(turns, 5)

    def test_a_thousand_maps_at_once(self):
        self.assertEqual(self.closer("many", "square").out(), b"1000 lives together\n")

    def test_a_map_is_closed_after_every_turn(self):
        self.lives("map", "square")

    def test_a_pipe_is_closed_after_every_turn(self):
        self.lives("pipe", "square")

    def test_a_gather_is_closed_after_every_turn(self):
        self.run_map("square", "--job-id", "gathered", data=seq(1, 30))
        self.lives("gather", "gathered")

    def test_a_gather_piped_into_a_map_is_closed_after_every_turn(self):
        self.run_map("square", "--job-id", "gathered", data=seq(1, 30))
        self.lives("pipe", "square", "gathered")
