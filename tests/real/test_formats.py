"""Input and output formats: each reader takes what each writer wrote, exactly; zipped inputs; --joblog; refusals of the
command line. Embedded, so without Kafka."""
import json
import os
import subprocess
import tempfile
import unittest

from fleet import BUILD, FANMAP

TASKS = os.path.join(BUILD, "examples", "numbers.so")

NASTY = [
    "1", "-9223372036854775808", "18446744073709551615", "1.5", "1e300", "true", "null", '""', '"a\\nb"', '"\\u0000x"',
    '"\\ud83d\\ude00"', '"{\\"a\\":1}"', '"-x"', "[]", '[1,[2,{"a":null}]]', '{"a":1,"b":[]}', '{"$binary":"AAEC/w=="}',
    '{"$value":{"$error":1}}', '{"$value":{"$value":2}}', '{"$value":{"$binary":"x"}}', '{"$error":1,"x":2}',
    '{"$error":{"kind":"exit","message":"m","attempts":2,"exit_status":3,"stderr":"no"}}',
    '{"$error":{"kind":"exception","message":"","type":"T","attempts":1}}']


def run(*words, stdin=b"", timeout=120):
    done = subprocess.run([FANMAP, *words], input=stdin, capture_output=True, timeout=timeout)
    return done.returncode, done.stdout, done.stderr.decode()


def echo(stdin, *words):
    return run("map", "--local", "-q", "--tasks", TASKS, "echo", *words, stdin=stdin)


class Formats(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="fanmap-formats-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def test_jsonl_and_msgpack_hold_everything(self):
        """jsonl -> msgpack -> msgpack -> jsonl gives the same bytes; what failed before passes through as it is."""
        text = "".join(line + "\n" for line in NASTY).encode()
        status, once, _ = echo(text)
        self.assertEqual(status, 1, "the errors among them")
        _, packed, _ = echo(once, "--output-format", "msgpack")
        _, again, _ = echo(packed, "--input-format", "msgpack", "--output-format", "msgpack")
        _, back, _ = echo(again, "--input-format", "msgpack")
        self.assertEqual(packed, again)
        self.assertEqual([json.loads(x) for x in back.splitlines()], [json.loads(x) for x in once.splitlines()])
        self.assertEqual(back, once)

    def test_lines_and_nul_hold_strings(self):
        for name, end, strings in (("lines", b"\n", [b"", b"a b", b"\xff\xfe", b"{}", b"\x00", "é".encode(), b"\r"]),
                                   ("nul", b"\0", [b"", b"a\nb", b"\xff\xfe", b'{"$error":1}', "é".encode(), b"\r\n"])):
            written = b"".join(s + end for s in strings)
            for _ in range(2):
                status, out, _ = echo(written, "--input-format", name, "--output-format", name)
                self.assertEqual((status, out), (0, written), name)
            _, packed, _ = echo(written, "--input-format", name, "--output-format", "msgpack")
            _, out, _ = echo(packed, "--input-format", "msgpack", "--output-format", name)
            self.assertEqual(out, written, name)
        self.assertEqual(echo(b"a\0b", "-0", "--output-format", "nul")[1], b"a\0b\0")

    def test_records_in_each_format(self):
        items = b'1\n{"$error":{"kind":"exit","message":"m","exit_status":3}}\n'
        for name, end in (("jsonl", b"\n"), ("lines", b"\n"), ("nul", b"\0")):
            _, out, err = echo(items, "--records", "--output-format", name)
            records = [json.loads(x) for x in out.split(end) if x]
            self.assertEqual(records[0], {"index": 0, "attempts": 1, "value": 1})
            self.assertEqual(records[1]["error"]["exit_status"], 3)
            self.assertEqual(err, "", "the record has it")
        _, packed, _ = echo(items, "--records", "--output-format", "msgpack")
        _, out, _ = echo(packed, "--input-format", "msgpack")
        self.assertEqual([json.loads(x) for x in out.splitlines()], records)

    def test_errors_of_lines_go_to_stderr_and_the_line_stays_empty(self):
        status, out, err = echo(b"[1]\n[\n[2]\n", "--input-format", "jsonl", "--output-format", "lines")
        self.assertEqual((status, out), (1, b"[1]\n\n[2]\n"))
        self.assertIn("item 1: bad_input", err)

    def test_values_are_ruled_by_the_input_format(self):
        self.assertEqual(echo(b"", "--input-format", "lines", ":::", "1", "{}")[1], b'"1"\n"{}"\n')
        self.assertEqual(echo(b"", ":::", "1", "{}")[1], b"1\n{}\n")
        self.assertEqual(echo(b"", "--input-format", "msgpack", ":::", "\x01", "x")[1], b"1\n120\n")

    def test_what_is_typed_is_json_or_else_text(self):
        self.assertEqual(echo(b"", ":::", "a", "1", '"q"', "{", "007", "[1, 2]", "$(id)", "")[1],
                         b'"a"\n1\n"q"\n"{"\n"007"\n[1,2]\n"$(id)"\n""\n')
        self.assertEqual(echo(b"", ":::", "1", "b", ":::+", "{", "4")[:2], (0, b'[1,"{"]\n["b",4]\n'))
        self.assertEqual(echo(b'a\n1\n', "--text")[:2], (0, b"a\n1\n"))
        self.assertEqual(echo(b"", "--text", ":::", "1.10", '"q"')[:2], (0, b'1.10\n"q"\n'))
        self.assertEqual(echo(b'a\n1\n')[0], 1)

    def test_a_broken_msgpack_stream_names_its_byte(self):
        whole = b"\x01\x92\x02\x03"
        for tail, at in ((b"\xc1", 4), (b"\x92\x01", 6), (b"\xdb\x00\x00", 4), (b"\xa5abc", 8), (b"\x81\xc1", 5)):
            status, out, err = echo(whole + tail, "--input-format", "msgpack")
            self.assertEqual((status, out), (6, b"1\n[2,3]\n"), tail)
            self.assertIn(f"not msgpack at byte {at}", err)

    def test_an_object_over_the_limit_is_skipped_to_its_end(self):
        big = b"\xdb" + (3000000).to_bytes(4, "big") + b"\xc1" * 3000000
        nested = b"\xdd" + (900000).to_bytes(4, "big") + b"\xa2ab" * 900000
        status, out, _ = echo(b"\x01" + big + b"\x02" + nested + b"\x03", "--input-format", "msgpack")
        lines = out.splitlines()
        self.assertEqual((status, lines[::2]), (1, [b"1", b"2", b"3"]))
        self.assertTrue(all(b"too_large" in line for line in lines[1::2]))
        deep = b"\x91" * 200 + b"\x01"
        self.assertIn(b"bad_input", echo(deep, "--input-format", "msgpack")[1])

    def test_zipped_inputs(self):
        a, b = self.file("a", "1\n2\n"), self.file("b", '"x"\n{"y":1}\n')
        self.assertEqual(echo(b"", "-i", a, "-i", b)[:2], (0, b'[1,"x"]\n[2,{"y":1}]\n'))
        self.assertEqual(echo(b'true\nfalse\n', "-i", a, "-i", "-")[1], b"[1,true]\n[2,false]\n")
        self.assertEqual(echo(b"", ":::", "1", "2", ":::+", "3", "4", ":::+", "5", "6")[1], b"[1,3,5]\n[2,4,6]\n")
        status, out, _ = run("map", "--local", "-q", "--", "echo", "{2}:{1}:{#}", ":::", "a", "b", ":::+", "c", "d")
        self.assertEqual((status, out), (0, b"c:a:1\nd:b:2\n"))

    def test_a_product_of_lists(self):
        """As parallel has it: the last list turns fastest; :::+ zips with the list before, and files are lists."""
        path, empty = self.file("list", "x\ny\n"), self.file("empty", "")
        command = ["map", "--local", "-q", "--", "echo", "{1}{2}{3}"]
        for lists, items in ((["a", "b", ":::", "1", "2", ":::", "x", "y"], "a1x a1y a2x a2y b1x b1y b2x b2y"),
                             (["a", "b", ":::", "1", "2", "::::", path], "a1x a1y a2x a2y b1x b1y b2x b2y"),
                             (["a", "b", ":::", "1", "2", ":::+", "x", "y"], "a1x a2y b1x b2y"),
                             (["a", "b", ":::+", "1", "2", "::::", path], "a1x a1y b2x b2y"),
                             (["a", "b", ":::", "1", "::::", empty], "")):
            with self.subTest(lists=lists):
                self.assertEqual(run(*command, ":::", *lists)[:2], (0, "".join(x + "\n" for x in items.split()).encode()))
        self.assertEqual(run("map", "--local", "-q", "--link", "--", "echo", "{1}{2}", ":::", "a", "b", ":::", "1", "2")[1], b"a1\nb2\n")
        self.assertEqual(echo(b"", ":::", "1", "2", ":::", "3", "4")[1], b"[1,3]\n[1,4]\n[2,3]\n[2,4]\n")

    def test_the_first_list_of_a_product_may_be_endless(self):
        script = f"yes | {FANMAP} map --local -q --tasks {TASKS} echo --text :::: - ::: 1 2 | head -n 3"
        done = subprocess.run(["sh", "-c", script], capture_output=True, timeout=60)
        self.assertEqual(done.stdout, b'["y","1"]\n["y","2"]\n["y","1"]\n')

    def test_the_shorter_input_is_named_after_what_came_before(self):
        a, b = self.file("a", "1\n2\n3\n"), self.file("b", "4\n5\n")
        for words, short, long in ((("-i", a, "-i", b), f"sequence 2 ({b})", f"sequence 1 ({a})"),
                                   (("-i", b, "-i", a), f"sequence 1 ({b})", f"sequence 2 ({a})"),
                                   ((":::", "1", "2", ":::+", "3", "4", "5"), "sequence 1 of :::", "sequence 2")):
            status, out, err = echo(b"", *words)
            self.assertEqual((status, len(out.splitlines())), (6, 2), err)
            self.assertIn(f"{short} is the shorter one and has 2 items, {long}", err)

    def test_a_part_that_is_not_json_fails_alone(self):
        status, out, _ = echo(b"", "--input-format", "jsonl", ":::", "1", "2", ":::+", "{", "4")
        self.assertEqual(status, 1)
        self.assertIn(b"bad_input", out.splitlines()[0])
        self.assertIn(b"part 2", out.splitlines()[0])
        self.assertEqual(out.splitlines()[1], b"[2,4]")

    def test_bound_arguments(self):
        status, out, _ = run("map", "--local", "-q", "--bind", 'size="big"', "--bind", "n=[1,2]", "--", "echo",
                             "{size}/{n}/{}", ":::", "a", "b")
        self.assertEqual((status, out), (0, b"big/[1,2]/a\nbig/[1,2]/b\n"))

    def test_placeholders(self):
        """Parts of paths, parts of items, and what nothing fills."""
        for words, items, printed in (
                (["{.}|{/}|{//}|{/.}"], ["/a/b.c", "d"], b"/a/b|b.c|/a|b\nd|d|.|d\n"),
                (["{1}", "{#}", "{-1/}"], ["x/y"], b"x/y 1 y\n"),
                (["{2.}{1}"], ["a", ":::+", "b.c"], b"ba\n"),
                (["x{+}y"], ["a", ":::+", "b"], b"xa by\n"),
                (["{}"], ["{#}{.}{}"], b"{#}{.}{}\n"),
                (["-I", ",,", "--", "echo", "{}", ",,", "{foo}", "{.}"], ["a.b"], b"{} a.b {foo} a\n")):
            with self.subTest(words=words):
                words = words if "--" in words else ["--", "echo", *words]
                self.assertEqual(run("map", "--local", "-q", *words, ":::", *items)[:2], (0, printed))
        for words, items, said in (["{3}"], ["a", ":::+", "b"], "have 2 parts"), (["{foo}"], ["a"], "nothing fills {foo}"):
            status, out, err = run("map", "--local", "-q", "--", "echo", *words, ":::", *items)
            self.assertEqual((status, out), (2, b""))
            self.assertIn(said, err)

    def test_no_item_is_part_of_a_shells_text(self):
        hostile = ["$(id)", "`id`", "'; id; '", '"; id; "', "a\nb", "-e", "{}", "$1", "\\", "*"]
        texts = ["printf '%s|' {}", "printf '%s|' \"{}\"", "printf %s '{}|'", 'printf "%s|" "$(printf %s {})"', 'printf "%s|" "$1"']
        for text in texts:
            with self.subTest(text=text):
                status, out, err = run("map", "--local", "-q", "--sh", text, ":::", *hostile)
                self.assertEqual((status, out.decode()), (0, "".join(x + "|\n" for x in hostile)), err)
        self.assertEqual(run("map", "--local", "-q", "--sh", "wc -l", ":::", "a", "b")[1], b"1\n1\n")
        for words in (["--", "sh", "-c", "echo {}"], ["--", "env", "bash", "-ec", "echo {.}"],
                      ["--exec", "say=sh -c 'echo {}'", "say"], ["-I", "%", "--", "sh", "-c", "echo %"]):
            status, out, err = run("map", "--local", "-q", *words, ":::", "$(id)")
            self.assertEqual((status, out), (2, b""))
            self.assertIn("--sh", err)
        self.assertEqual(run("map", "--sh", "echo {}", ":::", "a")[0], 2)

    def test_joblog(self):
        path = os.path.join(self.folder, "log")
        script = "case $1 in 1) exit 3;; 2) sleep 60;; 3) kill -9 $$;; 4) echo hello;; esac"
        status, _, _ = run("map", "--local", "-q", "--timeout", "3s", "--grace", "100ms", "--joblog", path, "--", "sh", "-c",
                           script, "sh", "{}", ":::", "1", "2", "3", "4")
        self.assertEqual(status, 1)
        with open(path) as f:
            head, *rows = [line.rstrip("\n").split("\t") for line in f]
        self.assertEqual(head, "Seq Host Starttime JobRuntime Send Receive Exitval Signal Command".split())
        self.assertEqual([(r[0], r[1], r[4], r[5], r[6], r[7]) for r in rows],
                         [("1", ":", "0", "0", "3", "0"), ("2", ":", "0", "0", "-1", "15"),
                          ("3", ":", "0", "0", "0", "9"), ("4", ":", "0", "6", "0", "0")])
        self.assertGreater(float(rows[1][3]), 2.4)
        self.assertTrue(rows[0][8].startswith("sh -c 'case $1"))
        self.assertTrue(rows[1][8].endswith("sh 2"), "the command that ran")
        run("map", "--local", "-q", "--joblog", "+" + path, "--sh", "cat {} {.}", ":::", "a.b", "c d")
        with open(path) as f:
            self.assertEqual([line.split("\t")[-1].rstrip("\n") for line in f][5:], ["cat a.b a", "cat 'c d' 'c d'"])
        status, _, err = echo(b"1\n", "--joblog", os.path.join(self.folder, "no", "log"))
        self.assertEqual(status, 6)
        self.assertIn("--joblog", err)

    def test_a_halt_on_a_success_is_one(self):
        for halt, wanted in (("now,success=1", 0), ("soon,success=1", 0), ("now,success=3", 1), ("now,done=2", 3)):
            status, out, err = run("map", "--local", "-j", "2", "--halt", halt, "--sh", "sleep 0.{}; test {} = 2 && echo {}",
                                   ":::", "1", "2", "3", "8", "9")
            self.assertEqual((status, out), (wanted, b"2\n" if halt != "now,done=2" else out), err)

    def test_a_deadline_says_which(self):
        status, out, _ = run("map", "--local", "-q", "--deadline", "700ms", "--output-format", "jsonl", "--", "sleep", "{}", ":::", "30")
        self.assertEqual((status, json.loads(out)["$error"]["message"]), (3, "the job's deadline of 700ms has passed"))

    def test_what_was_cancelled_is_said(self):
        items = "".join(f"{i}\n" for i in range(1, 41))
        script = "sleep 0.05; test $1 -ne 3"
        for halt in ("now,fail=1", "soon,fail=1", "now,done=3", "soon,done=25%"):
            status, out, err = run("map", "--local", "-j", "2", "--halt", halt, "--output-format", "jsonl", "--", "sh", "-c", script,
                                   "sh", "{}", stdin=items.encode())
            cancelled = out.count(b'"cancelled"')
            self.assertEqual(status, 3, err)
            self.assertGreater(cancelled, 20, halt)
            self.assertIn(f"{cancelled} of its {len(out.splitlines())} items were cancelled", err)

    def test_soon_lets_what_runs_finish(self):
        """Item 2 runs when item 1 fails: with soon it has its value, with now it has not."""
        script = ("cd $2; case $1 in 1) until test -e second; do sleep 0.05; done; touch first; exit 1;; "
                  "2) touch second; until test -e first; do sleep 0.05; done; sleep $3; echo done;; esac")
        for halt, seconds, wanted in (("soon,fail=1", "1", "done"), ("now,fail=1", "30", None)):
            folder = os.path.join(self.folder, halt)
            os.mkdir(folder)
            _, out, _ = run("map", "--local", "-q", "-j", "2", "--halt", halt, "--output-format", "jsonl", "--", "sh", "-c", script, "sh",
                            "{}", folder, seconds, ":::", "1", "2", "3", "4")
            second = json.loads(out.splitlines()[1])
            self.assertEqual(second == "done", wanted is not None, (halt, out))

    def test_bad_policies_are_refused_before_anything_is_sent(self):
        """Exit 2, and the option and its bound are named. The broker does not exist: it is never asked."""
        for words, said in (
                (["-j", "-1"], ["--concurrency", "from 0"]), (["--retries", "-1"], ["--retries", "from 0"]),
                (["--retries", "1.5"], ["--retries"]), (["--backoff", "1s,0.5"], ["--backoff", "from 1 to 1000"]),
                (["--backoff", "-1s"], ["--backoff"]), (["--halt", "later"], ["--halt", "now|soon"]),
                (["--halt", "now,fail=0"], ["--halt", "from 1"]), (["--halt", "now,fail=-3"], ["--halt", "count"]),
                (["--halt", "soon,fail=101%"], ["--halt", "100%"]), (["--halt", "1"], ["--halt", "never"]),
                (["--fail-fast", "--halt", "now,fail=2"], ["--fail-fast", "--halt"]),
                (["--final-exit", "300"], ["--final-exit", "255"]), (["--timeout", "10"], ["--timeout"]),
                (["--deadline", "-1s"], ["--deadline"]), (["--crash-cap", "0"], ["--crash-cap", "from 1"]),
                (["--ahead", "0"], ["--ahead", "from 1"]), (["--spill", "1"], ["--spill", "at least"]),
                (["--bind", "x"], ["--bind", "NAME=JSON"]), (["--bind", "x={"], ["--bind", "x"]),
                (["--bind", "x=1", "--bind", "x=2"], ["--bind", "twice"]), (["--item-max", "0"], ["--item-max"]),
                (["--lease", "1s"], ["--lease", "at least"]), (["--input-format", "xml"], ["--input-format", "msgpack"])):
            for command in ("map", "submit"):
                status, out, err = run(command, "-b", "127.0.0.1:1", "--redis", "redis://127.0.0.1:1", "square", *words, ":::", "1")
                self.assertEqual((status, out), (2, b""), (words, err))
                for word in said:
                    self.assertIn(word, err)


if __name__ == "__main__":
    unittest.main()
