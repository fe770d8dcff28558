#!/usr/bin/env python3
"""Instructions an item of the per-item path, as callgrind counts them, held against bench/instructions.tsv.

  bench/instructions.py            fails when a part takes more than 5 % more than the table says
  bench/instructions.py --record   writes the table anew: say in the commit why

Counted are the producer's core, the worker's core, the ring of a slot and the list with its order, in the release build
without anything of the outside world (bench/instructions.c). Two lengths are run and their difference is what counts.
"""
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.join(os.environ.get("FANMAP_BUILD") or os.path.join(ROOT, "build"), "bench", "instructions")
TABLE = os.path.join(ROOT, "bench", "instructions.tsv")
PARTS = ("producer", "worker", "slot", "list")
SHORT, LONG = 4096, 12288
WORSE = 1.05


def collected(part, n):
    out = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", PROGRAM, part, str(n)],
                         capture_output=True, text=True, check=True).stderr
    return int(re.search(r"Collected : (\d+)", out).group(1))


def main():
    if shutil.which("valgrind") is None:
        print("ok 1 - instructions # SKIP there is no valgrind")
        return 0
    subprocess.run([os.path.join(ROOT, "dev"), "-build", "release", "bench/instructions"], check=True)
    counts = {part: round((collected(part, LONG) - collected(part, SHORT)) / (LONG - SHORT)) for part in PARTS}
    if sys.argv[1:] == ["--record"]:
        with open(TABLE, "w") as f:
            f.write("".join(f"{part}\t{n}\n" for part, n in counts.items()))
        return 0
    with open(TABLE) as f:
        known = {part: int(n) for part, n in (line.split("\t") for line in f)}
    failed = 0
    for i, part in enumerate(PARTS, 1):
        bad = counts[part] > known.get(part, 0) * WORSE
        failed |= bad
        print(f"{'not ok' if bad else 'ok'} {i} - {part}: {counts[part]} instructions an item, the table says {known.get(part)}")
    if failed:
        print("More than 5 % worse. Make it cheaper; or record it with bench/instructions.py --record, and say in the commit what it buys.")
    return failed


if __name__ == "__main__":
    sys.exit(main())
