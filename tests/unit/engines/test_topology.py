"""Claims about which GPUs and cores an engine has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from forebay.config.schema import Config, VllmEngine
from forebay.core.errors import ConfigError
from forebay.engines.topology import cpu_list, cpus_of, gpu_findings, gpus_of_copy


def config(*engines: dict[str, Any]) -> Config:
    written = [{"kind": "vllm", "weights": "/w", "release": "0.33.0", **engine} for engine in engines]
    return Config.model_validate({"version": 1, "models": {"m": {"engines": written}}})


def machine(root: Path, gpu_nodes: list[int]) -> Path:
    """Two nodes of four cores; GPUs on the nodes given, in the order of their bus addresses."""
    for node, cpus in enumerate(("0-1,4-5", "2-3,6-7")):
        (folder := root / f"devices/system/node/node{node}").mkdir(parents=True)
        (folder / "cpulist").write_text(f"{cpus}\n")
    for index, node in enumerate(gpu_nodes):
        device(root, f"0000:{index + 1:02x}:00.0", "0x10de", "0x030200", node)
    device(root, "0000:00:01.0", "0x1234", "0x030000", 1)
    device(root, "0000:00:02.0", "0x10de", "0x040300", 1)
    return root


def device(root: Path, address: str, vendor: str, kind: str, node: int) -> None:
    (folder := root / "bus/pci/devices" / address).mkdir(parents=True)
    for name, content in (("vendor", vendor), ("class", kind), ("numa_node", str(node))):
        (folder / name).write_text(f"{content}\n")


@pytest.mark.parametrize(
    ("gpus", "numa_node", "cpus"),
    [
        ((0, 1), "auto", (0, 1, 4, 5)),
        ((2,), "auto", (2, 3, 6, 7)),
        ((1, 2), "auto", (0, 1, 2, 3, 4, 5, 6, 7)),
        ((2,), "off", ()),
        ((), "auto", ()),
        ((9,), "auto", ()),
        ((0,), 1, (2, 3, 6, 7)),
        ((), 0, (0, 1, 4, 5)),
    ],
)
def test_an_engine_keeps_to_the_cores_near_its_gpus(
    tmp_path: Path, gpus: tuple[int, ...], numa_node: Any, cpus: tuple[int, ...]
) -> None:
    assert cpus_of(gpus, numa_node, sysfs=machine(tmp_path, [0, 0, 1])) == cpus


def test_a_board_that_does_not_tell_its_node_pins_nothing(tmp_path: Path) -> None:
    assert cpus_of((0,), "auto", sysfs=machine(tmp_path, [-1])) == ()


def test_a_machine_without_sysfs_pins_nothing(tmp_path: Path) -> None:
    assert cpus_of((0,), "auto", sysfs=tmp_path) == ()


def test_a_node_that_the_machine_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no NUMA node 7"):
        cpus_of((), 7, sysfs=machine(tmp_path, []))


@pytest.mark.parametrize(
    ("text", "cpus"), [("0-3,8,10-11\n", (0, 1, 2, 3, 8, 10, 11)), ("5", (5,)), ("", ()), ("\n", ())]
)
def test_the_kernel_form_of_a_cpu_list_is_read(text: str, cpus: tuple[int, ...]) -> None:
    assert cpu_list(text) == cpus


def test_copies_take_equal_parts_in_order() -> None:
    engine = config({"gpus": [4, 5, 6, 7], "count": 2, "args": {"tensor-parallel-size": 2}}).models["m"].engines[0]
    assert isinstance(engine, VllmEngine)
    assert [gpus_of_copy(engine, copy) for copy in range(2)] == [(4, 5), (6, 7)]


FITTING = [
    [{"gpus": [0]}, {"gpus": [1]}],
    [{"gpus": [0, 1, 2, 3], "args": {"tensor-parallel-size": 2, "pipeline_parallel_size": 2}}],
    [{"gpus": [0, 1, 2, 3], "count": 4}],
    [{"gpus": [0, 1], "args": {"-dp": 2}}],
    [{"gpus": [0, 1], "args": {"data-parallel-size": 8, "data-parallel-size-local": 2}}],
    [{"gpus": [0, 1], "args": {"tensor-parallel-size": 4, "nnodes": 2}}],
    [{"gpus": [], "args": {"tensor-parallel-size": 4}}],
]


@pytest.mark.parametrize("engines", FITTING)
def test_gpus_that_fit_are_no_finding(engines: list[dict[str, Any]]) -> None:
    assert gpu_findings(config(*engines)) == []


WRONG = [
    ([{"gpus": [0]}, {"gpus": [0]}], "models.m.engines[1].gpus", "GPU 0 already belongs to models.m.engines[0]"),
    ([{"gpus": [0, 0], "count": 2}], "models.m.engines[0].gpus", "GPU 0 is named twice"),
    ([{"gpus": [0, 1, 2], "count": 2}], "models.m.engines[0].gpus", "3 GPUs do not divide evenly among 2 copies"),
    (
        [{"gpus": [0, 1], "args": {"tensor-parallel-size": 4}}],
        "models.m.engines[0].gpus",
        "each copy has 2 GPUs, its flags need 4 (tensor x pipeline x data parallel)",
    ),
]


@pytest.mark.parametrize(("engines", "where", "why"), WRONG)
def test_gpus_that_do_not_fit_are_found(engines: list[dict[str, Any]], where: str, why: str) -> None:
    (finding,) = gpu_findings(config(*engines))
    assert (finding.rule, finding.where, finding.why) == ("gpus", where, why)


def test_the_tensor_parallel_size_of_the_defaults_counts() -> None:
    engine = {"kind": "vllm", "weights": "/w", "release": "0.33.0", "gpus": [0, 1]}
    defaults = {"vllm": {"args": {"tensor-parallel-size": 2}}}
    whole = {"version": 1, "engine_defaults": defaults, "models": {"m": {"engines": [engine]}}}
    assert gpu_findings(Config.model_validate(whole)) == []
