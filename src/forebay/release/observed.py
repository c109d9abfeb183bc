"""What the service has seen of its own calls, read from the end of the workers' access logs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from forebay.observe.access_lines import calls

_TAIL_BYTES = 1024 * 1024
_FEWEST = 20


def call_p99_s(logs: Path) -> float | None:
    """How long 99 of 100 calls took lately; None where there were too few to say."""
    latencies = sorted(
        call.latency_ms for path in logs.glob("worker-*.log") for call in calls(_tail(path)) if call.model
    )
    if len(latencies) < _FEWEST:
        return None
    return latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))] / 1000


def _tail(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        if size > _TAIL_BYTES:
            file.readline()
        yield from file
