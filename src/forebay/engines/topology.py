"""Which GPUs and which CPU cores an engine has: no two share a GPU, and each keeps to the NUMA node of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from forebay.config.flags import release
from forebay.config.provenance import show_path
from forebay.config.schema import Config, VllmEngine
from forebay.core.errors import ConfigError, Finding
from forebay.engines.command import merged_args
from forebay.engines.vllm_args import Arg
from forebay.messages import _

# Each multiplies the GPUs of one engine; the last one counts in place of data-parallel-size where ranks lie elsewhere.
_PARALLEL = ("--tensor-parallel-size", "--pipeline-parallel-size", "--prefill-context-parallel-size")
_NVIDIA = "0x10de"
_DISPLAY = "0x03"


def gpu_findings(config: Config) -> list[Finding]:
    """Everything wrong with `gpus` over the whole configuration: shared, given twice, or not what the flags need."""
    findings: list[Finding] = []
    owners: dict[int, str] = {}
    for where, engine in _vllm_engines(config):
        for gpu, times in Counter(engine.gpus).items():
            if times > 1:
                findings.append(_error(where, _("GPU {gpu} is named twice").format(gpu=gpu), _("Name each GPU once")))
            if gpu in owners:
                why = _("GPU {gpu} already belongs to {owner}").format(gpu=gpu, owner=owners[gpu])
                findings.append(_error(where, why, _("Give each engine GPUs of its own")))
            owners.setdefault(gpu, where)
        findings += _size_findings(config, where, engine)
    return findings


def gpus_of_copy(engine: VllmEngine, copy: int) -> tuple[int, ...]:
    """The GPUs of copy 0, 1 …: an equal part each, in the order written."""
    part = len(engine.gpus) // engine.count
    return tuple(engine.gpus[copy * part : (copy + 1) * part])


def cpus_of(
    gpus: tuple[int, ...], numa_node: int | Literal["auto", "off"], *, sysfs: Path = Path("/sys"), where: str = "engine"
) -> tuple[int, ...]:
    """The CPU ids an engine keeps to; empty means all of them.

    `auto` takes the nodes of its GPUs, none where the machine does not tell; ConfigError when a stated node is missing.
    """
    if numa_node == "off":
        return ()
    if numa_node == "auto":
        by_gpu = _gpu_nodes(sysfs)
        nodes = {by_gpu[gpu] for gpu in gpus if gpu in by_gpu}
        return tuple(sorted(cpu for node in nodes if node >= 0 for cpu in _node_cpus(sysfs, node)))
    cpus = _node_cpus(sysfs, numa_node)
    if not cpus:
        raise ConfigError(
            _("this machine has no NUMA node {node} with cores").format(node=numa_node),
            where=f"{where}.numa_node",
            fix=_("Write auto, off, or a node that lscpu shows"),
        )
    return cpus


def cpu_list(text: str) -> tuple[int, ...]:
    """Read the kernel's form `0-3,8,10-11`."""
    cpus: list[int] = []
    for part in text.strip().split(","):
        if part:
            first, _dash, last = part.partition("-")
            cpus.extend(range(int(first), int(last or first) + 1))
    return tuple(cpus)


def _vllm_engines(config: Config) -> Iterator[tuple[str, VllmEngine]]:
    for name, model in config.models.items():
        for index, engine in enumerate(model.engines):
            if isinstance(engine, VllmEngine):
                yield show_path(("models", name, "engines", index)), engine


def _size_findings(config: Config, where: str, engine: VllmEngine) -> list[Finding]:
    if not engine.gpus:
        return []
    if len(engine.gpus) % engine.count:
        why = _("{gpus} GPUs do not divide evenly among {count} copies").format(
            gpus=len(engine.gpus), count=engine.count
        )
        return [_error(where, why, _("Name a multiple of {count} GPUs").format(count=engine.count))]
    try:
        args, _wrong = merged_args(engine, config.engine_defaults.vllm, release(engine.release), where)
    except ConfigError:
        return []  # An unknown release is a finding of its own, elsewhere.
    have, need = len(engine.gpus) // engine.count, gpus_needed(args) // engine.nodes
    if have == need:
        return []
    why = _("each copy has {have} GPUs, its flags need {need} (tensor x pipeline x data parallel)").format(
        have=have, need=need
    )
    fix = _("List {total} in all, or set tensor-parallel-size to fit").format(total=need * engine.count)
    return [_error(where, why, fix)]


def gpus_needed(args: Mapping[str, Arg]) -> int:
    """GPUs of one copy: tensor times pipeline times data parallel ranks."""
    need = 1
    for name in _PARALLEL:
        need *= args[name].number if name in args else 1
    ranks = args.get("--data-parallel-size-local") or args.get("--data-parallel-size")
    need *= ranks.number if ranks else 1
    return need // (args["--nnodes"].number if "--nnodes" in args else 1)


def _error(where: str, why: str, fix: str) -> Finding:
    return Finding(rule="gpus", severity="error", where=f"{where}.gpus", why=why, fix=fix)


class _Device(msgspec.Struct, frozen=True, order=True):
    address: str
    node: int


def _gpu_nodes(sysfs: Path) -> dict[int, int]:
    """NUMA node by GPU index; -1 where the board does not tell. Ordered by bus as CUDA_DEVICE_ORDER=PCI_BUS_ID does."""
    devices = [
        _Device(folder.name, int(_read(folder / "numa_node") or -1))
        for folder in (sysfs / "bus/pci/devices").glob("*")
        if _read(folder / "vendor") == _NVIDIA and _read(folder / "class").startswith(_DISPLAY)
    ]
    return {index: device.node for index, device in enumerate(sorted(devices))}


def _node_cpus(sysfs: Path, node: int) -> tuple[int, ...]:
    return cpu_list(_read(sysfs / f"devices/system/node/node{node}/cpulist"))


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
