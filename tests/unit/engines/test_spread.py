"""Claims about engines over several machines, and about those whose number a cluster changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from forebay.config.schema import Config
from forebay.core.errors import ConfigError
from forebay.engines.fleet import expand
from forebay.engines.vllm import vllm_findings
from forebay.render.target import Subject, load_targets

SIXTEEN = {"tensor-parallel-size": 8, "pipeline-parallel-size": 2}


def configured(**engine: Any) -> Config:
    whole = {"kind": "vllm", "weights": "org/model", "release": "0.33.0", "gpus": list(range(8))} | engine
    return Config.model_validate({"version": 1, "models": {"m": {"engines": [whole]}}})


@pytest.mark.parametrize(
    ("engine", "rules"),
    [
        ({"nodes": 2, "args": SIXTEEN}, []),
        ({"nodes": 1, "args": SIXTEEN}, ["gpus"]),
        ({"nodes": 4, "args": SIXTEEN}, ["gpus"]),
        ({"nodes": 3, "gpus": [], "args": SIXTEEN}, ["nodes"]),
        ({"nodes": 2, "args": SIXTEEN, "release": "0.11.2"}, ["nodes"]),
        ({"nodes": 2, "args": SIXTEEN | {"node-rank": 1}}, ["nodes"]),
        ({"args": {"tensor-parallel-size": 8}, "scale": {"least": 1, "most": 2}}, []),
        ({"args": {"tensor-parallel-size": 8}, "scale": {"least": 3, "most": 2}}, ["scale"]),
    ],
)
def test_what_an_engine_over_several_machines_must_be(engine: dict[str, Any], rules: list[str]) -> None:
    assert [finding.rule for finding in vllm_findings(configured(**engine))] == rules


@pytest.mark.parametrize("rule", ["nodes", "scale"])
def test_who_cannot_run_it_refuses_it(rule: str, tmp_path: Path) -> None:
    args = SIXTEEN if rule == "nodes" else {"tensor-parallel-size": 8}
    config = configured(args=args, **({"nodes": 2} if rule == "nodes" else {"scale": {"most": 2}}))
    with pytest.raises(ConfigError) as refused:
        expand(config, tmp_path)
    assert [finding.rule for finding in refused.value.findings] == [rule]
    with pytest.raises(ConfigError) as refused:
        load_targets()["compose"].files(Subject(config=config, folder=tmp_path))
    assert [finding.rule for finding in refused.value.findings] == [rule]
    assert "engines.yaml" in load_targets()["kubernetes"].files(Subject(config=config, folder=tmp_path))
