"""Runs every snippet of README.md and docs/ on a real fleet, as a reader would: see pages.py for how they are marked. One test a
page, and tests of the tests: a snippet that is broken must fail its page."""
import glob
import json
import os
import shlex
import shutil

import pages
from fleet import BUILD, ROOT, Case, Program

CFLAGS = ["-std=c17", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-D_GNU_SOURCE"]
SEEN = ("README.md", "docs", "examples", "include", "schemas", "tests", "bench", "deploy", "python")
PAGES = ["README.md"] + sorted(os.path.relpath(p, ROOT) for p in glob.glob(os.path.join(ROOT, "docs", "*.md")))


class Page:
    """The snippets of one page as one bash script; each step has a number, a file for its output and what is wanted of it."""

    def __init__(self, case, path, name):
        self.case, self.steps, self.folder = case, [], os.path.join(case.folder, "top")
        self.lines = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT"]
        self.snippets, _, problems = pages.read_page(path, name)
        case.assertEqual(problems, [])
        self.make_folder()
        for snippet in self.snippets:
            if snippet.runs:
                self.add(snippet)

    def make_folder(self):
        """Like the top of the tree, with the tree's own files behind it, and a `dev` that knows of this test's services."""
        os.mkdir(self.folder)
        for name in SEEN:
            os.symlink(os.path.join(ROOT, name), os.path.join(self.folder, name))
        os.symlink(BUILD, os.path.join(self.folder, "build"))
        with open(os.path.join(self.folder, "dev"), "w") as f:
            f.write("#!/bin/sh\ncase $1 in\nup) echo \"export FANMAP_BROKERS=$FANMAP_BROKERS FANMAP_REDIS=$FANMAP_REDIS\" ;;\n"
                    "down | build) ;;\n*) echo \"not in a page that is tested: ./dev $1\" >&2; exit 2 ;;\nesac\n")
        os.chmod(f.name, 0o755)

    def out(self, step):
        return os.path.join(self.case.folder, f"out.{step}")

    def step(self, snippet, code, status=0, prints=None):
        n = len(self.steps)
        self.steps.append((snippet, prints))
        self.lines.append(f"echo {n} >>{shlex.quote(self.case.folder)}/at")
        out = shlex.quote(self.out(n))
        if status == 0:
            self.lines.append(f"{{\n{code}\n}} >{out}")
        else:
            self.lines.append(f"status=0\n(\n{code}\n) >{out} || status=$?\n"
                              f"[ $status = {status} ] || {{ echo \"it exited with $status, not {status}\" >&2; exit 1; }}")

    def add(self, snippet):
        file = snippet.notes.get("file")
        if file:
            self.save(snippet, file)
        status = int(snippet.notes.get("status", 0))
        if snippet.language == "sh":
            self.step(snippet, snippet.text, status)
        elif snippet.language == "console":
            steps = pages.console_steps(snippet)
            for i, (command, printed) in enumerate(steps):
                self.step(snippet, command, status if i == len(steps) - 1 else 0, printed)
        elif snippet.language == "c":
            self.step(snippet, self.compiling(snippet))
        elif snippet.language == "python":
            self.step(snippet, "python3 -c 'import ast, sys; ast.parse(sys.stdin.read())' <<'END'\n" + snippet.text + "END\n")
        elif snippet.language == "json":
            self.check_json(snippet)
        elif "prints" in snippet.notes:
            self.case.assertTrue(self.steps, f"{snippet.where}: nothing ran before it")
            self.steps[-1] = (self.steps[-1][0], snippet.text)

    def save(self, snippet, file):
        self.case.assertFalse(os.path.isabs(file) or ".." in file, snippet.where)
        self.step(snippet, f"mkdir -p {shlex.quote(os.path.dirname(file) or '.')}\ncat >{shlex.quote(file)} <<'END_OF_FILE'\n"
                           f"{snippet.text}END_OF_FILE\n")

    def compiling(self, snippet):
        text = snippet.text
        if "wrap" in snippet.notes:
            text = (f"#include <fanmap/admin.h>\n#include <fanmap/task.h>\n#include <stdio.h>\n#include <string.h>\n"
                    f"{snippet.notes['wrap']};\n{snippet.notes['wrap']}\n{{\n{text}}}\n")
        return (f"cc {' '.join(CFLAGS)} -Iinclude -fsyntax-only -x c - <<'END_OF_C' || exit 1\n{text}END_OF_C\n")

    def check_json(self, snippet):
        try:
            json.loads(snippet.text)
        except ValueError:
            for line in snippet.text.splitlines():
                json.loads(line)

    def run(self, bound_s):
        """'' or what went wrong, with the place in the page."""
        if not self.steps:
            return ""
        script = os.path.join(self.case.folder, "page.sh")
        with open(script, "w") as f:
            f.write("\n".join(self.lines) + "\n")
        env = self.case.environment({"PATH": f"{BUILD}:{os.environ['PATH']}"})
        bash = Program("page", ["bash", script], self.folder, env)
        self.case.programs.append(bash)
        try:
            status = bash.wait(bound_s)
        except TimeoutError:
            status = "'too long'"
        if status != 0:
            at = self.reached()
            return f"{self.steps[at][0].where}: ended with status {status}: {bash.err()[-1500:]}"
        for n, (snippet, wanted) in enumerate(self.steps):
            if wanted is not None:
                with open(self.out(n)) as f:
                    difference = pages.prints(wanted, f.read())
                if difference:
                    return f"{snippet.where}: {difference}"
        return ""

    def reached(self):
        with open(os.path.join(self.case.folder, "at")) as f:
            return int(f.read().split()[-1])


class Docs(Case):
    bound_s = 180

    def check(self, path, name):
        page = Page(self, path, name)
        if page.steps:
            self.on_fleet()
        return page.run(120)


def page_test(name):
    def test(self):
        problem = self.check(os.path.join(ROOT, name), name)
        if problem:
            self.fail(problem)
    return test


for _name in PAGES:
    setattr(Docs, "test_" + _name.removesuffix(".md").replace("/", "_").replace("-", "_").lower(), page_test(_name))


BROKEN = {
    "a command that fails": ("```sh\necho begun\nfalse\n```\n", "page.md:1: ended with status 1"),
    "a command that does not exist": ("```sh\ntrue\n```\n\n```sh\nfanmap no-such-thing\n```\n", "page.md:5: ended with status 2"),
    "another output": ("```console\n$ echo 1\n1\n$ echo 2\n3\n```\n", "page.md:1: it printed\n2"),
    "another status": ("<!-- snippet: status=3 -->\n```sh\nexit 4\n```\n", "exited with 4, not 3"),
    "C that does not compile": ("```c\n#include <fanmap/fanmap.h>\nint x = fanmap_no_such;\n```\n", "page.md:1: ended with"),
    "text that was not printed": ("```sh\necho a\n```\n<!-- snippet: prints -->\n```text\nb\n```\n", "page.md:1: it printed\na"),
}
SOUND = """<!-- run
x=5
-->
```sh
y=$((x + 1))
```
```console
$ echo $y
6
$ printf '%s\\n' a b c
a
...
c
```
<!-- snippet: file=some/list.txt -->
```text
1
2
```
<!-- snippet: status=3 -->
```sh
grep -q 2 some/list.txt && exit 3
```
<!-- snippet: wrap=int f(fanmap_t *f) -->
```c
return fanmap_fd(f);
```
<!-- snippet: not-run=it never ends -->
```sh
sleep infinity
```
"""


class DocsSelfTest(Case):
    """No fleet is needed for these."""

    def environment(self, extra=None):
        return {**super().environment(extra), "FANMAP_BROKERS": "", "FANMAP_REDIS": ""}

    def problem_of(self, text):
        path = os.path.join(self.folder, "page.md")
        with open(path, "w") as f:
            f.write(text)
        shutil.rmtree(os.path.join(self.folder, "top"), True)
        return Page(self, path, "page.md").run(60)

    def test_broken_snippets_are_found(self):
        for what, (text, wanted) in BROKEN.items():
            self.assertIn(wanted, self.problem_of(text), what)

    def test_sound_snippets_pass(self):
        self.assertEqual(self.problem_of(SOUND), "")
