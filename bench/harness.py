"""What the rows of bench/run share: services of the run's own, timing of whole processes and of spans, pairs, results.

A row compares fanmap with a peer or a raw limit in the same run, in alternating pairs, and gives a Result. Its ratio is
peer time / fanmap time, so above 1 means that fanmap is faster; a row may turn it round and say so in its name.
"""
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "real"))
from services import Kafka, Redis  # noqa: E402

BUILD = os.environ.get("FANMAP_BUILD") or os.path.join(ROOT, "build")
FANMAP = os.path.join(BUILD, "fanmap")
RECORDED = os.path.join(BUILD, "tests", "recorded.so")
TASKS = os.path.join(BUILD, "bench", "{}.so")  # each of one task, so that a worker reads one topic of items
NOOP = TASKS.format("noop")
RAW_STREAM = os.path.join(BUILD, "bench", "raw_stream")
RAW_LOOP = os.path.join(BUILD, "bench", "raw_loop")
HEAVY = os.path.join(BUILD, "bench", "heavy")
LATENCY = os.path.join(BUILD, "bench", "latency")
LINES = ("--input-format", "lines", "--output-format", "lines")
LOCAL = [FANMAP, "map", "--local", "-q", "--slots", "2"]
LOOK_S = 0.002  # between two looks at where a file stands
HEAT_ROUNDS, COLD_SHARE = 8, 0.04  # Fleet.heat: at most so many rounds; compiled for more than this part of a round: cold


class Result:
    """One row of the table: pairs of (fanmap, peer) figures, the bound that is aimed at, and what else was seen."""

    def __init__(self, row, pairs, unit="s", target=None, notes=()):
        self.row, self.pairs, self.unit, self.target, self.notes = row, pairs, unit, target, list(notes)

    def ratios(self):
        return [theirs / ours for ours, theirs in self.pairs if ours > 0]

    def median(self):
        return statistics.median(self.ratios())

    def as_json(self):
        return {"row": self.row, "unit": self.unit, "target": self.target, "ratio": round(self.median(), 3),
                "ratios": [round(r, 3) for r in self.ratios()], "pairs": self.pairs, "notes": self.notes}

    def line(self):
        r = self.ratios()
        ours, theirs = (statistics.median(p[i] for p in self.pairs) for i in (0, 1))
        target = f"{self.target:>6.2f}" if self.target else "     -"
        return (f"{self.row:<62} {self.median():>6.2f} {min(r):>6.2f} {max(r):>6.2f} {target}  "
                f"{ours:.4g} / {theirs:.4g} {self.unit}")


HEADER = f"{'row':<62} {'ratio':>6} {'worst':>6} {'best':>6} {'target':>6}  fanmap / peer (medians)"


def timed(command, stdin=subprocess.DEVNULL, env=None):
    """Wall seconds of the whole process."""
    began = time.monotonic()
    subprocess.run(command, stdin=stdin, stdout=subprocess.DEVNULL, check=True, env=env)
    return time.monotonic() - began


def span(command, path, env=None):
    """(seconds from the first byte of `path` read to the last byte written, whole seconds of the process, bytes out).
    Both files are shared with the process, so where they stand is seen from here and costs it nothing."""
    with open(path, "rb") as stdin, tempfile.TemporaryFile(dir="/dev/shm") as out:
        began = time.monotonic()
        child = subprocess.Popen(command, stdin=stdin, stdout=out, env=env)
        first = last = None
        position = 0
        while True:
            ended = child.poll() is not None
            now = time.monotonic()
            if first is None and os.lseek(stdin.fileno(), 0, os.SEEK_CUR) > 0:
                first = now
            at = os.fstat(out.fileno()).st_size
            if at > position:
                position, last = at, now
            if ended:
                break
            time.sleep(LOOK_S)
        if child.returncode != 0 or first is None or last is None:
            raise SystemExit(f"bench: {' '.join(command[:4])} ended with {child.returncode}")
        return last - first, time.monotonic() - began, position


def numbers_file(folder, n, width=0):
    """A file of the numbers 1..n, one a line, each as wide as `width` bytes with its newline."""
    path = os.path.join(folder, f"numbers-{n}-{width}")
    if not os.path.exists(path):
        with open(path, "wb") as f:
            for start in range(1, n + 1, 100000):
                f.write(b"".join(b"%0*d\n" % (max(width - 1, 1), i) for i in range(start, min(n, start + 99999) + 1)))
    return path


def named_stat(folder):
    """(name, the fields behind it) of the process or thread whose folder in /proc it is."""
    with open(os.path.join(folder, "stat")) as f:
        name, fields = f.read().split("(", 1)[1].rsplit(")", 1)
    return name, fields.split()


def ticks_s(fields):
    return sum(int(x) for x in fields) / os.sysconf("SC_CLK_TCK")


def cpu_s(pid):
    """Processor seconds of a process so far, its ended children included."""
    return ticks_s(named_stat(f"/proc/{pid}")[1][11:15])


def compiled_s(pid):
    """Processor seconds of a Java process' compiler threads so far."""
    seconds = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            name, fields = named_stat(f"/proc/{pid}/task/{task}")
        except OSError:
            continue  # the thread has ended
        if name.startswith(("C1 Comp", "C2 Comp")):
            seconds += ticks_s(fields[11:13])
    return seconds


def peak_mib(pid):
    """Peak resident memory of a living process."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024


class Fleet:
    """Kafka and Redis of this run, and the workers started on them. Ends with its `with` block."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="fanmap-bench.")
        self.kafka = Kafka(os.path.join(self.folder, "kafka"), fast_start=False)
        self.redis = Redis(os.path.join(self.folder, "redis"))
        self.workers = []

    def __enter__(self):
        self.kafka.start()
        self.redis.start()
        self.env = dict(os.environ, FANMAP_BROKERS=self.kafka.brokers, FANMAP_REDIS=self.redis.url)
        return self

    def __exit__(self, *_):
        self.end_workers()
        self.kafka.stop()
        self.redis.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def worker(self, namespace, *args, env=None):
        log = open(os.path.join(self.folder, f"worker-{namespace}-{len(self.workers)}.log"), "wb")
        command = [FANMAP, "worker", "--namespace", namespace, *args]
        worker = subprocess.Popen(command, env=env or self.env, stdin=subprocess.DEVNULL, stderr=log)
        worker.log = log.name
        self.workers.append(worker)
        return worker

    def python_worker(self, module, env, slots=2):
        """Of the package in python/, serving the tasks of a module that `env` leads to."""
        log = open(os.path.join(self.folder, f"worker-{module}.log"), "wb")
        command = [sys.executable, "-m", "fanmap", "worker", module, "--slots", str(slots)]
        self.workers.append(subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def end_workers(self):
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            worker.wait(60)
        self.workers = []

    def map(self, namespace, task, *args):
        return [FANMAP, "map", task, "--namespace", namespace, "-q", *args]

    def warm(self, namespace, task, *args, item=b"1\n", n=64, workers=0):
        """A small map: topics exist and a worker has joined. With `workers`: until each of so many has partitions, and once more."""
        command = self.map(namespace, task, *args)
        subprocess.run(command, input=item * n, check=True, stdout=subprocess.DEVNULL, env=self.env)
        while workers > 0 and sum(w["partitions"] > 0 for w in self.workers_seen(namespace)) < workers:
            time.sleep(0.5)
        if workers > 0:
            subprocess.run(command, input=item * n, check=True, stdout=subprocess.DEVNULL, env=self.env)

    def heat(self, *works):
        """Runs all of `works` again and again, uncounted, until the broker has compiled what they need: one that was
        just started takes a whole processor for that, which one that runs for days does not. A broker that was heated
        for one kind of work is not for another."""
        for _ in range(HEAT_ROUNDS):
            compiled, began = compiled_s(self.kafka.process.pid), time.monotonic()
            for work in works:
                work()
            if compiled_s(self.kafka.process.pid) - compiled < COLD_SHARE * (time.monotonic() - began):
                return

    def workers_seen(self, namespace):
        out = subprocess.run([FANMAP, "workers", "--namespace", namespace, "--json"], check=True, capture_output=True, env=self.env).stdout
        return [json.loads(line) for line in out.splitlines()]


def pairs_of(n, ours, theirs):
    """n alternating measurements of two functions that give figures."""
    return [(ours(), theirs()) for _ in range(n)]
