"""Whole programs: the newsletter's two, scripts of every form, and what is left of one that is killed."""

import importlib.util
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import tasks

import fanmap
from fanmap._library import library

HERE = os.path.dirname(os.path.abspath(tasks.__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
EXAMPLES = os.path.join(ROOT, "examples", "python")
BOUND_S = 120

SQUARES = """
import fanmap

@fanmap.task
def square(x: int) -> int:
    if x == 3:
        raise ValueError("three is not wanted")
    return x * x

def main(n):
    return list(fanmap.map(square, range(n), return_exceptions=True))

if __name__ == "__main__":
    for r in main(5):
        print(r if isinstance(r, int) else f"{r.type}: {r.message}")
"""

TEN_THOUSAND = """
import os, sys, tempfile, fanmap

@fanmap.task
def recorded(x, folder):
    with tempfile.NamedTemporaryFile(dir=folder):
        return [x * x, len(os.listdir(folder))]

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        got = list(fanmap.map(recorded, range(10_000), concurrency=50, bind={"folder": folder}))
    assert [g[0] for g in got] == [i * i for i in range(10_000)]
    print(len(got), max(g[1] for g in got) <= 50)
"""

NO_GUARD = """
import fanmap
def square(x):
    return x * x + offset
offset = 1
print(list(fanmap.map(square, range(4))))
print("once")
"""

DECORATED = """
import sys, fanmap, dataclasses
sys.modules[sys.argv[1] if len(sys.argv) > 1 else "none"] = None  # no cloudpickle
@fanmap.task(retries=1, backoff=0.001)
def square(x: int, ctx: fanmap.Context) -> int:
    if ctx.attempt < 2:
        raise ValueError(x)
    return x * x
def load():
    return offset
offset = 1
@fanmap.task(batch=4, setup=load)
def in_batches(xs):
    return [x + fanmap.context().state for x in xs]
def about(x, ctx: fanmap.Context):
    return [square(x, ctx), ctx.index, ctx.task]
print(list(fanmap.map(square, range(4))))
print(list(fanmap.map(in_batches, range(9))))
print(list(fanmap.map(about, [3], retries=1, backoff=0.001)))
"""

READS_ITS_ARGUMENTS = """
import sys, fanmap
n, *more = map(int, sys.argv[1:])
def add(x):
    return x + len(more)
print(list(fanmap.map(add, range(n))))
"""

ON_THIS_MACHINE = """
import fanmap
def square(x):
    return x * x
if __name__ == "__main__":
    print(list(fanmap.map(square, range(4), fleet=fanmap.Fleet(local=True))))
"""

MODELS = """
import datetime, decimal, enum, uuid, fanmap
from typing import Optional
from pydantic import BaseModel
class Colour(enum.Enum):
    RED = "red"
class Line(BaseModel):
    article: str
    count: int = 1
class Order(BaseModel):
    id: uuid.UUID
    price: decimal.Decimal
    day: datetime.date
    at: datetime.datetime
    colour: Colour = Colour.RED
    tags: set[str] = set()
    lines: list[Line] = []
class Plain(BaseModel):
    at: datetime.datetime
    raw: bytes
def twice(order: Order) -> Order:
    assert type(order.id) is uuid.UUID and order.colour is Colour.RED and type(order.lines[0]) is Line
    return order.model_copy(update={"price": 2 * order.price})
def plain(p: Plain):
    return [type(p.at).__name__, p.raw]
def kinds(lines: list[Line], one: Optional[Line] = None):
    return [type(v).__name__ for v in lines]
@fanmap.task(batch=4)
def counts(lines: list[Line]) -> list[int]:
    return [line.count for line in lines]
if __name__ == "__main__":
    order = Order(id=uuid.uuid4(), price="1.5", day="2026-11-29", at="2026-11-29T08:00:00", tags={"a"}, lines=[Line(article="x")])
    (got,) = fanmap.map(twice, [order])
    assert Order.model_validate(got) == order.model_copy(update={"price": 2 * order.price}), got
    print(list(fanmap.map(plain, [Plain(at="2026-11-29T08:00:00Z", raw=bytes([255, 0]))])))
    print(list(fanmap.map(kinds, [[Line(article="x"), {"article": "y"}]])))
    print(list(fanmap.map(counts, [Line(article="x", count=i) for i in range(6)])))
    a, b = fanmap.map(counts, [{"count": 3}, Line(article="x")], return_exceptions=True)
    print(a.type.rpartition(".")[2], b)
"""

ENDLESS = """
import os, sys, time, itertools, fanmap, tasks
print(os.getpid(), flush=True)
for pid in fanmap.map(tasks.pid, itertools.count(), concurrency=3):
    print(pid, flush=True)
    break_at = time.sleep(0.01)
"""


def clean(extra=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith("FANMAP_") or k == "FANMAP_LIBRARY"}
    env["PYTHONPATH"] = os.pathsep.join([HERE, *(p for p in sys.path if p)])
    env.update(extra or {})
    return env


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def marked(mark):
    """Processes with this in their environment."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/environ", "rb") as f:
                if mark.encode() in f.read() and alive(int(entry)):
                    found.append(int(entry))
        except OSError:
            continue
    return found


class Case(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = scratch.name
        self.mark = f"MARK_OF_{os.getpid()}_{id(self)}"

    def write(self, text, name="script.py"):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def run_python(self, *args, stdin=None, status=0, env=None):
        p = subprocess.run([sys.executable, *args], input=stdin, capture_output=True, text=True, timeout=BOUND_S,
                           cwd=self.folder, env=clean({self.mark: self.mark, **(env or {})}))  # fmt: skip
        self.assertEqual(p.returncode, status, p.stderr[-3000:])
        return p.stdout

    def nothing_left(self, seconds=20):
        until = time.monotonic() + seconds
        while marked(self.mark):
            if time.monotonic() > until:
                self.fail(f"left behind: {marked(self.mark)}")
            time.sleep(0.05)


class Scripts(Case):
    def test_squares_with_exceptions_kept(self):
        out = self.run_python(self.write(SQUARES))
        self.assertEqual(out.splitlines(), ["0", "1", "4", "ValueError: three is not wanted", "16"])
        self.nothing_left()

    def test_ten_thousand_items_at_concurrency_fifty(self):
        self.assertEqual(self.run_python(self.write(TEN_THOUSAND)), "10000 True\n")
        self.nothing_left()

    def test_without_a_main_guard(self):
        self.assertEqual(self.run_python(self.write(NO_GUARD)), "[1, 2, 5, 10]\nonce\n")

    def test_from_stdin_and_c(self):
        self.assertEqual(self.run_python("-", stdin=NO_GUARD), "[1, 2, 5, 10]\nonce\n")
        self.assertEqual(self.run_python("-c", NO_GUARD), "[1, 2, 5, 10]\nonce\n")

    def test_as_a_module_of_a_package(self):
        os.mkdir(os.path.join(self.folder, "pkg"))
        self.write("", "pkg/__init__.py")
        self.write("UNIT = 'kg'\n", "pkg/units.py")
        self.write("import fanmap\nfrom .units import UNIT\ndef show(x):\n    return f'{x}{UNIT}'\n"
                   "if __name__ == '__main__':\n    print(list(fanmap.map(show, [1, 2])))\n", "pkg/tool.py")  # fmt: skip
        self.assertEqual(self.run_python("-m", "pkg.tool"), "['1kg', '2kg']\n")

    def test_a_task_that_is_defined_after_the_map_says_so(self):
        out = self.run_python(
            "-c", "import fanmap\nprint(repr(fanmap.map('no_such_module:f', [1], return_exceptions=True).__next__()))"
        )
        self.assertIn("ModuleNotFoundError", out)
        self.assertIn("the task cannot be loaded here", out)

    def test_images(self):
        for name, data in (
            ("a", b"P6 2 1 255\n" + b" " * 6),
            ("b", b"P6\n1 1\n255\n" + b"\xff" * 3),
            ("c", b"P6 9 9 255\n..."),
        ):
            with open(os.path.join(self.folder, f"{name}.ppm"), "wb") as f:
                f.write(data)
        out = self.run_python(os.path.join(EXAMPLES, "images.py"), ".", status=1)
        self.assertEqual(out.splitlines(), ["a.ppm\t0.125", "b.ppm\t1.000"])

    def test_hyperparameters(self):
        self.assertIn("best of 1000: ", self.run_python(os.path.join(EXAMPLES, "hyperparameters.py")).splitlines()[-1])

    def test_an_api(self):
        self.assertIn("60 answers, 0 failed", self.run_python(os.path.join(EXAMPLES, "api.py")).splitlines()[-1])

    def test_decorated_functions_by_value(self):
        for more in ([], ["cloudpickle"]):
            out = self.run_python("-", *more, stdin=DECORATED)
            self.assertEqual(out, "[0, 1, 4, 9]\n[1, 2, 3, 4, 5, 6, 7, 8, 9]\n[[9, 0, 'about']]\n")

    def test_a_class_of_the_session_without_cloudpickle(self):
        text = ("import sys, dataclasses, fanmap\nsys.modules['cloudpickle'] = None\n@dataclasses.dataclass\nclass P:\n    x: int\n"
                "def f(p: P):\n    return p.x\nfanmap.map(f, [P(1)])\n")  # fmt: skip
        p = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, env=clean(), timeout=BOUND_S)
        self.assertIn("f cannot go along to a slot by value: P in it", p.stderr)
        self.assertIn("install cloudpickle", p.stderr)

    def test_a_script_that_reads_its_arguments(self):
        self.assertEqual(self.run_python(self.write(READS_ITS_ARGUMENTS), "3", "1", "1"), "[2, 3, 4]\n")

    def test_nothing_of_an_embedded_map_goes_to_the_fleet_of_the_environment(self):
        nowhere = {"FANMAP_BROKERS": "127.0.0.1:1", "FANMAP_REDIS": "redis://127.0.0.1:1"}
        self.assertEqual(self.run_python(self.write(ON_THIS_MACHINE), env=nowhere), "[0, 1, 4, 9]\n")

    def test_models_of_pydantic(self):
        if importlib.util.find_spec("pydantic") is None:
            self.skipTest("pydantic is not installed")
        out = self.run_python(self.write(MODELS))
        self.assertEqual(out.splitlines(), ["[['datetime', b'\\xff\\x00']]", "[['Line', 'Line']]", "[0, 1, 2, 3, 4, 5]",
                                            "ValidationError 1"])  # fmt: skip

    def test_a_library_that_does_not_go_with_the_package(self):
        package = os.path.dirname(os.path.abspath(fanmap.__file__))
        shutil.copytree(package, os.path.join(self.folder, "fanmap"), ignore=shutil.ignore_patterns("_native", "__pycache__"))
        self.write('__version__ = "0.0.9"\n', os.path.join("fanmap", "_version.py"))
        newer = {"PYTHONPATH": self.folder, "FANMAP_LIBRARY": library().path}
        for env, words in ((newer, f"is version {fanmap.__version__}, this package is 0.0.9: install what goes together"),
                           ({"FANMAP_LIBRARY": "libc.so.6"}, "libc.so.6 lacks fanmap_version: it is older than this package"),
                           ({"FANMAP_LIBRARY": "/no/such.so"}, "libfanmap cannot be loaded: /no/such.so")):  # fmt: skip
            text = "import fanmap\ntry:\n    fanmap.map(abs, [1])\nexcept fanmap.LibraryError as e:\n    print(e)\n"
            self.assertIn(words, self.run_python("-c", text, env=env))

    def test_a_notebook_in_a_kernel(self):
        if importlib.util.find_spec("nbclient") is None or importlib.util.find_spec("ipykernel") is None:
            self.skipTest("nbclient and ipykernel are not installed")
        text = ("import sys, nbformat, nbclient\nbook = nbformat.read(sys.argv[1], 4)\n"
                "nbclient.NotebookClient(book, timeout=100, kernel_name='python3').execute()\n"
                "print(sum(c.cell_type == 'code' and c.execution_count is not None for c in book.cells))\n")  # fmt: skip
        with open(os.path.join(EXAMPLES, "notebook.ipynb")) as f:
            cells = sum(c["cell_type"] == "code" for c in json.load(f)["cells"])
        out = self.run_python("-W", "ignore", "-c", text, os.path.join(EXAMPLES, "notebook.ipynb"))
        self.assertEqual(out, f"{cells}\n")
        self.nothing_left()

    def test_a_notebook(self):
        with open(os.path.join(EXAMPLES, "notebook.ipynb")) as f:
            cells = [c for c in json.load(f)["cells"] if c["cell_type"] == "code"]
        script = ("import ast, asyncio, inspect\ndef run_cell(text):\n"
                  "    r = eval(compile(text, '<cell>', 'exec', ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), globals())\n"
                  "    if inspect.iscoroutine(r):\n        asyncio.run(r)\n")  # fmt: skip
        for cell in cells:
            script += f"run_cell({''.join(cell['source'])!r})\n"
        self.run_python("-", stdin=script)

    def test_classes_and_spawn_of_the_main_module(self):
        text = ("import dataclasses, fanmap\n@dataclasses.dataclass\nclass P:\n    x: int\n"
                "def mirror(p: P) -> P:\n    return P(-p.x)\n"
                "if __name__ == '__main__':\n    print(list(fanmap.map(mirror, [P(1), P(2)])))\n")  # fmt: skip
        self.assertEqual(self.run_python(self.write(text)), "[{'x': -1}, {'x': -2}]\n")


class Processes(Case):
    def start(self, text, **options):
        p = subprocess.Popen([sys.executable, self.write(text)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             cwd=self.folder, env=clean({self.mark: self.mark}), **options)  # fmt: skip
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.stderr.close)
        self.addCleanup(p.kill)
        return p

    def test_ctrl_c(self):
        p = self.start(ENDLESS, start_new_session=True)
        for _ in range(5):
            p.stdout.readline()
        os.killpg(p.pid, signal.SIGINT)
        self.assertNotEqual(p.wait(BOUND_S), 0)
        self.assertIn("KeyboardInterrupt", p.stderr.read())
        self.nothing_left()

    def test_ctrl_c_on_a_terminal(self):
        master, slave = pty.openpty()
        p = subprocess.Popen([sys.executable, self.write(ENDLESS)], stdin=slave, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, cwd=self.folder, env=clean({self.mark: self.mark}),
                             start_new_session=True, text=True)  # fmt: skip
        os.close(slave)
        self.addCleanup(os.close, master)
        for _ in range(5):
            p.stdout.readline()
        os.killpg(p.pid, signal.SIGINT)
        p.stdout.close()
        self.assertNotEqual(p.wait(BOUND_S), 0)
        self.nothing_left()

    def test_kill_9(self):
        p = self.start(ENDLESS)
        for _ in range(5):
            p.stdout.readline()
        p.kill()
        p.wait()
        self.nothing_left()

    def test_kill_9_while_tasks_sleep(self):
        p = self.start(
            "import fanmap, tasks\nprint('begun', flush=True)\nlist(fanmap.map(tasks.nap, [600] * 3, concurrency=3))\n"
        )
        p.stdout.readline()
        time.sleep(1)
        p.kill()
        p.wait()
        self.nothing_left()

    def test_an_uncaught_exception_in_the_body(self):
        out = self.run_python("-c", "import fanmap, tasks\nfor x in fanmap.map(tasks.nap, [0, 600]):\n    1 / 0\n", status=1)
        self.assertEqual(out, "")
        self.nothing_left()

    def test_fork(self):
        text = """
import os, fanmap, tasks
assert list(fanmap.map(tasks.square, range(3))) == [0, 1, 4]
job = fanmap.map(tasks.square, range(100))
assert next(job) == 0
pid = os.fork()
if pid == 0:
    try:
        list(job)
    except fanmap.JobStopped:
        pass
    else:
        os._exit(3)
    ok = list(fanmap.map(tasks.square, range(5))) == [0, 1, 4, 9, 16]
    del job
    fanmap._fleet._close_all()
    os._exit(0 if ok else 1)
assert list(job) == [i * i for i in range(1, 100)]
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
        self.assertEqual(self.run_python("-c", text), "0\n")
        self.nothing_left()

    def test_multiprocessing_fork_and_spawn(self):
        text = """
import multiprocessing, fanmap, tasks
def inside(n):
    return list(fanmap.map(tasks.square, range(n)))
if __name__ == "__main__":
    assert inside(3) == [0, 1, 4]
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(pool.map(inside, [2, 3]))
            pool.close()
            pool.join()
"""
        self.assertEqual(self.run_python(self.write(text)), "[[0, 1], [0, 1, 4]]\n" * 2)
        self.nothing_left()


class People(Case):
    def test_progress_lines_and_bars(self):
        text = "import fanmap, tasks\nlist(fanmap.map(tasks.square, range(10), progress=True))\n"
        hide = "import sys\nsys.modules['tqdm'] = sys.modules['tqdm.auto'] = None\n"
        for before in (hide, ""):
            p = subprocess.run(
                [sys.executable, "-c", before + text], capture_output=True, text=True, env=clean(), timeout=BOUND_S
            )
            self.assertEqual(p.returncode, 0, p.stderr)
            self.assertIn("square", p.stderr)
            self.assertIn("10/10", p.stderr)

    def test_the_program(self):
        from fanmap._library import program_path

        self.assertRegex(self.run_python("-m", "fanmap", "--version"), r"^fanmap \d+\.\d+\.\d+")
        p = subprocess.run([program_path(), "map", "--local", "-q", "--", "echo"], input="1\n2\n", capture_output=True, text=True,
                           timeout=BOUND_S, env=clean())  # fmt: skip
        self.assertEqual(p.returncode, 0, p.stderr)

    def test_a_worker_that_has_nothing_to_serve(self):
        for what, why in (("json", "has no task"), ("no_such_module", "No module named"), ("tasks:nothing", "nothing")):
            p = subprocess.run([sys.executable, "-m", "fanmap", "worker", what], capture_output=True, text=True,
                               env=clean({"FANMAP_BROKERS": "127.0.0.1:1"}), cwd=HERE, timeout=BOUND_S)  # fmt: skip
            self.assertEqual(p.returncode, 1)
            self.assertIn(why, p.stderr)
            self.assertEqual(len(p.stderr.strip().splitlines()), 1)

    def test_served_by_the_program(self):
        """The slots that a worker starts, under `fanmap map --local`, with every kind of task."""
        from fanmap._library import program_path

        served = "tasks:square tasks:predicts tasks:in_batches tasks:third_time tasks:add tasks:identity"

        def mapped(task, *items, options=()):
            p = subprocess.run([program_path(), "map", "--local", "-q", "--serve", f"{task}={sys.executable} -m fanmap slot {served}",
                                *options, task, ":::", *items], capture_output=True, text=True, timeout=BOUND_S, cwd=HERE,
                               env=clean())  # fmt: skip
            return p.stdout.splitlines()

        self.assertEqual(mapped("square", "3", "4"), ["9", "16"])
        self.assertEqual(mapped("add", "1", "2", ":::+", "10", "20"), ["11", "22"])
        self.assertEqual(mapped("add", "[3,4]"), ["7"])
        self.assertEqual(mapped("identity", "[3,4]"), ["[3,4]"])
        self.assertEqual(mapped("predicts", "1", options=["--slots", "1"]), ['["large",1]'])
        self.assertEqual(mapped("in_batches", "1", "2"), ["2", "3"])
        self.assertIn("seven", mapped("in_batches", "7")[0])
        self.assertIn('"attempts":3', mapped("third_time", "1", options=["--retries", "1", "--records"])[0].replace("2", "3"))

    def test_check_task_finds_nothing(self):
        from fanmap._library import program_path

        p = subprocess.run([program_path(), "check-task", "--", sys.executable, "-m", "fanmap", "slot", "tasks:identity"],
                           capture_output=True, text=True, timeout=BOUND_S, cwd=HERE, env=clean())  # fmt: skip
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)

    def test_the_pytest_fixture(self):
        try:
            import pytest  # noqa: F401
        except ImportError:
            self.skipTest("pytest is not installed")
        self.write("import fanmap, tasks\ndef test_it(fanmap_fleet):\n    assert list(fanmap.map(tasks.square, [3], fleet=fanmap_fleet)) == [9]\n",
                   "test_fixture.py")  # fmt: skip
        plugin = [] if "site-packages" in sys.modules["tasks"].__dict__.get("__file__", "") else ["-p", "fanmap.pytest_plugin"]
        from importlib.metadata import PackageNotFoundError, distribution

        try:
            distribution("fanmap")
            plugin = []
        except PackageNotFoundError:
            pass
        out = self.run_python("-m", "pytest", "-q", *plugin, "test_fixture.py")
        self.assertIn("1 passed", out)


if __name__ == "__main__":
    unittest.main()
