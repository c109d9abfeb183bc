"""Waits for what other tasks of a test do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_DEADLINE_S = 60.0


async def until(claim: str, true: Callable[[], bool]) -> None:
    """Return once it is true; fail with the claim where it does not become so."""
    end = time.monotonic() + _DEADLINE_S
    while not true():
        assert time.monotonic() < end, claim
        await asyncio.sleep(0.01)
