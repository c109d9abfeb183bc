"""The end of a call: its ledger becomes metrics and one log line, exactly once, also when the client left."""

from __future__ import annotations

import time
from typing import Any

from forebay.gateway.call import Call
from forebay.gateway.parts import Parts
from forebay.gateway.routes import METHODS


def settle(call: Call, parts: Parts) -> None:
    """Count and log one call. Latencies are in milliseconds in the log, as the source document has them."""
    ledger = call.ledger
    now = parts.clock()
    method = METHODS.get(call.head.method, "other")
    parts.meter.settle(ledger, method, now)
    policy = parts.view.policy
    if not policy.log_access or parts.log.threshold > 20:
        return
    line: dict[str, Any] = {
        "timestamp": parts.log.stamp(time.time()),
        "level": "info",
        "message": "request",
        **parts.log.fixed,
        "request_id": ledger.request_id,
        "client_ip": ledger.client_ip,
        "model": ledger.model,
        "tokens": {"input": ledger.input_tokens, "output": ledger.output_tokens},
        "latency_ms": _ms(now - ledger.started_at),
        "method": method,
        "endpoint": ledger.endpoint,
        "status": ledger.status,
    }
    if ledger.key_id:
        line["tenant"], line["key_id"] = ledger.tenant, ledger.key_id
    if ledger.model:
        line["engine"], line["stream"] = ledger.engine, ledger.stream
        line["queue_ms"], line["retries"] = _ms(ledger.queue_s), ledger.retries
    if ledger.first_event_at:
        line["ttft_ms"] = _ms(ledger.first_event_at - ledger.started_at)
    if ledger.code:
        line["code"] = ledger.code
    if ledger.cancelled:
        line["cancelled"] = ledger.cancelled
    parts.log.add(line)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
