#!/usr/bin/env python3
"""Some tasks on numbers. fanmap worker --serve square='python3 numbers_task.py' --serve root='python3 numbers_task.py'

One program per slot serves both: the command line is the same.
"""
import math
import sys
import time

import fanmap_task


@fanmap_task.task
def square(x):
    if isinstance(x, bool) or not isinstance(x, int):
        raise fanmap_task.Final("want an integer")
    return x * x


@fanmap_task.task
def root(x):
    print("looking for the root of", x)  # goes to the worker's log and breaks nothing
    return math.sqrt(x)


@fanmap_task.task
def mul(a, b, *, scale=1):
    """fanmap map mul --bind scale=10 ::: 1 2 3 :::+ 4 5 6"""
    return a * b * scale


@fanmap_task.task
def echo(x):
    return x


@fanmap_task.task
def flaky(x):
    """Fails on every attempt but the third."""
    if fanmap_task.attempt.attempt < 3:
        raise RuntimeError(f"attempt {fanmap_task.attempt.attempt}")
    return [x, fanmap_task.attempt.attempt]


@fanmap_task.task
def nap(ms):
    """Ends early and well when it is told to."""
    try:
        time.sleep(ms / 1000)
    except fanmap_task.Cancelled:
        print("woken up", file=sys.stderr)
        raise
    return ms


if __name__ == "__main__":
    fanmap_task.serve(encoding=sys.argv[1] if len(sys.argv) > 1 else "json")
