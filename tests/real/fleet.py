"""What the real tests share: services, programs started and ended, the recorder, and waiting with bounds.

One Kafka serves the whole suite (namespaces keep tests apart); Redis is one for the suite and one of its own where a
test stops or wipes it. Everything started here is ended here, also when a test fails or the suite is interrupted, and
at the end of each test nothing that its programs started may be left: that is checked, in every test.
"""
import atexit
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from services import Kafka, Redis, Unavailable, die_with_parent, free_port, start_time, tail, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("FANMAP_BUILD") or os.path.join(ROOT, "build")
FANMAP = os.path.join(BUILD, "fanmap")
RECORDED = os.path.join(BUILD, "tests", "recorded.so")
NOT_TASKS = os.path.join(BUILD, "tests", "not_tasks.so")
RECORDER = os.path.join(BUILD, "tests", "recorder")
MARK = "FMTEST_OF"  # in the environment of everything a test starts

# How much longer than on a quiet machine of two processors things may take here.
PATIENCE = float(os.environ.get("FANMAP_TEST_PATIENCE", "1"))

_suite = {}
_numbers = itertools.count(1)


def suite_folder():
    if "folder" not in _suite:
        _suite["folder"] = tempfile.mkdtemp(prefix="fanmap-real.")
        atexit.register(end_suite)
    return _suite["folder"]


def end_suite():
    for name in ("kafka", "redis"):
        service = _suite.pop(name, None)
        if service is not None:
            service.kill()
    folder = _suite.pop("folder", None)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def kafka():
    """The suite's Kafka, started on first use."""
    if "unavailable" in _suite:
        raise Unavailable(_suite["unavailable"])
    if "kafka" not in _suite:
        service = Kafka(os.path.join(suite_folder(), "kafka"))
        try:
            service.start()
        except Unavailable as e:
            _suite["unavailable"] = str(e)
            raise
        _suite["kafka"] = service
    return _suite["kafka"]


def shared_redis():
    if "redis" not in _suite:
        _suite["redis"] = Redis(os.path.join(suite_folder(), "redis")).start()
    return _suite["redis"]


def seq(first, last):
    return b"".join(b"%d\n" % i for i in range(first, last + 1))


def squares(n):
    return b"".join(b"%d\n" % (i * i) for i in range(1, n + 1))


def first_difference(got, wanted):
    """Where two outputs part, in words; '' when they are the same. Never prints megabytes."""
    if got == wanted:
        return ""
    a, b = got.split(b"\n"), wanted.split(b"\n")
    for i, (x, y) in enumerate(zip(a, b)):
        if x != y:
            return f"line {i}: got {x[:200]!r}, wanted {y[:200]!r} ({len(a) - 1} lines, wanted {len(b) - 1})"
    return f"{len(a) - 1} lines, wanted {len(b) - 1}"


class Program:
    """A process of the test with its output in files."""

    def __init__(self, name, command, folder, env, stdin=None, stdout=None):
        self.name, self.command = name, command
        self.out_path = os.path.join(folder, name + ".out")
        self.err_path = os.path.join(folder, name + ".err")
        out = stdout if stdout is not None else open(self.out_path, "wb")
        source = subprocess.PIPE if stdin is PIPE else open(stdin, "rb") if isinstance(stdin, str) else stdin or subprocess.DEVNULL
        with open(self.err_path, "wb") as err:
            self.process = subprocess.Popen(command, stdin=source, stdout=out, stderr=err, env=env, cwd=folder,
                                            preexec_fn=die_with_parent)
        if out is not stdout:
            out.close()
        if isinstance(stdin, str):
            source.close()
        self.peak_kib = 0

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def signal(self, signo):
        self.process.send_signal(signo)

    def kill(self):
        if self.alive():
            self.process.kill()
        return self.process.wait(30)

    def wait(self, bound_s):
        """The exit status (negative: the signal). TimeoutError when it does not end in time."""
        try:
            return self.process.wait(bound_s * PATIENCE)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.name} did not end within {bound_s * PATIENCE:.0f} s") from None

    def out(self):
        with open(self.out_path, "rb") as f:
            return f.read()

    def err(self):
        with open(self.err_path, "rb") as f:
            return f.read().decode(errors="replace")

    def memory_peak_kib(self):
        """The most that was resident, as the kernel keeps it; sampled while it lives."""
        try:
            with open(f"/proc/{self.pid}/status") as f:
                found = re.search(r"VmHWM:\s+(\d+)", f.read())
            self.peak_kib = max(self.peak_kib, int(found.group(1)) if found else 0)
        except OSError:
            pass
        return self.peak_kib


PIPE = object()


class RecorderProcess:
    """tests/lib/recorder, and what it says."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "recorder.sock")
        self.process = subprocess.Popen([RECORDER, self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        preexec_fn=die_with_parent)
        line = self.process.stdout.readline().decode()
        if not line.startswith("ready "):
            raise RuntimeError("the recorder did not start")

    def ask(self, command):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(self.path)
            stream = s.makefile("rwb")
            stream.write(command.encode() + b"\n")
            stream.flush()
            return json.loads(stream.readline())

    def report(self):
        return self.ask("report")

    def started(self):
        return self.report()["starts"]

    def wait_started(self, n, bound_s):
        return wait_until(lambda: self.started() >= n, bound_s * PATIENCE, f"{n} attempts started", 0.05)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Case(unittest.TestCase):
    """A test with a folder, a namespace and programs of its own. `bound_s`: a test that takes longer fails."""

    bound_s = 120
    partitions = 8
    own_redis = False

    def setUp(self):
        number = next(_numbers)
        self.folder = tempfile.mkdtemp(prefix=f"t{number}.", dir=suite_folder())
        self.namespace = f"t{number}-{os.getpid()}"
        self.mark = f"{self.namespace}-{random.getrandbits(32):x}"
        self.programs = []
        self.names = {}
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.addCleanup(self.end_programs)
        self.redis = None
        self.kafka = None

    # ---- services ----

    def on_fleet(self, **redis_options):
        """Kafka and Redis are there; from here on programs are told where."""
        self.kafka = kafka()
        if self.own_redis or redis_options:
            self.redis = Redis(os.path.join(self.folder, "redis"), **redis_options).start()
            self.addCleanup(self.redis.kill)
        else:
            self.redis = shared_redis()

    def recorder(self):
        recorder = RecorderProcess(self.folder)
        self.addCleanup(recorder.end)
        self.recorder_path = recorder.path
        return recorder

    def environment(self, extra=None):
        env = {k: v for k, v in os.environ.items() if not k.startswith("FANMAP_")}
        env.update({MARK: self.mark, "HOME": self.folder, "NO_COLOR": "1", "LC_ALL": "C.UTF-8"})
        # What a sanitized build finds must fail the test that found it.
        env.setdefault("ASAN_OPTIONS", "abort_on_error=0:exitcode=99")
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        if self.kafka is not None:
            env["FANMAP_BROKERS"] = self.kafka.brokers
            env["FANMAP_REDIS"] = self.redis.url
            env["FANMAP_NAMESPACE"] = self.namespace
        if getattr(self, "recorder_path", None):
            env["RECORDER_AT"] = self.recorder_path
        env.update(extra or {})
        return {k: v for k, v in env.items() if v is not None}

    # ---- programs ----

    def start(self, *args, name=None, stdin=None, stdout=None, env=None):
        """`fanmap ARGS...` in the background. stdin: a path, PIPE, or nothing."""
        if not os.access(FANMAP, os.X_OK):
            self.fail("build/fanmap is not there: ./dev build")
        name = name or args[0]
        self.names[name] = self.names.get(name, 0) + 1
        unique = name if self.names[name] == 1 else f"{name}{self.names[name]}"
        program = Program(unique, [FANMAP, *map(str, args)], self.folder, self.environment(env), stdin, stdout)
        self.programs.append(program)
        return program

    def connect_args(self):
        return ["--partitions", str(self.partitions)]

    def worker(self, *args, tasks=RECORDED, slots=8, name="worker", session="10s", env=None):
        """A worker in the background; `name` is what the recorder calls it."""
        extra = {"RECORDER_WHERE": f"{name}{self.names.get(name, 0) + 1}", **(env or {})}
        tasks_args = ["--tasks", tasks] if tasks else []
        return self.start("worker", *tasks_args, "--slots", slots, "--session-timeout", session, *self.connect_args(),
                          *args, name=name, env=extra)

    def until_listed(self, *workers):
        """Redis knows all of the workers that were started, and with that what they serve and allow."""
        def rows():
            return {json.loads(line)["pid"] for line in self.run_fanmap("workers", "--json").out().splitlines()}
        wait_until(lambda: {w.pid for w in workers} <= rows(), 60 * PATIENCE, "the workers are listed", 0.05)

    def ready_worker(self, *args, **kwargs):
        """One that is known to serve its tasks: no map beside it says that nobody does."""
        worker = self.worker(*args, **kwargs)
        wait_until(lambda: " ready" in worker.err(), 60 * PATIENCE, "a worker")
        return worker

    def input_file(self, data, name="input"):
        path = os.path.join(self.folder, f"{name}.{next(_numbers)}")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        return path

    def start_map(self, task, *args, data=None, stdin=None, command="map", name=None, env=None):
        """`fanmap map TASK` on the fleet in the background, over `data`."""
        source = self.input_file(data) if data is not None else stdin
        return self.start(command, task, *self.connect_args(), *args, stdin=source, name=name or command, env=env)

    def run_map(self, task, *args, data=None, bound_s=60, exit_status=0, env=None):
        """The same to its end, with the exit status checked."""
        program = self.start_map(task, *args, data=data, env=env)
        return self.finish(program, bound_s, exit_status)

    def run_fanmap(self, *args, data=None, bound_s=30, exit_status=0, env=None, stdout=None):
        program = self.start(*args, stdin=self.input_file(data) if data is not None else None, env=env, stdout=stdout)
        return self.finish(program, bound_s, exit_status)

    def finish(self, program, bound_s, exit_status=0):
        status = program.wait(bound_s)
        self.assertEqual(status, exit_status, f"exit status of {program.name}; it said: {program.err()[-1500:]}")
        return program

    # ---- what is checked often ----

    def assert_same(self, got, wanted, what="output"):
        difference = first_difference(got, wanted)
        if difference:
            self.fail(f"{what} differs: {difference}")

    def assert_one_line(self, program, *words):
        """One clear line on stderr: no chatter of a library, no usage page, and with these words in it."""
        text = program.err()
        lines = [line for line in text.split("\n") if line.strip() and "Z info: " not in line]  # a worker's first words
        self.assertEqual(len(lines), 1, f"not one line: {text[-1500:]!r}")
        for word in words:
            self.assertIn(word.lower(), text.lower())
        for chatter in ("rdkafka", "%3|", "%4|", "Traceback", "assert"):
            self.assertNotIn(chatter, text)

    # ---- the end ----

    def describe(self):
        """What the runner prints when this test fails."""
        parts = []
        for p in self.programs[-12:]:
            status = p.process.poll()
            parts.append(f"--- {p.name} (pid {p.pid}, {'running' if status is None else f'status {status}'}): "
                         f"{' '.join(p.command[1:])[:300]}\n{tail(p.err_path, 2000)}")
        for service in (self.kafka, self.redis):
            if service is not None:
                parts.append(f"--- {service.name}\n{tail(service.log, 800)}")
        return "\n".join(parts)

    def left_over(self):
        """Processes that this test's programs started and that still run."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            try:
                with open(f"/proc/{entry}/environ", "rb") as f:
                    ours = f"{MARK}={self.mark}".encode() in f.read().split(b"\0")
                if ours and start_time(int(entry)) is not None:
                    with open(f"/proc/{entry}/cmdline", "rb") as f:
                        found.append((int(entry), f.read().replace(b"\0", b" ").decode(errors="replace").strip()))
            except OSError:
                continue
        return found

    def end_programs(self):
        for p in self.programs:
            p.signal(signal.SIGCONT)
            p.kill()
            if p.process.stdin is not None:
                p.process.stdin.close()
        try:
            wait_until(lambda: not self.left_over(), 30 * PATIENCE)
        except TimeoutError:
            left = self.left_over()
            for pid, _ in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            self.fail(f"still running 30 s after every program was killed: {left}")


class Proxy:
    """tests/real/proxy.py between a program and a service: slow, cut or half open on demand."""

    def __init__(self, to_port, listen_port=None):
        self.port = listen_port or free_port()
        here = os.path.dirname(os.path.abspath(__file__))
        self.process = subprocess.Popen([sys.executable, os.path.join(here, "proxy.py"), str(self.port), str(to_port)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        self._answer()

    def _answer(self):
        line = self.process.stdout.readline().decode().strip()
        if line != "ok":
            raise RuntimeError(f"proxy: {line!r}")

    def say(self, *words):
        """`delay MS`, `cut`, `hold`, `open`: see proxy.py."""
        self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.process.stdin.flush()
        self._answer()

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


__all__ = [name for name in dir() if not name.startswith("_")]
