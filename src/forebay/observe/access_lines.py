"""Reads back what the access log tells of calls. The log holds no content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

_REQUEST = "request"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the access log, as far as others than people ask for it; see `observe.log.AccessLine`."""

    timestamp: str
    message: str = _REQUEST
    model: str
    tokens: dict[str, int]
    latency_ms: float
    endpoint: str
    status: int
    client_ip: str = ""
    tenant: str = ""
    key_id: str = ""
    engine: str = ""
    queue_ms: float = 0.0
    ttft_ms: float = 0.0
    request_id: str = ""
    code: str = ""
    cancelled: str = ""
    cache: str = ""


_decode = msgspec.json.Decoder(Call).decode


def calls(lines: Iterable[bytes]) -> Iterator[Call]:
    """The calls among log lines. Lines that were cut are passed over, and copies for a canary, which nobody made."""
    for line in lines:
        try:
            call = _decode(line)
        except msgspec.DecodeError:
            continue
        if call.message == _REQUEST:
            yield call
