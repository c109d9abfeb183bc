"""The service as containers, for compose and Kubernetes alike: which images, commands, GPUs and times there are."""

from __future__ import annotations

import math
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import Any

import msgspec

from forebay.config.crosscheck.names import engine_names
from forebay.config.flags import release
from forebay.config.layers import profile
from forebay.config.provenance import plain
from forebay.config.schema import Config, VllmEngine
from forebay.engines.command import command, sequences
from forebay.engines.topology import gpus_of_copy

ENGINE_PORT = 8000
EVERYWHERE = "0.0.0.0"  # noqa: S104  within a container's own network
USER = 10001
"""Whom everything runs as; no image needs a name for it."""
CACHE = "/cache"
WEIGHTS = "/weights"
"""Where a hub's cache is expected when an engine's weights are a hub id."""
SHARED_MEMORY_GIB = 16
"""What NCCL and vLLM's own processes pass through /dev/shm; Docker's default of 64 MiB kills tensor parallelism."""
# Whom a container's GPUs are numbered for: within it they always begin at 0.
_OUTSIDE = {"CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"}
_EXIT_S = 30.0


class EngineContainer(msgspec.Struct, frozen=True, kw_only=True):
    """One copy of a vLLM engine. `index` is its entry's place in the model's list."""

    name: str
    model: str
    index: int
    image: str
    argv: tuple[str, ...]
    env: dict[str, str]
    gpus: tuple[int, ...]
    weights: str
    max_outstanding: int
    start_s: float
    stop_s: float
    nodes: int = 1

    @property
    def start_probes(self) -> int:
        """Health checks ten seconds apart until a start counts as failed."""
        return max(1, math.ceil(self.start_s / 10))


def forebay_image() -> str:
    """The image of this release, from the Dockerfile of the repository."""
    return f"forebay:{version('forebay')}"


def engine_containers(config: Config) -> tuple[EngineContainer, ...]:
    """Every copy of every vLLM engine; embedded engines run where forebay runs."""
    return tuple(
        _container(config, name, index, engine, copy)
        for name, model in config.models.items()
        for index, engine in enumerate(model.engines)
        if isinstance(engine, VllmEngine)
        for copy in range(engine.count)
    )


def gateway_document(config: Config, engines: dict[tuple[str, int], list[dict[str, Any]]]) -> dict[str, Any]:
    """forebay.yaml for the container of the gateway: what is no default, with vLLM engines replaced by `engines`.

    `engines` are entries by model and place. What the environment's profile sets is written out too, because the
    profile is laid below this file again.
    """
    left_out = {"environments", "engine_defaults", "hardware", "scenario", "substrate"}
    document: dict[str, Any] = config.model_dump(mode="json", exclude=left_out, exclude_defaults=True)
    everything = config.model_dump(mode="json", exclude=left_out)
    _keep(document, everything, plain(profile("environments", config.environment).values))
    for name, model in document["models"].items():
        found = [engines.get((name, index), [entry]) for index, entry in enumerate(model["engines"])]
        model["engines"] = [entry for entries in found for entry in entries]
    document["environment"] = config.environment
    document.setdefault("observe", {}).setdefault("metrics", {})["bind"] = EVERYWHERE
    document.setdefault("gateway", {})["bind"] = EVERYWHERE
    return document


def kept(engine: VllmEngine) -> dict[str, Any]:
    """What routing knows of an engine, for the entry that takes its place."""
    keys = {"stall", "weight", "tier", "standby", "adapters", "adapter_slots", "warm_up", "usd_per_million_tokens"}
    dumped: dict[str, Any] = engine.model_dump(mode="json", include=keys, exclude_defaults=True)
    return dumped


def health_command(url: str) -> list[str]:
    """Asks a health route; every image has Python, not every one curl."""
    return ["python3", "-c", f"import urllib.request as request; request.urlopen('{url}', timeout=5)"]


def _container(config: Config, model: str, index: int, engine: VllmEngine, copy: int) -> EngineContainer:
    gpus = gpus_of_copy(engine, copy)
    made = command(
        engine, served_name=model, release=release(engine.release), defaults=config.engine_defaults.vllm, gpus=gpus
    )
    argv = [word.replace("{port}", str(ENGINE_PORT)) for word in made.argv]
    argv[argv.index("--host") + 1] = EVERYWHERE
    home = {"HOME": CACHE, "USER": "forebay", "LOGNAME": "forebay", "HF_HOME": WEIGHTS}
    env = {name: value for name, value in made.env.items() if name not in _OUTSIDE} | home
    weights = engine.weights if engine.weights.startswith("/") else ""
    return EngineContainer(
        name=engine_names(model, engine)[copy],
        model=model,
        index=index,
        image=f"vllm/vllm-openai:v{engine.release}",
        argv=tuple(argv),
        env=dict(sorted(env.items())),
        gpus=gpus,
        weights=str(PurePosixPath(weights)) if weights else "",
        max_outstanding=engine.max_outstanding or sequences(made.args, config.hardware),
        start_s=engine.start,
        stop_s=engine.drain + engine.shutdown + _EXIT_S,
        nodes=engine.nodes,
    )


def _keep(document: dict[str, Any], everything: Any, wanted: Any) -> None:
    """Take over the values of `everything` at the leaves of `wanted`."""
    for key, below in (wanted or {}).items():
        if key not in everything:
            continue
        if isinstance(below, dict):
            _keep(document.setdefault(key, {}), everything[key], below)
        else:
            document[key] = everything[key]
