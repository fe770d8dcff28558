#!/usr/bin/env python3
"""1,000 combinations of hyperparameters, with progress and the best so far while it runs.

    python3 hyperparameters.py                       on this machine
    FANMAP_BROKERS=... FANMAP_REDIS=... python3 ...  on a fleet whose workers serve this module
"""

import itertools
import math

import fanmap


@fanmap.task(timeout=60, retries=1)
def train(rate: float, depth: int, seed: int) -> float:
    """Stands for a training: the loss of these."""
    return abs(math.log10(rate) + 2.3) + abs(depth - 6) / 10 + math.sin(seed) / 100


def main() -> None:
    grid = list(itertools.product([10 ** (-e / 2) for e in range(10)], range(1, 11), range(10)))
    best = None
    for outcome in fanmap.as_completed(train, grid, progress=True):
        if outcome.error is None and (best is None or outcome.value < best[0]):
            best = (outcome.value, grid[outcome.index])
            print(f"so far: loss {best[0]:.4f} at rate {best[1][0]:.4g}, depth {best[1][1]}, seed {best[1][2]}", flush=True)
    print(f"best of {len(grid)}: loss {best[0]:.4f} at rate {best[1][0]:.4g}, depth {best[1][1]}, seed {best[1][2]}")


if __name__ == "__main__":
    main()
