"""Health checks that ask the wrong port, too early, or too little."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

_COMPILE_S = 120.0
_DISK_BYTES_PER_S = 1e9


@engine_rules.add("container_health")
def container_health(served: Served) -> Iterator[Finding]:
    """A check must ask the port that vLLM serves and wait until the weights are loaded."""
    container, port = served.container, served.count("port", 8000)
    if container is None or not container.compose:
        return
    health = container.health
    if health is None:
        why = _("no health check: what depends on the engine starts before it serves")
        fix = _("Ask http://127.0.0.1:{port}/health, with a start_period that lets weights load").format(port=port)
        yield served.finding("container_health", "note", "at.healthcheck", why, fix)
        return
    asked = [int(found) for found in re.findall(r":(\d{2,5})\b", health.test)]
    if asked and port not in asked:
        why = _("the health check asks port {asked}, vLLM listens on {port}").format(asked=asked[0], port=port)
        fix = _("Ask port {port}, or add --port {asked}").format(port=port, asked=asked[0])
        yield served.finding("container_health", "error", "at.healthcheck", why, fix)
    need_s = _need_s(served)
    if health.start_s < need_s:
        why = _("{start:g} s are given to start; loading takes {need:.0f} s and more").format(
            start=health.start_s, need=need_s
        )
        fix = _("Set start_period: {minutes}m").format(minutes=math.ceil(need_s / 60))
        yield served.finding("container_health", "warning", "at.healthcheck", why, fix)
    if "/health" in health.test:
        why = _("/health stays 200 while an engine hangs or drains")
        fix = _("Watch tokens too: a gateway that generates one, or an alert on vllm:generation_tokens_total")
        yield served.finding("container_health", "note", "at.healthcheck", why, fix)


def _need_s(served: Served) -> float:
    """A GB a second from a good disk, and what compiling takes."""
    if served.weights is not None and served.weights.total_bytes:
        return _COMPILE_S + served.weights.total_bytes / _DISK_BYTES_PER_S
    size = re.search(r"(\d+)[bB](?![a-zA-Z])", served.model)
    return _COMPILE_S + (int(size[1]) * 2e9 / _DISK_BYTES_PER_S if size else 0)
