"""What a fleet does with uneven items, neighbours, freed places, and a slow first item."""
import heapq
import json
import os
import random
import socket
import subprocess
import tempfile
import time

from harness import BUILD, LINES, RECORDED, Fleet, Result, numbers_file, peak_mib, span

WORKERS, SLOTS = 8, 2
ALPHA, FROM_MS, CUT_MS = 0.9, 20, 6000


def pareto_ms(n, seed=1):
    """Durations whose few longest are most of the work."""
    r = random.Random(seed)
    return [min(int(FROM_MS * (1 - r.random()) ** (-1 / ALPHA)), CUT_MS) for _ in range(n)]


def list_scheduling_s(durations_ms, places, late=0, late_s=0):
    """The end of list scheduling: each item, in the order of the list, on the place that is free first; so many more join late."""
    free = [0] * places + [late_s * 1000] * late
    for d in durations_ms:
        heapq.heapreplace(free, free[0] + d)
    return max(free) / 1000


def uneven_seconds(fleet, namespace, durations, *args):
    items = b"".join(b"[%d,%d]\n" % (d, i) for i, d in enumerate(durations))
    began = time.monotonic()
    out = subprocess.run(fleet.map(namespace, "recorded_sleep", *args), input=items, check=True, capture_output=True,
                         env=fleet.env).stdout
    took = time.monotonic() - began
    if out != b"".join(b"%d\n" % i for i in range(len(durations))):
        raise SystemExit("bench: the list is not exact")
    return took


def uneven(pairs, _items):
    """400 and 60 items of Pareto(0.9) from 20 ms cut at 6 s, 8 workers x 2 slots / the bound of list scheduling"""
    with Fleet() as fleet:
        for _ in range(WORKERS):
            fleet.worker("uneven", "--tasks", RECORDED, "--slots", str(SLOTS))
        fleet.warm("uneven", "recorded_sleep", item=b"[0,0]\n", workers=WORKERS)
        for n, args, name in ((400, (), ""), (60, (), ""), (400, ("-j", "12"), " under -j 12")):
            durations = pareto_ms(n)
            bound = list_scheduling_s(durations, 12 if args else WORKERS * SLOTS)
            got = [(uneven_seconds(fleet, "uneven", durations, *args), bound) for _ in range(max(1, min(pairs, 3)))]
            yield Result(f"{n} uneven items over 8 workers{name} / list scheduling", got, target=0.91)


def said_s(path, words, began, until):
    """When each of `words` stood in the file, in seconds since `began`; None: it did not until `until()`."""
    at = [None] * len(words)
    while None in at and not until():
        with open(path, "rb") as f:
            text = f.read()
        at = [t if t is not None or word not in text else time.monotonic() - began for t, word in zip(at, words)]
        time.sleep(0.005)
    return at


def joined(durations, half_s):
    """(seconds of the map, when the late worker was ready, when it had partitions)"""
    with Fleet() as fleet, tempfile.TemporaryFile() as f:
        for _ in range(WORKERS - 1):
            fleet.worker("joining", "--tasks", RECORDED, "--slots", str(SLOTS))
        fleet.warm("joining", "recorded_sleep", item=b"[0,0]\n", workers=WORKERS - 1)
        f.write(b"".join(b"[%d,%d]\n" % (d, k) for k, d in enumerate(durations)))
        f.seek(0)
        began = time.monotonic()
        job = subprocess.Popen(fleet.map("joining", "recorded_sleep"), stdin=f, stdout=subprocess.DEVNULL, env=fleet.env)
        time.sleep(max(0, began + half_s - time.monotonic()))
        late = fleet.worker("joining", "--tasks", RECORDED, "--slots", str(SLOTS), "-v", "-X", "debug=cgrp", "-X", "log_level=7")
        ready_s, has_s = said_s(late.log, (b"info: ready", b"SyncGroup response: Success"), began, lambda: job.poll() is not None)
        if job.wait() != 0:
            raise SystemExit("bench: the map failed")
        return time.monotonic() - began, ready_s, has_s


def joining(pairs, _items):
    """400 uneven items, 7 workers, an eighth is started at half time / list scheduling with it, another draw each time"""
    from_start, from_ready, notes = [], [], []
    for seed in range(1, max(3, pairs) + 1):
        durations = pareto_ms(400, seed)
        half_s = list_scheduling_s(durations, WORKERS * SLOTS) / 2
        took_s, ready_s, has_s = joined(durations, half_s)

        def bound_s(late_s):
            return list_scheduling_s(durations, (WORKERS - 1) * SLOTS, SLOTS, late_s)
        from_start.append((took_s, bound_s(half_s)))
        from_ready.append((took_s, bound_s(ready_s if ready_s is not None else took_s)))
        if has_s is not None:
            notes.append(f"draw {seed}: ready {(ready_s - half_s) * 1000:.0f} ms after its start, partitions {(has_s - ready_s) * 1000:.0f} ms later")
    yield Result("400 uneven items, an eighth worker starts at half time / list scheduling", from_start, target=0.91)
    yield Result("the same / list scheduling with it from when it was ready", from_ready, target=0.91, notes=notes)


def neighbours(pairs, items):
    """10 items submitted behind 1,000,000 of another job, 5 ms each / the 10 alone"""
    with Fleet() as fleet:
        fleet.worker("neighbours", "--tasks", RECORDED, "--slots", "4")
        ten = b"".join(b"[5,%d]\n" % i for i in range(10))
        fleet.warm("neighbours", "recorded_sleep", item=b"[0,0]\n")
        big = numbers_file(fleet.folder, items)
        crowd = os.path.join(fleet.folder, "crowd")
        with open(big) as f, open(crowd, "w") as out:
            out.writelines(f"[5,{line.strip()}]\n" for line in f)

        def alone():
            began = time.monotonic()
            subprocess.run(fleet.map("neighbours", "recorded_sleep"), input=ten, check=True, stdout=subprocess.DEVNULL, env=fleet.env)
            return time.monotonic() - began

        theirs = [alone() for _ in range(pairs)]
        with open(crowd, "rb") as stdin:
            job = subprocess.run([*fleet.map("neighbours", "recorded_sleep", "--detach")], stdin=stdin, check=True,
                                 capture_output=True, text=True, env=fleet.env).stdout.strip()
        ours = [alone() for _ in range(pairs)]
        subprocess.run([fleet.map("x", "x")[0], "cancel", job, "--namespace", "neighbours"], check=True, env=fleet.env,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield Result("10 items behind 1,000,000 of another job / alone", list(zip(ours, theirs)), target=0.33)


def recorder(address):
    child = subprocess.Popen([os.path.join(BUILD, "tests", "recorder"), "-k", address], stdout=subprocess.PIPE,
                             stdin=subprocess.DEVNULL)
    child.stdout.readline()
    return child


def recorded_report(address):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(address)
        s.sendall(b"report\n")
        return next(iter(json.loads(s.makefile().readline())["jobs"].values()))


def refill(_pairs, _items):
    """how long a freed place of a limited job stands empty, on the same worker and on another / the item's 20 ms"""
    for workers in (1, 4):
        with Fleet() as fleet:
            address = os.path.join(fleet.folder, "recorder")
            child = recorder(address)
            fleet.env["RECORDER_AT"] = address
            for i in range(workers):
                fleet.worker("refill", "--tasks", RECORDED, "--slots", "8", env=dict(fleet.env, RECORDER_WHERE=f"w{i}"))
            fleet.warm("refill", "echo")
            items = b"".join(b"[20,%d]\n" % i for i in range(4000))
            subprocess.run(fleet.map("refill", "recorded_sleep", "-j", "7"), input=items, check=True,
                           stdout=subprocess.DEVNULL, env=fleet.env)
            job = recorded_report(address)
            child.terminate()
            child.wait()
            notes = [f"most at once {job['max']}"]
            notes += [f"{name}: p50 {job[key]['p50'] / 1000:.1f} ms, p99 {job[key]['p99'] / 1000:.1f} ms"
                      for name, key in (("same worker", "refill_same_us"), ("another worker", "refill_other_us")) if job[key]["n"]]
            yield Result(f"refill of a freed place, {workers} workers, p50 / 20 ms",
                         [(max(job["refill_same_us"]["p50"], 1) / 1e6, 0.02)], notes=notes)


def slow_first(_pairs, items):
    """ten times the items with item 0 asleep: time an item against a tenth of 1/10, and the peak memory of map and worker"""
    with Fleet() as fleet:
        worker = fleet.worker("slow", "--tasks", RECORDED, "--partitions", "8", "--slots", "2")
        lines = ("--partitions", "8", *LINES)
        fleet.warm("slow", "noop", *lines)
        small, large = numbers_file(fleet.folder, items // 10), numbers_file(fleet.folder, items * 10)
        short = span(fleet.map("slow", "noop", *lines), small, fleet.env)[0] / (items // 10)
        first = os.path.join(fleet.folder, "slow-first")
        with open(large, "rb") as f, open(first, "wb") as out:
            out.write(b"[20000,0]\n")
            f.readline()
            for line in f:
                out.write(b"[0,%s]\n" % line.strip())
        with open(first, "rb") as stdin:
            began = time.monotonic()
            job = subprocess.Popen(fleet.map("slow", "recorded_sleep", "--ahead", str(items * 20)), stdin=stdin,
                                   stdout=subprocess.DEVNULL, env=fleet.env)
            peak = 0.0
            while job.poll() is None:
                try:
                    peak = max(peak, peak_mib(job.pid))
                except (OSError, StopIteration):
                    break
                time.sleep(0.2)
            job.wait()
            took = time.monotonic() - began
        yield Result(f"{items * 10:,} items, item 0 asleep for 20 s, time an item / of {items // 10:,}",
                     [(took / (items * 10), short)], notes=[f"peak of the map {peak:.0f} MiB, of the worker {peak_mib(worker.pid):.0f} MiB"])


ROWS = {"uneven": uneven, "joining": joining, "neighbours": neighbours, "refill": refill, "slow-first": slow_first}
