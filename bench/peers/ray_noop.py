"""Ray: one remote call an item on two processors, results by one ray.get."""
import sys
import time

import ray


@ray.remote
def square(x):
    return x * x


def main(count):
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    ray.get([square.remote(i) for i in range(100)])
    began = time.monotonic()
    got = ray.get([square.remote(i) for i in range(count)])
    took = time.monotonic() - began
    ray.shutdown()
    assert got == [i * i for i in range(count)]
    print(took)


if __name__ == "__main__":
    main(int(sys.argv[1]))
