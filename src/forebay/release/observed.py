"""What the service has seen of its own calls, read from the end of the workers' access logs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

_TAIL_BYTES = 1024 * 1024
_FEWEST = 20


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the access log, as far as a replay needs it. Never content: the log holds none."""

    timestamp: str
    model: str
    tokens: dict[str, int]
    latency_ms: float
    endpoint: str
    status: int
    tenant: str = ""
    key_id: str = ""
    engine: str = ""
    queue_ms: float = 0.0
    ttft_ms: float = 0.0
    request_id: str = ""
    code: str = ""


def calls(lines: Iterator[bytes]) -> Iterator[Call]:
    """The calls among log lines; other lines, and ones that were cut, are passed over."""
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=Call)
        except msgspec.DecodeError:
            continue


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
