"""Maps over Kafka against the tuned raw librdkafka loop (bench/raw_loop.c), over the same span and as whole processes."""
import subprocess

from harness import LINES, NOOP, RAW_LOOP, Fleet, Result, numbers_file, span


NULL_LINE_BYTES = 5


def raw_seconds(fleet, items, size, *properties):
    out = subprocess.run([RAW_LOOP, fleet.kafka.brokers, str(items), str(size), "8", *properties], check=True,
                         capture_output=True, text=True).stdout
    return float(out.split()[0])


def compare(pairs, items, size, *, label, target, whole_target=None, map_args=(), worker_args=(), raw=(), redis=False):
    """Yields the row over the same span, and that of the whole `fanmap map` process, which also connects and leaves."""
    with Fleet() as fleet:
        path = numbers_file(fleet.folder, items, size)
        fleet.worker("raw", "--tasks", NOOP, "--partitions", "8", "--slots", "2", *worker_args)
        lines = ("--partitions", "8", *LINES, *map_args)
        fleet.warm("raw", "noop", *lines)
        fleet.heat(lambda: span(fleet.map("raw", "noop", *lines), path, fleet.env), lambda: raw_seconds(fleet, items, size, *raw))
        spans, wholes = [], []
        before = commands(fleet) if redis else 0
        for _ in range(pairs):
            ours, whole, out = span(fleet.map("raw", "noop", *lines), path, fleet.env)
            if out != NULL_LINE_BYTES * items:
                raise SystemExit(f"bench: {out} bytes came back, not {items} lines of null")
            theirs = raw_seconds(fleet, items, size, *raw)
            spans.append((ours, theirs))
            wholes.append((whole, theirs))
        notes = [f"{(commands(fleet) - before) // pairs} Redis commands a map"] if redis else []
        yield Result(f"{label}, the same span", spans, target=target, notes=notes)
        yield Result(f"{label}, whole process", wholes, target=whole_target)


def commands(fleet):
    import socket
    host, port = fleet.redis.url.removeprefix("redis://").split("/")[0].rsplit(":", 1)
    with socket.create_connection((host, int(port))) as s:
        s.sendall(b"INFO stats\r\n")
        text = s.recv(65536).decode()
    return int(text.split("total_commands_processed:")[1].split()[0])


def raw_100(pairs, items):
    """no-op C task, 100-byte items, 8 partitions, one worker / raw loop"""
    return compare(pairs, items, 100, label=f"{items:,} no-op items of 100 B / raw loop", target=1.2, whole_target=1.0)


def raw_limited(pairs, items):
    """the same under -j 64"""
    return compare(pairs, items, 100, label=f"{items:,} no-op items of 100 B, -j 64 / raw loop", target=None,
                   map_args=("-j", "64"), redis=True)


def raw_1k(pairs, items):
    """1 KiB items"""
    n = max(items // 4, 1)
    return compare(pairs, n, 1024, label=f"{n:,} no-op items of 1 KiB / raw loop", target=1.0)


def raw_1k_lz4(pairs, items):
    """1 KiB items that compress, lz4 on both sides"""
    n = max(items // 4, 1)
    lz4 = ("-X", "compression.type=lz4")
    return compare(pairs, n, 1024, label=f"{n:,} no-op items of 1 KiB, lz4 / raw loop without", target=1.4, map_args=lz4,
                   worker_args=lz4)


def raw_100k(pairs, items):
    """100 KiB items"""
    n = max(items // 250, 1)
    return compare(pairs, n, 100 * 1024, label=f"{n:,} no-op items of 100 KiB / raw loop", target=None)


def limit(pairs, items):
    """what a token costs: the same map with -j 64 and without"""
    with Fleet() as fleet:
        path = numbers_file(fleet.folder, items, 100)
        fleet.worker("limit", "--tasks", NOOP, "--partitions", "8", "--slots", "2")
        lines = ("--partitions", "8", *LINES)
        fleet.warm("limit", "noop", *lines)

        def pair():
            return tuple(span(fleet.map("limit", "noop", *lines, *more), path, fleet.env)[0] for more in (("-j", "64"), ()))

        fleet.heat(pair)
        got = [pair() for _ in range(pairs)]
        yield Result(f"{items:,} no-op items under -j 64 / without a limit", got, target=0.97)


def workers(pairs, items):
    """the same map with 2, 4 and 8 workers of one slot each / with one: what more workers cost where the processors are few"""
    n = max(items // 10, 1)
    seconds = {}
    for count in (1, 2, 4, 8):
        with Fleet() as fleet:
            path = numbers_file(fleet.folder, n, 100)
            for _ in range(count):
                fleet.worker("workers", "--tasks", NOOP, "--partitions", "8", "--slots", "1")
            lines = ("--partitions", "8", *LINES)
            fleet.warm("workers", "noop", *lines, workers=count)
            seconds[count] = [span(fleet.map("workers", "noop", *lines), path, fleet.env)[0] for _ in range(pairs)]
        if count > 1:
            yield Result(f"{n:,} no-op items, {count} workers / one", list(zip(seconds[count], seconds[1])))


ROWS = {"raw-100": raw_100, "raw-limited": raw_limited, "raw-1k": raw_1k, "raw-1k-lz4": raw_1k_lz4,
        "raw-100k": raw_100k, "limit": limit, "workers": workers}
