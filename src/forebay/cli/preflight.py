"""What must be true of this machine before anything is started, found all at once."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from forebay.cli.hardening import hardening
from forebay.config.crosscheck.ports import listeners
from forebay.config.schema import Config, VllmEngine
from forebay.controller.ports import can_bind
from forebay.controller.reuse import is_semantic
from forebay.core.errors import Finding
from forebay.core.units import show_size
from forebay.engines.spec import EngineSpec
from forebay.gateway.reuse.semantic.embedder import PACKAGES
from forebay.messages import _
from forebay.observe.gpu import gpu_utilization
from forebay.release.strategy import gpus
from forebay.render.trial import refusals
from forebay.store.state_dir import StateDir
from forebay.substrate.local import LocalSubstrate

_DISK_BYTES = 256 * 1024 * 1024


def preflight(config: Config, specs: Iterable[EngineSpec], state: StateDir, base: Path) -> tuple[Finding, ...]:
    """Every reason not to start. Ports that our own running units hold are no reason."""
    return (
        *_ports(config, _owners(), set(LocalSubstrate(state).processes())),
        *_weights(config, specs),
        *_programs(specs),
        *_packages(config),
        *_disk(state.root),
        *gpus_missing(specs, frozenset(gpu_utilization())),
        *refusals(config),
        *hardening(config, state, base),
    )


def _owners() -> dict[int, int]:
    """Who listens: port to pid, as far as it can be seen."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return {}
    return {
        connection.laddr.port: connection.pid
        for connection in connections
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.pid
    }


def _ports(config: Config, owners: dict[int, int], ours: set[int]) -> Iterator[Finding]:
    for listener in listeners(config):
        pid = owners.get(listener.port, 0)
        if pid in ours or can_bind(listener.address, listener.port):
            continue
        owner = _program_of(pid)
        why = _("port {port} is taken by {owner}") if owner else _("port {port} cannot be opened")
        yield _error(
            "port_taken",
            listener.label,
            why.format(port=listener.port, owner=owner),
            _("Stop it, or choose another port"),
        )


def _program_of(pid: int) -> str:
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})" if pid else ""
    except psutil.NoSuchProcess:
        return ""


def _weights(config: Config, specs: Iterable[EngineSpec]) -> Iterator[Finding]:
    files = {spec.argv[spec.argv.index("--weights") + 1] for spec in specs if spec.kind == "embedded"}
    for file in sorted(files):
        yield from _gguf(Path(file))
    for name, model in config.models.items():
        for index, engine in enumerate(model.engines):
            if isinstance(engine, VllmEngine):
                yield from _vllm_weights(engine, f"models.{name}.engines[{index}].weights")


def _gguf(path: Path) -> Iterator[Finding]:
    try:
        with path.open("rb") as file:
            is_gguf = file.read(4) == b"GGUF"
    except OSError as error:
        why = _("the weights cannot be read: {why}").format(why=error.strerror)
        yield _error("weights_missing", str(path), why, _("Correct `weights`"))
    else:
        if not is_gguf:
            yield _error("weights_damaged", str(path), _("this is no GGUF file"), _("Correct `weights`"))


def _vllm_weights(engine: VllmEngine, where: str) -> Iterator[Finding]:
    is_path = engine.weights.startswith(("/", "./", "../", "~"))
    if is_path and not Path(engine.weights).expanduser().exists():
        why = _("there are no weights at {path}").format(path=engine.weights)
        yield _error("weights_missing", where, why, _("Correct `weights`"))


def _programs(specs: Iterable[EngineSpec]) -> Iterator[Finding]:
    for program in sorted({spec.argv[0] for spec in specs if spec.argv}):
        if shutil.which(program) is None:
            why = _("the program {program} is not found").format(program=program)
            yield _error("program_missing", program, why, _("Install it, or name it in the engine's `program`"))


def _packages(config: Config) -> Iterator[Finding]:
    if is_semantic(config) and any(importlib.util.find_spec(name) is None for name in PACKAGES):
        why = _("the embedding model of the semantic cache is not installed")
        yield _error("semantic_missing", "cache.semantic", why, _("Run make semantic, or disable it"))


def gpus_missing(specs: Iterable[EngineSpec], present: frozenset[str]) -> Iterator[Finding]:
    """GPUs that engines name and that this machine does not have; where it does not tell what it has, none."""
    for spec in specs if present else ():
        for gpu in sorted(gpus(spec) - present):
            why = _("there is no GPU {gpu}: this machine has {present}")
            why = why.format(gpu=gpu, present=", ".join(sorted(present)))
            yield _error("gpu_missing", spec.name, why, _("Correct `gpus`"))


def _disk(folder: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(folder).free
    if free < _DISK_BYTES:
        why = _("only {free} are free on the disk").format(free=show_size(free))
        yield _error("disk_full", str(folder), why, _("Free at least {size}").format(size=show_size(_DISK_BYTES)))


def _error(rule: str, where: str, why: str, fix: str) -> Finding:
    return Finding(rule=rule, severity="error", where=where, why=why, fix=fix)
