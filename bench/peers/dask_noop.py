"""Dask: client.map over a local cluster of two processes with one thread each."""
import sys
import time

from distributed import Client, LocalCluster


def square(x):
    return x * x


def main(count):
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster, Client(cluster) as client:
        client.submit(square, 1).result()
        began = time.monotonic()
        got = client.gather(client.map(square, range(count)))
        took = time.monotonic() - began
    assert got == [i * i for i in range(count)]
    print(took)


if __name__ == "__main__":
    main(int(sys.argv[1]))
