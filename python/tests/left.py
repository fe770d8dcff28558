"""What a map could leave behind in this process: descriptors, children, memory."""

import ctypes
import gc
import os
import tempfile
import time

import tasks

import fanmap

SLACK = 512 << 10  # bytes: what is swept only now and then


def descriptors():
    gc.collect()  # of what earlier tests dropped in circles
    return len(os.listdir("/proc/self/fd"))


def children():
    with open(f"/proc/self/task/{os.getpid()}/children") as f:
        return len(f.read().split())


class _Counts(ctypes.Structure):
    """Of mallinfo2(3)."""

    _fields_ = [(f"unused{i}", ctypes.c_size_t) for i in range(10)]
    _fields_[4], _fields_[7] = ("hblkhd", ctypes.c_size_t), ("uordblks", ctypes.c_size_t)


def memory():
    """Bytes that are allocated: as AddressSanitizer counts them (./sanitized), the interpreter's too; else as malloc does."""
    gc.collect()
    c = ctypes.CDLL(None)
    count = getattr(c, "__sanitizer_get_current_allocated_bytes", None)
    if count is not None:
        count.restype = ctypes.c_size_t
        return int(count())
    c.mallinfo2.restype = _Counts
    counts = c.mallinfo2()
    return int(counts.uordblks + counts.hblkhd)


def use_slots(fleet, n):
    """All of them are there: as many attempts have met. One that an earlier test killed may just be started anew."""
    with tempfile.TemporaryDirectory() as folder:
        got = list(fanmap.map(tasks.met, range(n), bind={"folder": folder, "wanted": n}, fleet=fleet))
    assert max(most for _, most in got) == n, got


def wait_until(what, seconds=20.0):
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            raise AssertionError("it does not come to be")
        time.sleep(0.01)
