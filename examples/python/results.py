#!/usr/bin/env python3
"""A consumer of a stream's outcomes that keeps its place itself: what it did and how far it came are one file, one transaction.

    python3 examples/python/results.py STREAM FILE

Counts what went well and what failed. FILE holds the counts, and of each partition the offset of the source behind the last outcome in
it; it is replaced as a whole, so however this ends, the next run goes on exactly there. Whoever keeps what came of it in a database puts
the offsets into the same transaction. For streams in the order of their partitions (--order partition, the default): in another order
one number a partition does not say what was seen, and `fanmap gather --position-file` does. Ends when the stream is cancelled.
"""
import json
import os
import subprocess
import sys


def keep(path, state):
    with open(path + ".new", "w") as f:
        json.dump(state, f)
    os.replace(path + ".new", path)


def main():
    stream, path = sys.argv[1:]
    state = {"done": 0, "failed": 0, "place": {}}
    if os.path.exists(path):
        with open(path) as f:
            state = json.load(f)
    place = ["--from", ",".join(f"{partition}:{offset}" for partition, offset in state["place"].items())] if state["place"] else []
    command = [os.environ.get("FANMAP", "fanmap"), "gather", stream, "--follow", "--records", *place]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as gather:
        for line in gather.stdout:
            outcome = json.loads(line)
            state["failed" if "error" in outcome else "done"] += 1
            state["place"][str(outcome["partition"])] = outcome["offset"] + 1
            keep(path, state)
    return gather.returncode


sys.exit(main())
