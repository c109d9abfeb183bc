"""How long to wait before trying again."""

from __future__ import annotations

from collections.abc import Iterator


def exponential(first_s: float, limit_s: float, factor: float = 2.0) -> Iterator[float]:
    """Yield waits in seconds that grow by `factor` up to `limit_s`, for ever."""
    wait_s = first_s
    while True:
        yield wait_s
        wait_s = min(wait_s * factor, limit_s)
