"""Streams: throughput against a raw loop with the same transactions, slots kept busy, and a record's time through one."""
import itertools
import subprocess
import time

from harness import FANMAP, RAW_STREAM, TASKS, Fleet, Result

LANES, EVERY_MS = 4, 100


class Rig:
    """Two topics, and what goes between them: a stream, or the raw loop."""

    def __init__(self, fleet, name, task=None, *args, slots=2):
        self.fleet, self.topics = fleet, (f"{name}-from", f"{name}-to")
        subprocess.run([RAW_STREAM, "topics", fleet.kafka.brokers, *self.topics, str(LANES)], check=True)
        if task:
            fleet.worker(name, "--tasks", TASKS.format(task), "--slots", str(slots))
            command = [FANMAP, "stream", task, "--namespace", name, "--from", self.topics[0], "--to", self.topics[1],
                       "--commit-every", f"{EVERY_MS}ms", *args]
        else:
            command = [RAW_STREAM, "loop", fleet.kafka.brokers, *self.topics, str(EVERY_MS), *args]
        self.process = subprocess.Popen(command, env=fleet.env, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.feed(1000, 0 if task == "sleep" else 100)  # it is there
        time.sleep(1)

    def feed(self, records, size, rate=0):
        """(seconds, p50 ms, p99 ms)"""
        command = [RAW_STREAM, "feed", self.fleet.kafka.brokers, *self.topics, str(LANES), str(records), str(size), str(rate)]
        return tuple(float(x) for x in subprocess.run(command, check=True, capture_output=True, text=True, env=self.fleet.env).stdout.split())

    def end(self):
        self.process.kill()
        self.process.wait()
        self.fleet.end_workers()


def throughput(pairs, items):
    """a stream of no-op tasks, 100-byte records, 4 partitions, transactions of 100 ms / raw loops consume -> produce with the same: one whose records have a stream's five headers, and one without"""
    binary = ("--from-format", "binary", "--to-format", "binary")
    for order in ("partition", "none"):
        with Fleet() as fleet:
            names = map(str, itertools.count())

            def fed(*args):
                rig = Rig(fleet, f"rig{next(names)}", *args)
                seconds = rig.feed(items, 100)[0]
                rig.end()
                return seconds

            def turn():
                return fed("echo", "--order", order, *binary), fed(None, "echo"), fed()

            fleet.heat(turn)
            got = [turn() for _ in range(pairs)]
            yield Result(f"{items:,} records of 100 B, a stream with --order {order} / raw transactional loop, same records",
                         [(ours, same) for ours, same, _ in got], target=0.6)
            yield Result(f"{items:,} records of 100 B, a stream with --order {order} / raw transactional loop, no headers",
                         [(ours, bare) for ours, _, bare in got], target=0.6)


def slots_busy(pairs, _items):
    """tasks of 1 ms on 4 partitions / slots x 1 ms; and a record's way at half that load, also through the raw loop"""
    slots, seconds = 8, 10
    n = slots * 1000 * seconds
    with Fleet() as fleet:
        rig = Rig(fleet, "busy", "sleep", slots=slots)

        def half_of(rig, size):
            return rig.feed(n // 2, size, slots * 500)

        fleet.heat(lambda: rig.feed(n, 0), lambda: half_of(rig, 0))
        got = [(rig.feed(n, 0)[0], seconds) for _ in range(pairs)]
        yield Result(f"{n:,} tasks of 1 ms, {slots} slots, 4 partitions / slots over 1 ms", got, target=0.95)
        half = [half_of(rig, 0) for _ in range(pairs)]
        rig.end()
        raw = Rig(fleet, "raw", None, "sleep")
        half_raw = [half_of(raw, 100) for _ in range(pairs)]
        raw.end()
        notes = [f"p50 {p50:.1f} ms, p99 {p99:.1f} ms; raw loop {raw50:.1f}, {raw99:.1f}"
                 for (_, p50, p99), (_, raw50, raw99) in zip(half, half_raw)]
        yield Result(f"record to record at half load, p99 / {EVERY_MS + 25} ms", [(p99 / 1000, (EVERY_MS + 25) / 1000) for _, _, p99 in half],
                     target=1.0, notes=notes)
        yield Result("the same / raw transactional loop", [(ours / 1000, raw / 1000) for (_, _, ours), (_, _, raw) in zip(half, half_raw)])


ROWS = {"stream-throughput": throughput, "stream-busy": slots_busy}
