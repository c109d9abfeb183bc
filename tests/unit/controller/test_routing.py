"""What the file says of routing is what workers hold."""

from __future__ import annotations

from pathlib import Path

from forebay.config.load import load
from forebay.controller.snapshot import EngineNow, build
from forebay.engines.fleet import expand
from forebay.engines.spec import EngineRouting
from forebay.gateway.routing.plans import plans_of
from forebay.gateway.routing.policy import BreakerPolicy, RoutingPolicy
from forebay.gateway.snapshot import Snapshot
from forebay.gateway.view import view_of

FILE = """
version: 1
models:
  big:
    engines:
      - {kind: external, url: "http://h:1", name: a, weight: 9, tier: 1, warm_up: 30s, adapters: [sql],
         adapter_slots: 2}
      - {kind: external, url: "http://h:2", name: b, standby: true, usd_per_million_tokens: 0.5}
    routing: {scorers: {least_tokens: 1, prefix: 2.5}, pick: power_of_two, imbalance: 2}
  small:
    engines: [{kind: external, url: "http://h:3", name: c}]
gateway:
  routing: least_tokens
  breaker: {window: 20s, failures: 9, failure_ratio: 0.9, open: 1s, longest: 2s, max_ejected_ratio: 0.1}
"""


def snapshot_of(folder: Path) -> Snapshot:
    file = folder / "forebay.yaml"
    file.write_text(FILE)
    config = load(file, None).config
    engines = [EngineNow(spec=spec, port=spec.port, routable=True) for spec in expand(config, folder)]
    return build(config, engines, [], "pepper", 1)


def test_models_engines_and_breaker_travel_whole(tmp_path: Path) -> None:
    snapshot = snapshot_of(tmp_path)
    routing = {engine.name: engine.routing for engine in snapshot.engines}
    assert routing == {
        "a": EngineRouting(weight=9, tier=1, warm_up_s=30, adapters=("sql",), adapter_slots=2),
        "b": EngineRouting(standby=True, usd_per_million_tokens=0.5),
        "c": EngineRouting(),
    }
    policies = {model.name: model.routing for model in snapshot.models}
    assert policies == {
        "big": RoutingPolicy(scorers={"least_tokens": 1, "prefix": 2.5}, pick="power_of_two", imbalance=2),
        "small": None,
    }
    assert snapshot.policy.breaker == BreakerPolicy(
        window_s=20, failures=9, failure_ratio=0.9, open_s=1, longest_s=2, max_ejected_ratio=0.1
    )


def test_an_adapter_is_a_model_of_its_own_with_its_model_s_plan(tmp_path: Path) -> None:
    snapshot = snapshot_of(tmp_path)
    view, plans = view_of("0" * 16, snapshot), plans_of(snapshot)
    assert (view.models["sql"].name, view.models["sql"].adapter_of) == ("sql", "big")
    assert plans["sql"] == plans["big"]
    assert b'"id":"sql"' in view.model_list
    assert [scorer.needs for scorer, _weight in plans["small"].scorers] == [1]
