"""Progress in plain lines, where tqdm is not installed."""

from __future__ import annotations

import sys
import time
from typing import Optional


class Lines:
    """A line every ten seconds, and one at the end."""

    EVERY_S = 10.0

    def __init__(self, label: str, total: Optional[int]) -> None:
        self.label, self.total = label, total
        self.done = 0
        self.began = self.said = time.monotonic()

    def update(self, n: int) -> None:
        self.done += n
        if time.monotonic() - self.said >= self.EVERY_S:
            self.say()

    def say(self) -> None:
        self.said = time.monotonic()
        rate = self.done / max(self.said - self.began, 1e-9)
        of = f"/{self.total}" if self.total is not None else ""
        print(f"{self.label}: {self.done}{of}, {rate:.0f}/s", file=sys.stderr, flush=True)

    def close(self) -> None:
        self.say()
