"""How several GPUs are divided among engines: what is offered, what lint refuses, and what is found and written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ruamel.yaml import YAML
from tests.unit.tune.ladder.simulated import AIM, Simulated, climb, space

from forebay.tune.carry import carried
from forebay.tune.objective import Objective
from forebay.tune.setting import Change, Setting
from forebay.tune.space import Space
from forebay.tune.stage import Situation, load_stages, stages

SHAPE = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 49152,
    "max_position_embeddings": 32768,
    "torch_dtype": "bfloat16",
}


def written(folder: Path, gpus: list[int], count: int = 1, weights: str = "", **args: Any) -> Space:
    """A file with one engine; its weights are those of an 8 B shape unless others are named."""
    (folder / "8b").mkdir(parents=True, exist_ok=True)
    (folder / "8b" / "config.json").write_text(json.dumps(SHAPE), encoding="utf-8")
    flags = {"max-num-seqs": 64, "dtype": "bfloat16"} | {key.replace("_", "-"): value for key, value in args.items()}
    engine = {"kind": "vllm", "weights": weights or str(folder / "8b"), "release": "0.25.1", "args": flags}
    whole = {"version": 1, "hardware": "h100", "models": {"m": {"engines": [engine | {"gpus": gpus, "count": count}]}}}
    found = space(folder, json.dumps(whole), cores=16)
    return msgspec.structs.replace(found, only=("parallelism",))


def offered(where: Space, aim: Objective = AIM) -> list[Change]:
    load_stages()
    at = Situation(space=where, objective=aim, setting=where.baseline())
    return list(stages["parallelism"](at))


def divisions(where: Space) -> list[tuple[int, int]]:
    """Engines, and GPUs of each."""
    return [(change.copies or 0, change.args["tensor-parallel-size"] or 1) for change in offered(where)]


@pytest.mark.parametrize("gpus", [[], [0], [3]])
def test_on_one_gpu_nothing_is_offered(tmp_path: Path, gpus: list[int]) -> None:
    assert offered(written(tmp_path, gpus)) == []


def test_every_even_division_is_offered_the_nearest_first(tmp_path: Path) -> None:
    assert divisions(written(tmp_path, [0, 1, 2, 3], tensor_parallel_size=4)) == [(2, 2), (4, 1)]
    assert divisions(written(tmp_path, [0, 1], tensor_parallel_size=2)) == [(2, 1)]


def test_sizes_that_do_not_divide_the_heads_are_not_offered(tmp_path: Path) -> None:
    """32 heads cannot be cut into 3 or 6."""
    assert divisions(written(tmp_path, list(range(6)), tensor_parallel_size=2, pipeline_parallel_size=3)) == []
    three = msgspec.structs.replace(written(tmp_path, list(range(6)), count=3, tensor_parallel_size=2), through=True)
    assert divisions(three) == [(6, 1)]


def test_one_copy_of_several_says_nothing_of_another_division(tmp_path: Path) -> None:
    two = written(tmp_path, [0, 1], count=2)
    assert offered(two) == []
    assert divisions(msgspec.structs.replace(two, through=True)) == [(1, 2)]


def test_engines_that_would_not_hold_the_weights_are_refused(tmp_path: Path) -> None:
    where = written(tmp_path, [0, 1, 2, 3], weights="Qwen/Qwen3-VL-235B-A22B-Instruct-FP8", tensor_parallel_size=4)
    source = Simulated(lambda _setting: 1.0)
    climb(tmp_path, source, where)
    assert {ask.setting.copies for ask in source.asked} == {1}


def test_gpus_are_counted_by_copy_and_in_all(tmp_path: Path) -> None:
    where = written(tmp_path, [0, 1, 2, 3], tensor_parallel_size=4)
    one, two = where.baseline(), Setting(args={"tensor-parallel-size": 2}, copies=2)
    assert (where.gpus_of_copy(one), where.gpus_of_copy(two)) == (4, 2)
    assert (where.gpus_of(one), where.gpus_of(two)) == (4, 4)
    shared = written(tmp_path / "shared", [0])
    assert shared.gpus_of(Setting(copies=6)) == 1


@pytest.mark.parametrize(
    ("gpus", "setting", "computing"),
    [
        ([0, 1], Setting(), 1),
        ([0, 1], Setting(copies=2), 2),
        ([0, 1], Setting(copies=4), 1),
        ([0, 1, 2, 3], Setting(args={"tensor-parallel-size": 2}), 2),
        ([0, 1, 2, 3], Setting(args={"tensor-parallel-size": 2, "pipeline-parallel-size": 2}), 4),
        ([0, 1, 2, 3], Setting(args={"data-parallel-size": 2, "tensor-parallel-size": 2}), 4),
        ([0, 1, 2, 3], Setting(args={"tensor-parallel-size": 2}, copies=3), 2),
    ],
)
def test_only_gpus_that_compute_are_counted(tmp_path: Path, gpus: list[int], setting: Setting, computing: int) -> None:
    """Copies that cannot divide the GPUs evenly all run on those of the first."""
    assert written(tmp_path, gpus).gpus_of(setting) == computing


@pytest.mark.parametrize(("gpus", "count", "size"), [([0, 1], 2, 1), ([0, 1], 1, 1), ([0, 1, 2, 3], 1, 2), ([0], 1, 1)])
def test_no_candidate_has_more_gpus_than_its_baseline(tmp_path: Path, gpus: list[int], count: int, size: int) -> None:
    """A model so small that several engines are worth while, on however many GPUs the file names."""
    (tmp_path / "small").mkdir()
    small = SHAPE | {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 12}
    (tmp_path / "small" / "config.json").write_text(json.dumps(small), encoding="utf-8")
    found = written(tmp_path, gpus, count=count, weights=str(tmp_path / "small"), tensor_parallel_size=size)
    where = msgspec.structs.replace(found, only=("parallelism", "instances"))
    source = Simulated(lambda setting: float(setting.copies))
    climb(tmp_path, source, where)
    assert {where.gpus_of(ask.setting) for ask in source.asked} == {where.gpus_of(where.baseline())}
    assert (max(ask.setting.copies for ask in source.asked) > 1) == (len(gpus) == 1)


def test_a_better_division_is_found_confirmed_and_written(tmp_path: Path) -> None:
    where = written(tmp_path, [0, 1], tensor_parallel_size=2)
    climbed = climb(tmp_path, Simulated(lambda setting: 1.6 if setting.copies == 2 else 1.0), where)
    winner = climbed.present.setting
    assert (winner.copies, winner.args.get("tensor-parallel-size")) == (2, None)
    after = YAML(typ="safe").load(carried(where.loaded.path.read_text("utf-8"), where, winner))
    engine = after["models"]["m"]["engines"][0]
    assert engine["count"] == 2
    assert engine["gpus"] == [0, 1]
    assert "tensor-parallel-size" not in engine["args"]
