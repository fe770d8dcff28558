"""Celery: a group of no-op tasks, two prefork workers, prefetch as its guide advises for short tasks. Prints the seconds of the
same in its chunks of 100, then those of the group."""
import os
import subprocess
import sys
import time

from celery import Celery, group

URL = os.environ["BENCH_REDIS"]
app = Celery("celery_noop", broker=URL, backend=URL)
app.conf.update(worker_prefetch_multiplier=100, task_acks_late=False, broker_connection_retry_on_startup=True)


@app.task(name="square")
def square(x):
    return x * x


def main(count):
    env = dict(os.environ, PYTHONPATH=os.path.dirname(os.path.abspath(__file__)))
    worker = subprocess.Popen([sys.executable, "-m", "celery", "-A", "celery_noop", "worker", "-c", "2", "--loglevel=ERROR",
                               "--without-gossip", "--without-mingle", "--without-heartbeat"], env=env,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        square.delay(1).get(timeout=60)
        began = time.monotonic()
        got = group(square.s(i) for i in range(count))().get(timeout=600)
        plain = time.monotonic() - began
        began = time.monotonic()
        chunked = square.chunks(((i,) for i in range(count)), 100)().get(timeout=600)
        in_chunks = time.monotonic() - began
        assert got == [i * i for i in range(count)] == [x for chunk in chunked for x in chunk]
        print(in_chunks, plain)
    finally:
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]))
