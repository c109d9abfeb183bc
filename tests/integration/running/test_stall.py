"""An engine whose /health is green but whose tokens have stopped is taken out of routing, and comes back by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.gateway.snapshot import read
from forebay.testing.fake_engine import Exchange, FakeEngine, completion
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

pytestmark = pytest.mark.timeout(120)


class StuckEngine:
    """A fake engine's script: healthy for ever, working for ever, with tokens only while `flows`."""

    def __init__(self) -> None:
        self.flows = True
        self.tokens = 0

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.head.startswith(b"GET /health "):
            await exchange.answer(b"{}")
        elif exchange.head.startswith(b"GET /metrics "):
            self.tokens += self.flows
            page = f"vllm:num_requests_running 1\nvllm:generation_tokens_total {self.tokens}\n"
            await exchange.answer(page.encode(), content_type="text/plain")
        else:
            await exchange.answer(completion("hello"))


def is_routable(service: Service) -> bool:
    _digest, snapshot = read(service.state.current_snapshot)
    return snapshot.engines[0].routable


def state_of(service: Service) -> str:
    return str(service.status()["engines"][0]["state"])


def test_a_stalled_engine_leaves_routing_and_returns_when_tokens_flow(tmp_path: Path) -> None:
    script = StuckEngine()
    with FakeEngine(script) as engine:
        external = {"kind": "external", "name": "fake", "url": f"http://127.0.0.1:{engine.port}", "stall": "1s"}
        observe = {"metrics": {"scrape": "200ms"}}
        with Service(tmp_path, {"m": {"engines": [external]}}, edge={"kind": "none"}) as service:
            service.content["observe"]["metrics"].update(observe["metrics"])
            service.write()
            service.run("up", "--detach")
            wait_for("it is routed at first", lambda: is_routable(service))
            script.flows = False
            wait_for("it is stalled", lambda: state_of(service) == "stalled")
            wait_for("it is not routed", lambda: not is_routable(service))
            assert "has made no token" in service.status()["engines"][0]["reason"]
            script.flows = True
            wait_for("it is ready", lambda: state_of(service) == "ready")
            wait_for("it is routed", lambda: is_routable(service))
