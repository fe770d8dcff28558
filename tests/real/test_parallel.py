"""Lines of docs/from-parallel.md that say "the same", run by the installed GNU parallel and by fanmap: the same bytes, success or failure,
and the job log's verdicts. Names are as hostile as file systems allow."""
import os
import shutil
import subprocess
import unittest

from fleet import FANMAP, Case

HOSTILE = [b"a b.c", b"it's.txt", b'x"y.z', b"$(id).d", b"`id`", b"-n", b"--", b"*", b"\\n", b"a\nb.c", b"/x/y.tar.gz", b"d.e/f", b".rc", b"a/b/",
           b"//", b"\xff\xfe.x", "ä/ö.ü".encode(), b"{}{.}", b"%s%d", b"; rm x", b"a\tb", b"~", b"#", b"&", b"x" * 20_000 + b".y"]


@unittest.skipUnless(shutil.which("parallel"), "no parallel here")
class Parallel(Case):
    def run_one(self, words, stdin):
        env = dict(self.environment(), PARALLEL_HOME=self.folder, HOME=self.folder, LC_ALL="C")
        done = subprocess.run(words, input=stdin, capture_output=True, timeout=100, cwd=self.folder, env=env)
        return done.returncode, done.stdout, done.stderr

    def same(self, theirs, ours, stdin=b"", status=0):
        expected = self.run_one(["parallel", "--will-cite", "-k", *theirs], stdin)
        got = self.run_one([FANMAP, "map", "--local", "-q", *ours], stdin)
        self.assertEqual((expected[0] != 0, got[0] != 0), (status != 0, status != 0), (expected, got))
        self.assertEqual(got[1], expected[1], got[2])

    def test_hostile_names_in_every_placeholder(self):
        for place in ("{}", "{.}", "{/}", "{//}", "{/.}", "{1}", "{1.}", "{1/}", "{1//}", "{1/.}", "{-1}", "{#}", "x{}y{.}"):
            items = b"\0".join(x for x in HOSTILE if len(x) < 1000 or place != "x{}y{.}")
            with self.subTest(place=place):
                self.same(["-0", "printf", "'%s|\\n'", "--", place], ["-0", "--", "printf", "%s|\\n", "--", place], items)
                self.same(["-0", "printf", "'%s|\\n'", "--", place], ["-0", "--sh", f"printf '%s|\\n' -- {place}"], items)

    def test_a_name_of_100_kb(self):
        """Parallel refuses it: with what it puts around, the command line is too long."""
        for place, cut in (("{}", 0), ("{.}", 2), ("{/}", 0), ("{/.}", 2), ("{1}", 0)):
            name = b"x" * 100_000 + b".y"
            got = self.run_one([FANMAP, "map", "--local", "-q", "--", "echo", place], name + b"\n")
            self.assertEqual(got[:2], (0, name[:len(name) - cut] + b"\n"))

    def test_lists(self):
        with open(os.path.join(self.folder, "list"), "w") as f:
            f.write("x\ny z\n")
        for lists in ([":::", "a", "b c"], ["::::", "list"], [":::", "a", "b", ":::", "1", "2"], [":::", "a", "b", ":::+", "1", "2"],
                      [":::", "a", "b", "::::", "list"], ["::::", "list", "list"], ["::::", "list", "::::+", "list"],
                      [":::", "a", "b", ":::", "1", "2", ":::+", "3", "4"], ["-a", "list"]):
            n = 2 if sum(x.startswith(":::") for x in lists) > 1 or lists.count("list") > 1 else 1
            places = ["{1}", "{2}", "{#}"][:n] + ["{#}"]
            with self.subTest(lists=lists):
                behind = lists[0] != "-a"
                self.same([*([] if behind else lists), "echo", *places, *(lists if behind else [])],
                          [*([] if behind else lists), "--", "echo", *places, *(lists if behind else [])])
        self.same(["--link", "echo", "{1}{2}", ":::", "a", "b", ":::", "1", "2"], ["--link", "--", "echo", "{1}{2}", ":::", "a", "b", ":::", "1", "2"])
        self.same(["echo", "{}"], ["--", "echo", "{}"], b"one\ntwo three\n\nfour")
        self.same([], [], b"echo one | tr a-z A-Z\nfor i in 1 2; do echo $i; done\n")
        self.same(["-0", "echo", "{}"], ["-0", "--", "echo", "{}"], b"one\ntwo\0three\0")

    def test_output(self):
        for theirs, ours in ((["--tag"], ["--tag"]), (["--tagstring", "{#}:{.}"], ["--tagstring", "{#}:{.}"]),
                             (["-I", ",,"], ["-I", ",,"]), (["-P", "2"], ["-P", "2"]), (["-j", "150%"], ["-j", "150%"])):
            command = "seq ,,; echo {}" if "-I" in theirs else "seq {}; echo {.}"
            with self.subTest(theirs=theirs):
                self.same([*theirs, command, ":::", "3", "1"], [*ours, "--sh", command, ":::", "3", "1"])
        self.same(["--bar", "true", "{}", ":::", "1"], ["--bar", "--", "true", "{}", ":::", "1"])

    def test_failures(self):
        text = "echo out {}; exit {}"
        self.same([text, ":::", "0", "3", "0"], ["--sh", text, ":::", "0", "3", "0"], status=1)
        self.same(["-j1", "--halt", "now,fail=1", text, ":::", "0", "3", "0"], ["-j1", "--halt", "now,fail=1", "--sh", text, ":::", "0", "3", "0"],
                  status=3)
        self.same(["--halt", "soon,success=1", "-j1", "test {} = 2", ":::", "1", "2", "3"],
                  ["--halt", "soon,success=1", "-j1", "--sh", "test {} = 2", ":::", "1", "2", "3"])

    def test_the_job_log(self):
        text = "case {} in k) kill -9 $$;; *) exit {};; esac"
        verdicts = []
        for name, words in (("theirs", ["parallel", "--will-cite", "--joblog", "theirs", text]),
                            ("ours", [FANMAP, "map", "--local", "-q", "--joblog", "ours", "--sh", text])):
            self.run_one([*words, ":::", "0", "3", "k", "0"], b"")
            with open(os.path.join(self.folder, name)) as f:
                rows = [line.rstrip("\n").split("\t") for line in f]
            verdicts.append((rows[0], sorted((r[0], r[6], r[7]) for r in rows[1:])))
        self.assertEqual(*verdicts)
