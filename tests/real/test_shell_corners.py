"""Options of the shell together, and items that mean harm: what is refused, and what stays whole. Embedded."""
import os
import subprocess

from fleet import FANMAP, RECORDED, Case, seq


class Corners(Case):
    def local(self, *args, data=b"", **kwargs):
        return self.run_fanmap("map", "--local", *args, data=data, **kwargs)

    def here(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.here(name), "rb") as f:
            return f.read()

    def refused(self, *args, words=(), data=b""):
        self.assert_one_line(self.local(*args, data=data, exit_status=2), *words)

    def test_an_item_is_never_code_when_its_command_is_run_again(self):
        """From the job log, and from what --dry-run shows, whatever the quotes around it."""
        for n, script in enumerate(('echo "`printf %s \\"{}\\"`"', 'echo "${x:-{}}"', 'echo "$(echo "{}")"', 'echo "{}"')):
            pwned = self.here(f"pwned{n}")
            for item in (f"$(touch {pwned})", f"`touch {pwned}`", f"'; touch {pwned}; '"):
                self.local("--joblog", self.here("log"), "--sh", script + "; exit 1", ":::", item, exit_status=1)
                self.local("--joblog", self.here("log"), "--retry-failed", exit_status=1)
                shown = self.local("--dry-run", "--sh", script, ":::", item).out()
                self.run_fanmap("map", "--local", "--raw", "--pipe", "--", "sh", data=shown)
                self.assertFalse(os.path.exists(pwned), (script, item))

    def test_a_complaint_is_written_at_once(self):
        """A pipe that keeps writes apart: who shares a log gets into nobody's line."""
        read, write = os.pipe2(os.O_DIRECT)
        with os.fdopen(read, "rb", 0) as pipe:
            subprocess.run([FANMAP, "map", "--no-such\x01option"], env=self.environment(), stderr=write, timeout=60)
            os.close(write)
            line = pipe.read(4096)
        self.assertTrue(line.startswith(b"fanmap: ") and b"--no-such?option" in line and line.endswith(b"\n"), line)

    def test_what_would_run_of_what_has_results(self):
        words = ("--results", self.here("kept"), "--resume", "--sh", "echo {}", ":::", "a", "b")
        self.local(*words)
        self.assertEqual(self.local("--dry-run", *words, "c").out(), b"echo c\n")
        self.assertEqual(sorted(os.listdir(self.here("kept/1"))), ["a", "b"])

    def test_what_goes_by_places_or_outcomes_is_refused_without_them(self):
        self.refused("--resume", "--results", self.here("rows.csv"), "--", "true", ":::", "a", words=("--joblog",))
        self.refused("--resume", "--joblog", self.here("l"), "--shuf", "--", "true", ":::", "a", words=("--shuf",))
        self.refused("--pipe", "--csv", "--", "cat", data=b"a,b\n", words=("--csv",))
        self.refused("-n", "3", data=b"echo 1\necho 2\n", words=("a line is a command",))
        self.refused("--csv", "-0", "--", "echo", data=b"a,b\n", words=("-0",))
        self.refused("-d", "\\x", "--", "echo", data=b"a", words=("one byte",))
        self.refused("--nice", "5", "--tasks", RECORDED, "echo", data=b"1\n", words=("--nice",))
        with open(self.here("kept"), "w") as f:
            f.write("as it was")
        run = self.run_fanmap("map", "echo", "--detach", "--joblog", self.here("kept"), ":::", "1", exit_status=2)
        self.assert_one_line(run, "--joblog")
        self.assertEqual(self.read("kept"), b"as it was")
        self.assertEqual(self.run_fanmap("map", "echo", "--detach", "--dry-run", ":::", "1").out(), b"echo 1\n")

    def test_blocks_and_columns_in_results(self):
        self.local("--pipe", "-N", "2", "--results", self.here("blocks"), "--", "cat", data=seq(1, 6))
        self.assertEqual([self.read(f"blocks/{n}/stdout") for n in (1, 2, 3)], [b"1\n2\n", b"3\n4\n", b"5\n6\n"])
        self.local("--csv", "--header", ":", "--results", self.here("r-{size}"), "--", "echo", data=b"\xef\xbb\xbfsize\n3\n4\n")
        self.assertEqual((self.read("r-3"), self.read("r-4")), (b"3\n", b"4\n"))
        self.local("--tasks", RECORDED, "echo", "--csv", "--header", ":", "--results", self.here("wide.csv"), data=b"a,b\n1,2,3\n")
        self.assertIn(b",a,b,3,Stdout,Stderr", self.read("wide.csv"))
        self.assertEqual(self.local("-E", "", "--", "echo", "x", "{}", data=b"a\n\nb\n").out(), b"x a\nx \nx b\n")

    def test_attempts_that_are_killed_leave_no_file_open(self):
        """Their copies end without a word; two files each would be more than may be open."""
        run = subprocess.run(["sh", "-c", 'ulimit -n 160; exec "$0" "$@"', FANMAP, "map", "--local", "-q", "-j", "4", "--results",
                              self.here("g"), "--timeout", "50ms", "--grace", "10ms", "--sh", "trap '' TERM; yes", ":::",
                              *map(str, range(200))], env=self.environment(), stderr=subprocess.PIPE, timeout=100)
        self.assertEqual((run.returncode, run.stderr.count(b"Too many")), (1, 0))
