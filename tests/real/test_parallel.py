"""Lines of docs/from-parallel.md that say "the same", run by the installed GNU parallel and by fanmap: the same bytes, success or failure,
and the job log's verdicts. Names are as hostile as file systems allow."""
import os
import re
import shutil
import subprocess
import unittest

from fleet import FANMAP, ROOT, Case, wait_until

HOSTILE = [b"a b.c", b"it's.txt", b'x"y.z', b"$(id).d", b"`id`", b"-n", b"--", b"*", b"\\n", b"a\nb.c", b"/x/y.tar.gz", b"d.e/f", b".rc", b"a/b/",
           b"//", b"\xff\xfe.x", "ä/ö.ü".encode(), b"{}{.}", b"%s%d", b"; rm x", b"a\tb", b"~", b"#", b"&", b"a.", b"a/.", b"x" * 20_000 + b".y"]


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
        for options, place, wanted in ((["--colsep", ","], "{2}", name), (["--csv"], "{2.}", name[:-2]), (["-N2", "-d", ","], "{2}", name),
                                       (["-n2", "-d", ","], "{}", b"a " + name), (["-X", "-j1", "-d", ","], "{}", b"a " + name)):
            got = self.run_one([FANMAP, "map", "--local", "-q", *options, "--", "echo", place], b"a," + name)
            self.assertTrue(got[:2] == (0, wanted + b"\n"), (options, got[0], got[1][:40], got[2]))

    def test_hostile_rows(self):
        """Any bytes come through the quotes of CSV."""
        names = [x for x in HOSTILE if not x.endswith(b"\r")]
        rows = b"".join(b'%d,"%s"\r\n' % (i, x.replace(b'"', b'""')) for i, x in enumerate(names))
        for command in (["--", "printf", "--", "%s|%s|\n", "{2}", "{1}"], ["--sh", "printf '%s|%s|\n' {2} {1}"],
                        ["--header", ":", "--", "printf", "--", "%s|%s|\n", "{name}", "{n.}"]):
            got = self.run_one([FANMAP, "map", "--local", "-q", "--csv", *command], (b"n,name\n" if "--header" in command else b"") + rows)
            self.assertEqual(got[:2], (0, b"".join(b"%s|%d|\n" % (x, i) for i, x in enumerate(names))), got[2])

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
        for places in (["{}"], ["{.}", "{#}"], ["={2}=", "x{}y"]):
            self.words([], ["echo", *places], [":::", "a.b", "c  d", ":::", "1", "2"])
        self.same(["echo {}; echo {} {1}", ":::", "a.b", ":::+", "c"], ["--sh", "echo {}; echo {} {1}", ":::", "a.b", ":::+", "c"])
        self.same(["--link", "echo", "{1}{2}", ":::", "a", "b", ":::", "1", "2"], ["--link", "--", "echo", "{1}{2}", ":::", "a", "b", ":::", "1", "2"])
        self.same(["echo", "{}"], ["--", "echo", "{}"], b"one\ntwo three\n\nfour")
        self.same([], [], b"echo one | tr a-z A-Z\nfor i in 1 2; do echo $i; done\n")
        self.same(["-0", "echo", "{}"], ["-0", "--", "echo", "{}"], b"one\ntwo\0three\0")

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(text)

    def words(self, options, command, items, stdin=b""):
        """The same options, command and items: parallel joins the words of a command to a text of the shell, which has nothing to do here."""
        self.same([*options, *command, *items], [*options, "--", *command, *items], stdin)

    def test_columns(self):
        self.write("table", "name,size\nx.txt,3\n/a/y.z, b \n")
        show = ["echo", "={1}={2}={3}={-1}={1.}={2/}=", "{}", "{.}", "{/}"]
        for options, items in ((["--colsep", ","], [":::", "a,b", "a,b,c,d", ",b", " a , b c"]), (["-C", ","], [":::", "a,b", ":::", "c", "d"]),
                               (["--colsep", "\\t"], [":::", "a\tb"]), (["--colsep", "[\\t ,]+"], [":::", "a , b\t\tc"]),
                               (["--colsep", "\\|"], [":::", "a|b"]), (["--colsep", "\\d"], [":::", "a1b2c"]),
                               *((["--colsep", set], [":::", "a1b-c.d]e"]) for set in ("[\\d-]", "[.\\]]", "[]x\\-]")),
                               (["--colsep", ",", "--trim", "n"], [":::", " a , b"]), (["--colsep", ",", "-a", "table"], []),
                               (["--colsep", ","], ["::::", "table"]), (["--colsep", ","], [":::", "a,b", ":::+", "c,d"])):
            with self.subTest(options=options, items=items):
                self.words(options, show, items)
        self.words(["--colsep", ","], ["echo"], [], b"a,b\nc,d\n")
        named = ["echo", "={name}={size}={2}={name.}={name/}={1//}="]
        self.words(["--header", ":", "--colsep", ",", "-a", "table"], named, [])
        self.words(["--header", ":"], ["echo", "{a.}", "{1}", "{b}"], [":::", "a", "1.x", "2", ":::", "b", "3", "4"])
        self.words(["--header", ":"], ["echo", "{a}", "{b}"], [":::", "a", "1", "2", ":::+", "b", "3", "4"])
        self.words(["--header", ":"], ["echo", "{}"], [], b"head\none\ntwo\n")
        self.same(["--header", ":", "--colsep", ",", "--tagstring", "{size}", "echo {name} | tr a-z A-Z; echo {2}", "::::", "table"],
                  ["--header", ":", "--colsep", ",", "--tagstring", "{size}", "--sh", "echo {name} | tr a-z A-Z; echo {2}", "::::", "table"])
        table = b"".join(b"%s\t%d\n" % (name, i) for i, name in enumerate(x for x in HOSTILE if b"\n" not in x and b"\t" not in x))
        self.words(["--colsep", "\\t"], ["echo", "--", "={2}={1}={1.}={1/}={1//}="], [], table)

    def test_several_items_a_command(self):
        items = [":::", "a.x", "b c.y", "$(d)", "e"]
        show = ["echo", "={1}={2}={3}=", "{#}", "pre-{}-post", "{.}"]
        for options in (["-n", "2"], ["-n3"], ["-N2"], ["-N", "3"], ["--max-args=2"], ["--max-replace-args", "2"], ["-L2"],
                        ["-X", "-j1"], ["-m", "-j1"], ["--xargs"], ["-N2", "--colsep", " "], ["-n2", "-j1", "-m"], ["-n2", "-N3"], ["-N3", "-n2"]):
            with self.subTest(options=options):
                self.words(options, show, items)
        self.words(["-n2"], ["echo", "{#}"], items)
        self.words(["-n2", "--tag"], ["echo"], [":::", "a", "b  c", "d"])
        for options in (["-m", "-j4"], ["-X", "-j4"], ["-m", "-n2", "-j3"], ["--xargs", "-j3"]):
            self.words(options, ["echo", "x"], [":::", *map(str, range(10))])
        for options in (["-X", "-j1"], ["-m", "-j1"], ["--xargs"], ["-n4"]):
            self.words([*options, "-s", "20"], ["echo"], [], b"".join(b"%d\n" % i for i in range(1, 40)))
        for place in ("{/}", "{.}", "x{/.}"):
            got = [self.run_one([FANMAP, "map", "--local", "-q", *options, "-s", "40", "--", "echo", x], b"".join(b"%d\n" % i for i in range(40)))
                   for options in (["-X", "-j1"], ["--xargs"]) for x in (place, re.sub("[/.]+", "", place))]
            self.assertEqual(got[0::2], got[1::2])
        got = self.run_one([FANMAP, "map", "--local", "-q", "--xargs", "-s", "2MiB", "--", "sh", "-c", "echo $#", "sh"], b"a\n" * 300_000)
        self.assertEqual((got[0], sum(map(int, got[1].split()))), (0, 300_000), "more than the system takes of a command")
        self.words(["-N2", "--tagstring", "{1}"], ["echo", "{2}"], [":::", "a", "b", "c", "d"])
        text = "echo {#}: {} {2}, {1.}; echo {2} | wc -c; echo {}"
        self.same(["-n2", text, *items], ["-n2", "--sh", text, *items])
        self.same(["-n2", "--dry-run", text, ":::", "a.b", "c"], ["-n2", "--dry-run", "--sh", text, ":::", "a.b", "c"])
        self.same(["-n3", "cat -- {}", ":::", "f", "g", "f"], ["-n3", "--sh", "cat -- {}", ":::", "f", "g", "f"], status=1)
        names = b"\0".join(x for x in HOSTILE if len(x) < 1000)
        for options in (["-0", "-n5"], ["-0", "-N3"], ["-0", "-X", "-j1"]):
            self.words(options, ["echo", "--", "={}=", "{/}"], [], names)

    def test_blocks(self):
        lines, fasta = b"".join(b"%d\n" % i for i in range(4000)), b">a\nx\n>b\ny\ny\n>c\n"
        for options, stdin in ((["--block", "4k"], lines), (["--block", "1K", "--spreadstdin"], lines), ([], lines), (["-N", "900"], lines),
                               (["-N2", "-L4"], lines[:60]), (["--header", ":", "-N", "1500"], lines), (["--header", "2", "--block", "8k"], lines),
                               (["--recstart", ">", "-N1"], fasta), (["--recstart", ">", "--block", "8"], fasta), (["--recend", ";", "-N1"], b"a;b\n;"),
                               (["--recend", "\\n\\n", "-N1"], b"a\n\nb\nc\n\nd\n"), (["--recstart", ">", "--recend", "\\n", "-N1"], fasta),
                               (["-N2"], b"\xff\0\n" * 5), (["--block", "10"], b"")):
            with self.subTest(options=options):
                self.words(["--pipe", *options], ["md5sum"], [], stdin)
        self.same(["--pipe", "-N3", "--tagstring", "{#}", "cat"], ["--pipe", "-N3", "--tagstring", "{#}", "--", "cat"], lines[:38])
        self.same(["--pipe", "--block", "2k", "grep -c 7"], ["--pipe", "--block", "2k", "--sh", "grep -c 7"], lines)

    def test_which_items(self):
        for trim in ("n", "l", "r", "lr", "rl"):
            self.words(["--trim", trim], ["echo", "={}="], [":::", " a ", "b\t", "c d"])
        self.words(["-r"], ["echo", "x{}"], [], b"a\n\n \nb\n")
        self.words(["-r"], ["echo", "x{}"], [], b"\n")
        for delimiter, text in ((",", b"a,b,c\n"), ("\\0", b"a\0b"), ("\\t", b"a\tb\t"), ("\\n", b"a\nb"), ("x", b"")):
            self.words(["-d", delimiter], ["echo", "={}="], [], text)
        self.words(["--delimiter", ";"], ["echo", "={}="], [], b"a;b")
        self.words(["-E", "END"], ["echo", "{}"], [], b"a\nEND\nc\n")
        self.write("list", "x\ny\n")
        for options, items in ((["-E", "END"], [":::", "a", "END", "b"]), (["--eof=_"], [":::", "a", "b"]),
                               (["--arg-sep", ",,"], [",,", "a", "b", ",,", "c"]), (["--arg-sep", ",,"], [",,", "a", "b", ",,+", "c", "d"]),
                               (["--arg-file-sep", "@@"], ["@@", "list"]), (["--shuf"], [":::", "a"])):
            self.words(options, ["echo", "{1}{2}" if items[0] == ",," else "{}"], items)
        self.words(["--no-run-if-empty"], ["echo", "x{}"], [":::", "a", "", "b"])

    def test_csv(self):
        """The installed parallel has no Text::CSV: what its page says of it."""
        self.write("table", 'name,"a ""size""",note\r\n"x, y.txt",3,"two\nlines"\nz,, 5" \n')
        words = ["--csv", "--header", ":", "-i", "table", "--", "printf", "%s|", "{name}", "{name.}", '{a "size"}', "{3}"]
        self.assertEqual(self.run_one([FANMAP, "map", "--local", "-q", *words], b"")[:2], (0, b'x, y.txt|x, y|3|two\nlines|\nz|z|| 5" |\n'))
        semicolons = ["--csv", "-C", ";", "--", "echo", "{2}", "{1}"]
        self.assertEqual(self.run_one([FANMAP, "map", "--local", "-q", *semicolons], b'1;"2;3"\n4')[1], b"2;3 1\n 4\n")

    def test_output(self):
        for theirs, ours in ((["--tag"], ["--tag"]), (["--tagstring", "{#}:{.}"], ["--tagstring", "{#}:{.}"]),
                             (["-I", ",,"], ["-I", ",,"]), (["-P", "2"], ["-P", "2"]), (["-j", "150%"], ["-j", "150%"])):
            command = "seq ,,; echo {}" if "-I" in theirs else "seq {}; echo {.}"
            with self.subTest(theirs=theirs):
                self.same([*theirs, command, ":::", "3", "1"], [*ours, "--sh", command, ":::", "3", "1"])
        for text in ("f() { echo {} $1; }; f x; echo {.}", "set -- a; echo {} $1", "echo {} # {}", "# {}\necho {}"):
            self.same([text, ":::", "a.b", "c"], ["--sh", text, ":::", "a.b", "c"])
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

    def rows(self, name):
        with open(os.path.join(self.folder, name), "rb") as f:
            return sorted((r[0], r[6], r[7], r[8]) for r in (line.rstrip(b"\n").split(b"\t", 8) for line in f))

    def test_going_on_by_the_job_log(self):
        """The same items run again, and what both write into the log are the same commands: each can go on with the other's."""
        text = "test {} = good || test -e {} || { echo out {} >&2; exit 3; }; echo {}"
        items = b"\0".join([b"good", b"a b", b"it's", b"$(id)", b"x\ny", b"good"])
        for words, status in ((["-j1", "--halt", "now,fail=2"], 3), (["--resume"], 1), (["--resume"], 0), (["--resume-failed"], 1)):
            self.same(["-0", "--joblog", "theirs", *words, text], ["-0", "--joblog", "ours", *words, "--sh", text], items, status)
            self.assertEqual(self.rows("ours"), self.rows("theirs"))
        for name in ("a b", "x\ny"):
            open(os.path.join(self.folder, name), "w").close()
        self.same(["--joblog", "theirs", "--retry-failed"], ["--joblog", "ours", "--retry-failed"], status=1)
        self.assertEqual(self.rows("ours"), self.rows("theirs"))
        self.same(["--joblog", "ours", "--retry-failed"], ["--joblog", "theirs", "--retry-failed"], status=1)
        with open(os.path.join(self.folder, "ours"), "ab") as f:
            f.write(b"7\t:\t1.0")  # it died while it wrote
        got = self.run_one([FANMAP, "map", "--local", "-q", "-0", "--joblog", "ours", "--resume", "--sh", text], items + b"\0good")
        self.assertEqual(got[:2], (0, b"good\n"))
        with open(os.path.join(self.folder, "ours"), "rb") as f:
            self.assertTrue(f.read().split(b"\n")[-2].startswith(b"7\t:\t"), "a line of its own")
        self.same(["--joblog", "theirs", "--retry-failed"], ["--joblog", "ours", "--retry-failed"], status=1)
        with open(os.path.join(self.folder, "other"), "w") as f:
            f.write("some\nthing\n")
        self.assertEqual(self.run_one([FANMAP, "map", "--local", "--joblog", "other", "--resume", "--", "true"], b"1\n")[0], 2)

    def test_output_while_it_runs(self):
        """What both print of one command after the other is the same bytes; and a line is there before its command has ended, however much others
        print: nothing of that is lost, also where it has no newline at its end, or nobody reads for a while."""
        text = "seq {}; printf 'end of {}\\n'; echo err >&2; exit 1"
        for theirs in (["--line-buffer"], ["--lb", "--tag"], ["-u"], ["--ungroup", "--tag"], ["--linebuffer", "--tagstring", "{#}:{}"]):
            self.same(["-j1", *theirs, text, ":::", "3", "20000"], ["-j1", *theirs, "--sh", text, ":::", "3", "20000"], status=1)
        run = self.start("map", "--local", "-q", "--line-buffer", "--tag", "-j", "2", "--sh",
                         f"echo begin; test {{}} = a && until test -e {self.folder}/go; do sleep 0.02; done; seq 300000; printf last",
                         ":::", "a", "b", stdout=subprocess.PIPE)
        seen, out = [], run.process.stdout
        while b"a\tbegin\n" not in seen:
            seen.append(out.readline())
        open(os.path.join(self.folder, "go"), "w").close()
        lines = b"".join(seen + [out.read()]).splitlines()
        for name in (b"a", b"b"):
            self.assertEqual([x[2:] for x in lines if x.startswith(name)], [b"begin", *(b"%d" % i for i in range(1, 300_001)), b"last"])
        self.finish(run, 30)
        for words in (["--records"], ["--output-format", "jsonl"]):
            self.assertEqual(self.run_one([FANMAP, "map", "--local", "-u", *words, "--", "true"], b"1\n")[0], 2)

    def tree(self, top):
        found = {}
        for where, _, names in os.walk(os.path.join(self.folder, top).encode()):
            for name in names:
                with open(os.path.join(where, name), "rb") as f:
                    found[os.path.relpath(os.path.join(where, name), os.path.join(self.folder, top).encode())] = f.read()
        return found

    def test_results(self):
        """The same files with the same bytes, of hostile names too; of a name with placeholders; and the same rows, but for times."""
        text = "seq 3000; printf %s {}; printf 'err %s\\n' {} >&2; test {} != b"
        items = b"\0".join(x for x in HOSTILE if x not in (b"-n", b"--") and len(x) < 250)
        run_theirs, run_ours = ["parallel", "--will-cite"], [FANMAP, "map", "--local", "-q"]
        for words, stdin in ((["-0"], items), ([], b"a\nb\n")):
            for to in ("dir", "t/{.}.out", "u/{#}/"):
                if "{.}" in to and stdin is items:
                    continue
                theirs = self.run_one([*run_theirs, *words, "--results", "theirs." + to, text], stdin)
                ours = self.run_one([*run_ours, *words, "--results", "ours." + to, "--sh", text], stdin)
                self.assertEqual((ours[0] != 0, ours[1]), (theirs[0] != 0, theirs[1]), ours)
                top = to.split("/")[0]
                self.assertEqual(self.tree("ours." + top), self.tree("theirs." + top))
                shutil.rmtree(os.path.join(self.folder, "ours." + top))
                shutil.rmtree(os.path.join(self.folder, "theirs." + top))
        self.run_one([*run_theirs, "--results", "theirs", "echo {1} {2}", ":::", "a", "b", ":::", "1", "/"], b"")
        self.run_one([*run_ours, "--results", "ours", "--", "echo", "{1}", "{2}", ":::", "a", "b", ":::", "1", "/"], b"")
        self.assertEqual(self.tree("ours"), self.tree("theirs"))
        self.assertEqual(len(self.tree("ours")), 12)
        for words in (["-n", "2"], ["--header", ":", "--colsep", ","]):
            for name, before in (("theirs.x", [*run_theirs, *words, "--results", "theirs.x", "echo"]), ("ours.x", [*run_ours, *words, "--results", "ours.x", "--", "echo"])):
                self.run_one([*before, *(["{b}"] if "--header" in words else [])], b"b,a\nx,/\ny,2\n")
            self.assertEqual(sorted(self.tree("ours.x")), sorted(self.tree("theirs.x")))
            self.assertGreater(len(self.tree("ours.x")), 2)
            shutil.rmtree(os.path.join(self.folder, "ours.x"))
            shutil.rmtree(os.path.join(self.folder, "theirs.x"))
        for end, their_end in ((".csv", ".csv"), (".tsv", ".tsv"), (".jsonl", ".json")):
            text = "printf '%s, \"q\"\\n' {1}; echo err >&2; exit {2}"
            lists = [":::", "a", "b c", "it's,", ":::", "0", "3"]
            self.run_one([*run_theirs, "-j1", "--results", "rows" + their_end, text, *lists], b"")
            self.run_one([*run_ours, "--results", "mine" + end, "--sh", text, *lists], b"")
            rows = []
            for name in ("rows" + their_end, "mine" + end):
                with open(os.path.join(self.folder, name), "rb") as f:
                    rows.append(re.sub(rb"\d+\.\d{3}", b"T", f.read()))
            self.assertEqual(*rows)
        got = self.run_one([*run_ours, "--results", "/proc/no/dir", "--", "true"], b"1\n")
        self.assertEqual(got[0], 6, got)

    def test_going_on_by_results(self):
        """Without a log, what has files has run; by both."""
        for name, words in (("theirs", ["parallel", "--will-cite", "-j1"]), ("ours", [FANMAP, "map", "--local", "-q", "-j1"])):
            text = f"echo {{}} >> {name}.ran"
            for items in (["a", "b/c"], ["a", "b/c", "d"], ["x", "a"]):
                self.run_one([*words, "--results", name, "--resume", *(["--sh"] if name == "ours" else []), text, ":::", *items], b"")
            with open(os.path.join(self.folder, name + ".ran")) as f:
                self.assertEqual(f.read().split(), ["a", "b/c", "d", "x"], name)
        run = self.start("map", "--local", "-q", "--results", self.folder + "/cut", "--sh", "echo begun; sleep 60", ":::", "1")
        wait_until(lambda: any(self.tree("cut").values()), 20, "its first line")
        run.process.terminate()
        self.finish(run, 20, 143)
        self.assertEqual(sorted(self.tree("cut")), [b"1/1/stderr", b"1/1/stdout"], "it has not run to its end")

    def test_results_that_leave_their_folder(self):
        """In parallel the item .. writes beside the folder; here no item does."""
        self.run_one([FANMAP, "map", "--local", "-q", "--results", "d/e", "--", "echo", "{}", ":::", "..", "../../x", "."], b"")
        self.assertEqual(sorted(self.tree("d")), sorted(b"e/1/" + name + b"/" + f for name in (b"\\..", b"\\.", b"..\\_..\\_x")
                                                         for f in (b"stdout", b"stderr", b"seq")))

    def test_a_dry_run(self):
        """The same commands, quoted alike, and nothing runs; what a --joblog has is left out."""
        items = b"\0".join(x for x in HOSTILE if x not in (b"-n", b"--"))
        for text in ("echo {} | tr a b > {/.}.txt", "cat {#} {1} x{}"):
            self.same(["-0", "--dry-run", text], ["-0", "--dry-run", "--sh", text], items)
        self.same(["--dryrun", "touch", "{1}{2}", ":::", "a", "b", ":::", "1", "2"], ["--dryrun", "--", "touch", "{1}{2}", ":::", "a", "b", ":::", "1", "2"])
        self.assertFalse(os.path.exists(os.path.join(self.folder, "a1")))
        self.same(["--joblog", "theirs", "touch {}", ":::", "x"], ["--joblog", "ours", "--sh", "touch {}", ":::", "x"])
        self.same(["--joblog", "theirs", "--resume", "--dry-run", "touch {}", ":::", "x", "y"],
                  ["--joblog", "ours", "--resume", "--dry-run", "--sh", "touch {}", ":::", "x", "y"])
        self.assertEqual(len(self.rows("ours")), 2, "a head and one row")
        self.same(["--pipe", "-N1", "--dry-run", "wc", "-l"], ["--pipe", "-N1", "--dry-run", "--", "wc", "-l"], b"1\n2\n")
        got = self.run_one([FANMAP, "map", "--dry-run", "task"], b'1\n"a b"\n')
        self.assertEqual(got[:2], (0, b"task 1\ntask '\"a b\"'\n"))

    def test_every_option_of_its_page_is_taken_or_refused_with_a_hint(self):
        """Those of the table of what is left out, by the page; and what the installed manual has stands on the page at all."""
        with open(os.path.join(ROOT, "docs/from-parallel.md")) as f:
            page = f.read()
        table = page[page.index("| left out |"):]
        named = {x for line in table.splitlines() for x in re.findall(r"`(--?[A-Za-z][\w-]*)`", line.split("|")[1] if "|" in line else "")}
        self.assertGreater(len(named), 100)
        for option in sorted(named - {"--halt", "--wait"}):
            got = self.run_one([FANMAP, "map", "--local", option, "--", "true", ":::", "1"], b"")
            self.assertEqual((got[0], b"is GNU parallel's, and not here" in got[2]), (2, True), (option, got))
        manual = subprocess.run("man -P cat parallel | col -b", shell=True, capture_output=True, timeout=60, cwd=self.folder).stdout.decode("utf-8", "replace")
        for line in manual[manual.find("\nOPTIONS"):manual.find("\nEXAMPLE")].splitlines():
            option = re.match(r" {7}(--?[A-Za-z0-9][\w-]*)", line)
            if option:
                self.assertTrue(re.search(rf"`{option[1]}(?![\w-])", page), option[1])

    def test_a_timeout_by_the_median(self):
        """What lasts far longer than the others is ended, whichever began first."""
        text = "sleep {}; echo {}"
        items = [":::", "60", "1", "1.01", "1.02", "1.03", "50"]  # four times as long leaves three seconds for a busy machine
        verdicts = []
        for name, words in (("theirs", ["parallel", "--will-cite", "-k", "-j2", "--joblog", "theirs", "--timeout", "400%", text]),
                            ("ours", [FANMAP, "map", "--local", "-q", "-j2", "--joblog", "ours", "--timeout", "400%", "--sh", text])):
            got = self.run_one([*words, *items], b"")
            self.assertEqual((got[0] != 0, got[1]), (True, b"1\n1.01\n1.02\n1.03\n"), got)
            verdicts.append([(r[0], r[1] == b"0" and r[2] == b"0") for r in self.rows(name)[:-1]])
        self.assertEqual(*verdicts)

    def test_how_an_attempt_is_ended(self):
        """One that traps TERM has time for its say, or none."""
        for sequence, is_told in (("TERM,9000,KILL,25", True), ("TERM,4000,TERM,4000,KILL", True), ("KILL,25", False)):
            for name, words in (("theirs", ["parallel", "--will-cite", "--timeout", "1"]), ("ours", [FANMAP, "map", "--local", "-q", "--timeout", "1s"])):
                text = f"trap 'sleep 1; touch {name}.{{}}; exit 1' TERM; sleep 30 & wait"
                got = self.run_one([*words, "--termseq", sequence, *(["--sh"] if name == "ours" else []), text, ":::", sequence], b"")
                self.assertNotEqual(got[0], 0)
                self.assertEqual(os.path.exists(os.path.join(self.folder, f"{name}.{sequence}")), is_told, (name, sequence, got))
        self.assertEqual(self.run_one([FANMAP, "map", "--local", "--termseq", "INT,1,KILL", "--", "true"], b"")[0], 2)

    def test_where_and_how_commands_run(self):
        for words in (["--wd", "/"], ["--workdir", "/usr"], ["--nice", "5"]):
            self.same([*words, "pwd; nice; echo {}", ":::", "1"], [*words, "--sh", "pwd; nice; echo {}", ":::", "1"])


@unittest.skipUnless(shutil.which("parallel"), "no parallel here")
class ParallelOnAFleet(Case):
    """The lines that need no command of the caller: parallel runs the command, a worker serves it, and what is printed is the same."""

    partitions = 2
    bound_s = 200
    TASKS = {"say": "echo {}", "pair": "echo {1}-{2}", "all": "echo {+}", "number": "echo {#} {.} {/.} {//}", "count": "wc -l",
             "row": "echo {2} of {1}", "exits": "exit {}"}
    run_one = Parallel.run_one

    def rows(self, name):
        with open(os.path.join(self.folder, name), "rb") as f:
            return sorted((r[0], r[6], r[7]) for r in (line.rstrip(b"\n").split(b"\t", 8) for line in f))

    def ours(self, *words, stdin=b""):
        return self.run_one([FANMAP, "map", *self.connect_args(), "-q", "--text", *words], stdin)

    def test_lines(self):
        self.on_fleet()
        served = [w for name, words in self.TASKS.items() for w in ("--exec", f"{name}={words}" if name != "exits" else f"{name}=sh -c 'exit $1' sh {{}}")]
        self.worker(*served, tasks=None, slots=3)
        with open(os.path.join(self.folder, "list"), "w") as f:
            f.write("x y\n$(id)\n'\n")
        for task, options, lists, stdin in (
                ("say", [], [":::", "a", "b c", "$(id)", "it's", "1"], b""), ("say", [], [], b"one\ntwo three\n\nfour"), ("say", ["-0"], [], b"x\0y z\0"),
                ("say", ["-a", "list"], [], b""), ("say", ["-j2", "--tag"], [":::", "c", "a"], b""), ("say", ["--tagstring", "{#}={.}"], [":::", "c.d", "a"], b""),
                ("say", ["--retries", "2", "-k"], [":::", "c", "a"], b""), ("say", ["--halt", "now,fail=1"], [":::", "c", "a"], b""),
                ("pair", [], [":::", "a", "b", ":::", "1", "2"], b""), ("pair", ["--link"], [":::", "a", "b", ":::", "1", "2"], b""),
                ("pair", [], [":::", "a", "b", "c", ":::+", "1", "2", "3"], b""), ("pair", [], ["::::", "list", "list"], b""),
                ("number", [], [":::", "d/a.b.c", "/x", "y/"], b""), ("all", ["-n", "2"], [], b"1\n2\n3\n"), ("all", ["-N", "2"], [], b"1\n2\n3 4\n5\n"),
                ("row", ["--colsep", ","], [], b"a,b\nc,d e\n"), ("row", ["--colsep", ",", "--header", ":"], [], b"a,b\nDoe J,1\nRoe,2\n"),
                ("count", ["--pipe", "-N", "2"], [], b"a\nb\nc\nd\ne\n"), ("count", ["--pipe", "--block", "100"], [], b"x" * 40 + b"\n" + b"y\n" * 99)):
            with self.subTest(task=task, options=options, lists=lists):
                theirs = self.run_one(["parallel", "--will-cite", "-k", *options, self.TASKS[task].replace("{+}", "{}"), *lists], stdin)
                got = self.ours(task, *options, *lists, stdin=stdin)
                self.assertEqual(got[:2], theirs[:2], got[2])
        self.logs()

    def logs(self):
        """Verdicts of the job log, and going on by it; results in files."""
        for name, run in (("theirs", lambda *w: self.run_one(["parallel", "--will-cite", *w[:-4], self.TASKS["exits"], *w[-4:]], b"")),
                          ("ours", lambda *w: self.ours("exits", *w))):
            self.assertNotEqual(run("--joblog", name, ":::", "0", "3", "0")[0], 0)
            for more in ("--resume", "--resume-failed", "--retry-failed"):
                if name == "ours" or more != "--retry-failed":
                    run("--joblog", name, more, ":::", "0", "3", "0")
                else:
                    self.run_one(["parallel", "--will-cite", "--joblog", name, more], b"")
        self.assertEqual(self.rows("ours"), self.rows("theirs"))
        self.assertEqual(len(self.rows("ours")), 6, "a head, three, and twice the one that failed")
        self.run_one(["parallel", "--will-cite", "--results", "r.theirs", "echo {}", ":::", "a/b", "c"], b"")
        self.assertEqual(self.ours("say", "--results", "r.ours", ":::", "a/b", "c")[:2], (0, b""))
        for name in ("1/a\\_b/stdout", "1/c/seq", "1/c/stderr"):
            texts = []
            for top in ("r.ours", "r.theirs"):
                with open(os.path.join(self.folder, top, name)) as f:
                    texts.append(f.read().rstrip("\n"))
            self.assertEqual(*texts)
