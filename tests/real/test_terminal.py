"""What a person at a terminal sees, by pictures that tmux takes: values, what commands write, failures and the line of progress, each
on lines of their own, at 20, 80 and 200 columns, and while the window changes its size."""
import os
import re
import shlex
import shutil
import subprocess
import time
import unittest

from fleet import FANMAP, PATIENCE, Case

SCRIPT = "sleep 0.3; HOLD; echo out {}; echo note >&2; test $(expr {} % 3) != 0"
WANTED = re.compile(r"out \d+|[a-z0-9]{20}/\d+/1: note|fanmap: item \d+: exit: note|\d+ outcomes in [\d.]+ s, \d+ failed"
                    r"|STATUS 1|\$")
PROGRESS = re.compile(r"\d+(/\d+| of \d+ so far)(, \d+/s)?(, \d+ failed)?(, ETA \d+:\d\d:\d\d)?")


class Window:
    def __init__(self, case, columns):
        self.socket = os.path.join(case.folder, f"tmux-{columns}")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", "100", "env", "PS1=$ ", "LC_ALL=C.UTF-8", "sh")
        case.addCleanup(self.close)

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], stderr=subprocess.DEVNULL)

    def tmux(self, *words):
        return subprocess.run(["tmux", "-S", self.socket, *words], stdout=subprocess.PIPE, check=True).stdout.decode()

    def type(self, line):
        self.tmux("send-keys", line, "Enter")

    def lines(self):
        """The picture, with what a change of its size has moved out at the top; what the terminal wrapped is one line again."""
        lines = [x.rstrip() for x in self.tmux("capture-pane", "-p", "-J", "-S", "-").splitlines() if x.strip()]
        typed = [i for i, x in enumerate(lines) if re.match(r"(\$ )?\. ?/?", x)]  # what runs it, as far as it is echoed
        return lines[typed[-1] + 1:] if typed else lines


@unittest.skipUnless(shutil.which("tmux"), "no tmux here")
class Terminal(Case):
    def begin(self, columns, *words):
        window = Window(self, columns)
        script = os.path.join(self.folder, "run")
        with open(script, "w") as f:
            f.write(f"clear\n{shlex.join([FANMAP, 'map', '--local', *words])}\necho STATUS $?\n")
        window.type(f". {script}")
        return window

    def hold(self, script, item):
        """The script, in which that item waits until what is to be seen while it runs has been seen."""
        self.go = os.path.join(self.folder, "go")
        if os.path.exists(self.go):
            os.unlink(self.go)
        return script.replace("HOLD", f"test {{}} != {item} || until test -e {self.go}; do sleep 0.05; done")

    def watch(self, window, meanwhile=lambda: None, seen=None):
        """Every picture up to the last, in which the status stands. What is held goes on once three of them are as `seen` says."""
        pictures, until, n = [], time.monotonic() + 60 * PATIENCE, 0
        while not pictures or not any(x.startswith("STATUS") for x in pictures[-1]):
            self.assertLess(time.monotonic(), until, pictures[-1:])
            pictures.append(window.lines())
            n += seen is not None and seen(pictures[-1])
            if n == 3:
                open(self.go, "w").close()
            meanwhile()
            time.sleep(0.05)
        return pictures

    @staticmethod
    def has_progress(picture):
        return bool(picture and PROGRESS.fullmatch(picture[-1]))

    def check(self, pictures, n):
        seen = 0
        for picture in pictures:
            lines = picture[:-1] if self.has_progress(picture) else picture
            seen += len(lines) < len(picture)
            self.assertEqual([x for x in lines if not WANTED.fullmatch(x)], [], picture)
        self.assertGreater(seen, 2, "the line of progress was never seen")
        last = pictures[-1]
        self.assertEqual([x for x in last if x.startswith("out")], [f"out {i}" for i in range(1, n + 1)])
        self.assertEqual(sum("/1: note" in x for x in last), n)
        self.assertIn("STATUS 1", last)

    def test_nothing_is_garbled_at_any_width(self):
        for columns in (20, 80, 200):
            with self.subTest(columns=columns):
                window = self.begin(columns, "-j", "2", "--sh", self.hold(SCRIPT, 8), ":::", *map(str, range(1, 9)))
                self.check(self.watch(window, seen=self.has_progress), 8)
                window.close()

    def test_output_while_it_runs_is_not_garbled(self):
        """Tagged lines of both streams, as they come, above the line of progress; and each item's in their order."""
        script = "for i in 1 2 3; do echo out $i; echo note >&2; sleep 0.2; done; HOLD; printf last; test $(expr {} % 3) != 0"
        wanted = re.compile(r"\d+ +(out [123]|note|last)|fanmap: item \d+: exit: note|\d+ outcomes in [\d.]+ s, \d+ failed|STATUS 1|\$")

        def is_under_way(picture):
            return sum(x.endswith("out 1") for x in picture) > sum(x.endswith("last") for x in picture)
        for columns in (20, 80, 200):
            with self.subTest(columns=columns):
                window = self.begin(columns, "-j", "2", "--line-buffer", "--tag", "--sh", self.hold(script, 6), ":::", *map(str, range(1, 7)))
                pictures = self.watch(window, seen=is_under_way)
                for picture in pictures:
                    lines = picture[:-1] if picture and PROGRESS.fullmatch(picture[-1]) else picture
                    self.assertEqual([x for x in lines if not wanted.fullmatch(x)], [], picture)
                for i in range(1, 7):
                    own = [x.split(maxsplit=1)[1] for x in pictures[-1] if x.startswith(f"{i}  ")]
                    self.assertEqual([x for x in own if x != "note"], ["out 1", "out 2", "out 3", "last"])
                    self.assertEqual(own.count("note"), 3)
                self.assertTrue(any(map(is_under_way, pictures)), "while it runs")
                window.close()

    def test_a_window_that_changes_its_size(self):
        window = self.begin(100, "-j", "2", "--sh", self.hold(SCRIPT, 16), ":::", *map(str, range(1, 17)))
        widths = iter([30, 25, 120, 40, 80] * 100)
        beats = iter(range(10000))
        self.check(self.watch(window, lambda: next(beats) % 8 == 7 and window.tmux("resize-window", "-x", str(next(widths))), self.has_progress), 16)

    def test_an_interrupt_leaves_no_line_of_progress(self):
        window = self.begin(80, "-j", "2", "--sh", "sleep {}; echo out {}", ":::", "0", "0", "600")
        once = iter([True])  # a second one could reach the shell, which would not come to say the status

        def interrupt():
            if any(x.startswith("2/3") for x in window.lines()) and next(once, False):
                window.tmux("send-keys", "C-c")
        pictures = self.watch(window, interrupt)
        self.assertFalse(any("2/3" in x for x in pictures[-1]), pictures[-1])
        self.assertIn("STATUS 130", pictures[-1])

    def test_a_value_without_a_newline_stands_alone(self):
        window = self.begin(80, "--raw", "--", "printf", "%s", "{}", ":::", "a", "b")
        picture = self.watch(window)[-1]
        self.assertEqual(picture[0], "ab")
        self.assertRegex(picture[1], r"2 outcomes in")
