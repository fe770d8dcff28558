"""One item there and back, and whole small maps, on a warm connection."""
import subprocess

from harness import LATENCY, NOOP, Fleet, Result


def percentiles(mode, *args, env):
    """(p50, p99, max) in microseconds."""
    env = dict(env, FANMAP_NAMESPACE="small")
    out = subprocess.run([LATENCY, mode, *map(str, args)], check=True, capture_output=True, text=True, env=env).stdout
    return tuple(float(x) for x in out.split()[:3])


def small(pairs, _items):
    """one item in an open map, and a whole map of one item, on a warm connection / one record there and back, raw"""
    with Fleet() as fleet:
        fleet.worker("small", "--tasks", NOOP, "--slots", "2")
        fleet.warm("small", "noop")

        def pair():
            return (percentiles("items", 1000, env=fleet.env), percentiles("raw", 1000, env=fleet.env),
                    percentiles("maps", 200, env=fleet.env))

        fleet.heat(pair)
        items, raws, maps = zip(*(pair() for _ in range(pairs)))
        for name, at, got, target in (("one item in an open map, p50", 0, items, 1.0), ("one item in an open map, p99", 1, items, 0.67),
                                      ("a whole map of one item, warm, p50", 0, maps, 0.33), ("a whole map of one item, warm, p99", 1, maps, None)):
            yield Result(f"{name} / raw one item", [(o[at] / 1e6, r[at] / 1e6) for o, r in zip(got, raws)], target=target)


def many(pairs, _items):
    """1,000 maps of ten items, 50 at a time, from one program / the same one after the other"""
    with Fleet() as fleet:
        fleet.worker("small", "--tasks", NOOP, "--slots", "2")
        fleet.warm("small", "noop")
        got = [(percentiles("many", 1000, 10, 50, env=fleet.env)[0] / 50 / 1e6,
                percentiles("many", 1000, 10, 1, env=fleet.env)[0] / 1e6) for _ in range(max(1, pairs // 2))]
        yield Result("1,000 maps of ten items, time a map: 50 at once / one at a time", got)


ROWS = {"small-maps": small, "many-maps": many}
