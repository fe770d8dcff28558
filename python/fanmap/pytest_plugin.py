"""A fixture for tests: `fanmap_fleet`, an embedded fleet of two slots, closed after the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ._fleet import Fleet


@pytest.fixture
def fanmap_fleet() -> Iterator[Fleet]:
    """Maps of a test run here: `fanmap.map(f, xs, fleet=fanmap_fleet)`. Whatever the environment says, it is this machine."""
    with Fleet(local=True, slots=2) as fleet:
        yield fleet
