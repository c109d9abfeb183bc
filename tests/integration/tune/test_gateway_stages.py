"""Ladders through a real gateway: what is planted in the engines or the load is found, and carried into the file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from forebay.cli.wiring import gateway_of
from forebay.config.load import load
from forebay.tune.session import Asked, run
from forebay.tune.told import Told

ROOT = Path(__file__).parents[3]
PRETEND = [sys.executable, "-m", "tests.integration.tune.pretend_vllm", "serve"]
PATHS = f"{ROOT / 'src'}:{ROOT}"


def climbed(folder: Path, engine: dict[str, Any], sections: dict[str, Any], **asked: Any) -> Told:
    """A short ladder over engines that pretend; everything is as small as it can be."""
    whole = {"version": 1, "hardware": "h100", "models": {"m": {"engines": [engine]}}, **sections}
    file = folder / "forebay.yaml"
    file.write_text(json.dumps(whole), encoding="utf-8")
    short = {"objective": "batch", "budget": 800.0, "window": 2.0, "rungs": 1, "way": "stages", "output_tokens": 8}
    return run(load(file), Asked(model="m", out=folder / "out", gateway=True, **{**short, **asked}), print, gateway_of)


def pretending(**keys: Any) -> dict[str, Any]:
    args = {"max-num-seqs": 8, "gpu-memory-utilization": 0.8, "dtype": "bfloat16"}
    more = {"env": {"PYTHONPATH": PATHS, **keys.pop("env", {})}, "args": {**args, **keys.pop("args", {})}}
    return (
        {"kind": "vllm", "weights": "none/known", "release": "0.25.1", "program": PRETEND, "start": "60s"} | more | keys
    )


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_prefixes_are_followed_where_engines_remember_them(tmp_path: Path) -> None:
    """Six beginnings, two engines that remember four each: taking turns reads many of them anew."""
    engine = pretending(count=2, env={"PRETEND_READ_S": "0.15"})
    told = climbed(
        tmp_path,
        engine,
        {"gateway": {"routing": "round_robin", "workers": 1}},
        only=("routing",),
        input_tokens=250,
        shared_prefix=0.75,
        shared_prefixes=6,
        concurrency=8,
        write=True,
    )
    assert told.winner["gateway"] == {"model.routing.scorers": {"prefix": 2.0, "least_tokens": 1.0}}
    after = YAML(typ="safe").load((tmp_path / "forebay.yaml").read_text("utf-8"))
    assert after["models"]["m"]["routing"]["scorers"]["prefix"] == 2.0


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_answers_are_kept_where_the_load_repeats_itself(tmp_path: Path) -> None:
    told = climbed(
        tmp_path,
        pretending(args={"enforce-eager": True}),
        {"gateway": {"workers": 1}},
        only=("caches",),
        input_tokens=16,
        repeats=0.6,
        concurrency=4,
    )
    assert told.winner["gateway"]["model.cache.exact"] is True
    assert any(step.confirmed and step.gain and step.gain > 1.1 for step in told.steps)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_an_engine_that_is_given_too_little_gets_its_places_and_a_queue(tmp_path: Path) -> None:
    told = climbed(
        tmp_path,
        pretending(max_outstanding=1),
        {"gateway": {"workers": 1, "queue": {"calls": 1}}},
        only=("admission",),
        input_tokens=16,
        concurrency=8,
    )
    assert told.winner["gateway"]["engine.max_outstanding"] >= 8


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_what_programs_spell_differently_is_read_once_where_it_is_tidied(tmp_path: Path) -> None:
    """One beginning in eight spellings, an engine that remembers four."""
    told = climbed(
        tmp_path,
        pretending(env={"PRETEND_READ_S": "0.15"}),
        {"gateway": {"workers": 1}},
        only=("prepare",),
        input_tokens=250,
        shared_prefix=0.75,
        spellings=8,
        concurrency=4,
        write=True,
    )
    assert told.winner["gateway"] == {"model.prepare.trim_system": True}
    assert any(step.confirmed and step.gain and step.gain > 1.1 for step in told.steps)
    after = YAML(typ="safe").load((tmp_path / "forebay.yaml").read_text("utf-8"))
    assert after["models"]["m"]["prepare"] == {"trim_system": True}
