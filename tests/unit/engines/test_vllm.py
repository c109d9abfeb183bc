"""Claims about how one vLLM engine of the file becomes the copies that run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from forebay.config.schema import Config, VllmEngine
from forebay.engines.spec import EngineSpec
from forebay.engines.vllm import vllm_findings, vllm_specs


def specs(
    tmp_path: Path, model: str = "Qwen/Qwen3", hardware: str | None = None, **keys: Any
) -> tuple[EngineSpec, ...]:
    engine = {"kind": "vllm", "weights": "/w", "release": "0.33.0", **keys}
    whole = Config.model_validate({"version": 1, "models": {model: {"engines": [engine]}}}).models[model]
    (only,) = whole.engines
    assert isinstance(only, VllmEngine)
    return vllm_specs(model, whole, only, hardware=hardware, sysfs=tmp_path)


def test_copies_differ_in_name_port_and_gpus(tmp_path: Path) -> None:
    first, second = specs(tmp_path, count=2, port=9000, gpus=[0, 1])
    assert (first.name, second.name) == ("qwen-qwen3-vllm-1", "qwen-qwen3-vllm-2")
    assert (first.port, second.port) == (9000, 9001)
    assert (first.env["CUDA_VISIBLE_DEVICES"], second.env["CUDA_VISIBLE_DEVICES"]) == ("0", "1")
    assert first.argv == second.argv


def test_an_engine_answers_to_the_name_of_its_model_at_any_free_port(tmp_path: Path) -> None:
    (spec,) = specs(tmp_path)
    at = spec.argv.index("--served-model-name")
    assert spec.argv[at + 1] == spec.model == "Qwen/Qwen3"
    assert (spec.kind, spec.port, spec.argv[spec.argv.index("--port") + 1]) == ("vllm", 0, "{port}")


def test_limits_of_the_file_reach_the_engine_in_seconds(tmp_path: Path) -> None:
    (spec,) = specs(tmp_path, start="2m", drain="9s", stall="8s", shutdown="7s", warmup_prompt="Hi")
    assert (spec.start_s, spec.drain_s, spec.stall_s, spec.warmup_prompt) == (120, 9, 8, "Hi")
    assert spec.shutdown_s > 7


@pytest.mark.parametrize(
    ("keys", "hardware", "outstanding"),
    [
        ({}, None, 256),
        ({}, "h100", 1024),
        ({}, "a100", 256),
        ({}, "cpu", 128),
        ({"args": {"max-num-seqs": 96}}, "h100", 96),
        ({"args": {"max-num-seqs": "1k", "data-parallel-size": 2}}, None, 2000),
        ({"args": {"max-num-seqs": 96}, "max_outstanding": 7}, None, 7),
    ],
)
def test_an_engine_holds_as_many_calls_as_it_can_run(
    tmp_path: Path, keys: dict[str, Any], hardware: str | None, outstanding: int
) -> None:
    (spec,) = specs(tmp_path, hardware=hardware, **keys)
    assert spec.max_outstanding == outstanding


def test_everything_wrong_is_found_once_over_all_engines() -> None:
    engine = {"kind": "vllm", "weights": "/w", "release": "0.33.0"}
    engines = [engine | {"gpus": [0]}, engine | {"gpus": [0], "args": {"nonsense": 1}}, engine | {"release": "9.9.9"}]
    defaults = {"vllm": {"args": {"swap-space": 1}}}
    config = {"version": 1, "engine_defaults": defaults, "models": {"a.b": {"engines": engines}}}
    found = [(finding.rule, finding.where) for finding in vllm_findings(Config.model_validate(config))]
    assert found == [
        ("flag_unknown", "engine_defaults.vllm.args.swap-space"),
        ("flag_unknown", 'models."a.b".engines[1].args.nonsense'),
        ("vllm_release", 'models."a.b".engines[2].release'),
        ("gpus", 'models."a.b".engines[1].gpus'),
    ]


@pytest.mark.parametrize(
    ("args", "task"),
    [
        ({}, ""),
        ({"runner": "auto"}, ""),
        ({"runner": "generate"}, "generate"),
        ({"runner": "pooling"}, "pooling"),
        ({"runner": "pooling", "convert": "embed"}, "embed"),
        ({"convert": "classify"}, "classify"),
    ],
)
def test_the_flags_tell_what_the_model_does(tmp_path: Path, args: dict[str, Any], task: str) -> None:
    (spec,) = specs(tmp_path, args=args)
    assert spec.task == task


def test_the_release_goes_with_the_engine(tmp_path: Path) -> None:
    (spec,) = specs(tmp_path)
    assert spec.release == "0.33.0"
