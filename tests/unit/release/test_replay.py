"""Recorded calls under a new policy: which would be refused, go elsewhere, or cost something else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from forebay.config.schema import Config
from forebay.controller.snapshot import EngineNow, build
from forebay.core.errors import UsageError
from forebay.engines.spec import EngineRouting, EngineSpec
from forebay.gateway.snapshot import Snapshot
from forebay.observe.access_lines import Call, calls
from forebay.release.replay import replay

CHAT = "/v1/chat/completions"


def call(second: float, **more: Any) -> Call:
    base: dict[str, Any] = {
        "timestamp": f"2026-01-01T00:00:{second:06.3f}Z", "model": "m", "tokens": {"input": 100, "output": 50},
        "latency_ms": 500.0, "endpoint": CHAT, "status": 200, "tenant": "shop", "key_id": "k",
    }  # fmt: skip
    return Call(**{**base, **more})


def policy(weights: tuple[float, ...] = (1.0,), places: int = 4, **model: Any) -> Snapshot:
    limits = model.pop("tenant", {})
    engines = [{"kind": "external", "url": f"http://10.0.0.{n + 1}:8000", "name": f"e{n}"} for n in range(len(weights))]
    content = {
        "version": 1, "models": {"m": {"engines": engines, **model}}, "limits": {"tenant": limits},
    }  # fmt: skip
    specs = [
        EngineSpec(
            name=f"e{n}", model="m", kind="external", max_outstanding=places, routing=EngineRouting(weight=weight)
        )
        for n, weight in enumerate(weights)
    ]
    now = [EngineNow(spec=spec, port=8000, routable=True) for spec in specs]
    return build(Config.model_validate(content), now, [], "", 0)


def test_the_same_policy_changes_nothing() -> None:
    found = replay([call(n) for n in range(1, 30)], policy((1.0, 1.0)), policy((1.0, 1.0)))
    assert found.before == found.after
    assert (found.calls, found.outcome_differs, found.engine_differs, found.cost_differs) == (29, 0, 0, 0)


def test_a_new_limit_refuses_what_is_beyond_it_and_names_itself() -> None:
    found = replay([call(n) for n in range(1, 31)], policy(), policy(tenant={"requests_per_minute": 10}))
    assert found.before.outcomes == {"served": 30}
    assert found.after.outcomes == {"served": 10, "limited: tenant requests_per_minute": 20}
    assert found.examples[0].at == "2026-01-01T00:00:11.000Z"


def test_concurrency_counts_calls_for_as_long_as_they_took() -> None:
    together = [call(10 + n / 10, latency_ms=5000.0) for n in range(4)]
    apart = [call(20 + n, latency_ms=500.0) for n in range(4)]
    found = replay(together + apart, policy(), policy(tenant={"concurrency": 2}))
    assert found.after.outcomes == {"served": 6, "limited: tenant concurrency": 2}


def test_weights_move_calls() -> None:
    ways = {"routing": {"pick": "weighted"}}
    found = replay([call(n) for n in range(1, 41)], policy((1.0, 1.0), **ways), policy((3.0, 1.0), **ways))
    assert found.before.engines == {"e0": 20, "e1": 20}
    assert found.after.engines == {"e0": 30, "e1": 10}
    assert found.engine_differs >= 10


def test_a_price_is_charged_to_whoever_called() -> None:
    recorded = [call(1, tenant="shop"), call(2, tenant="lab"), call(3, tenant="lab")]
    dear = policy(price={"input_usd": 1.0, "output_usd": 2.0}, tenant={"usd_per_day": 1000})
    found = replay(recorded, policy(), dear)
    assert found.before.usd_total == 0
    assert found.after.usd == {"shop": pytest.approx(0.0002), "lab": pytest.approx(0.0004)}
    assert found.cost_differs == 3


def test_a_shorter_context_a_missing_model_and_a_full_engine_are_told() -> None:
    recorded = [call(1), call(2, model="gone"), call(3, tokens={"input": 900, "output": 200})]
    found = replay(recorded, policy(), policy(context_tokens=1000))
    assert found.after.outcomes == {"served": 1, "unknown_model": 1, "context_too_long": 1}
    crowd = [call(10 + n / 100, latency_ms=9000.0) for n in range(4)]
    assert replay(crowd, policy(places=4), policy(places=3)).after.outcomes == {"served": 3, "waits": 1}


def test_calls_that_failed_are_left_out_and_an_empty_log_is_refused() -> None:
    found = replay([call(1), call(2, status=429), call(3, model="", status=404)], policy(), policy())
    assert (found.calls, found.skipped) == (1, 2)
    with pytest.raises(UsageError, match="no call"):
        replay([call(1, status=500)], policy(), policy())


def test_lines_of_a_log_that_are_no_calls_are_passed_over() -> None:
    whole = msgspec.json.encode(call(1))
    assert list(calls(iter([b"", b"{", whole[:40], b'{"message": "started"}', whole]))) == [call(1)]
