"""An engine's shape without a measurement: from the bytes that a step reads and the operations that it does.

A step reads all weights and the keys and values of its sequences, and does two operations for each parameter and token.
Both add up, as the reference points have it: prompts are bound by arithmetic, decoding by memory, and in one step the
two hardly overlap. `python -m benchmarks.simulator` tells how far this is from what was measured.
"""

from __future__ import annotations

import re

import msgspec

from forebay.config.weights import Weights
from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.tune.capacity.accelerators import Accelerator, Efficiency, accelerator, accelerators
from forebay.tune.simulate.spec import EngineShape, StepTime

_BITS8_BYTES, _BITS16_BYTES = 1.02, 2.0


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """A model as serving sees it. `active_ratio`: the share of its parameters that a token goes through."""

    weight_bytes: float
    parameters: float
    layers: int
    kv_bytes_per_token: int
    hidden: int
    heads: int
    head_size: int
    active_ratio: float = 1.0


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """How the model is served: on which accelerator, on how many, with which of vLLM's flags."""

    accelerator: str
    gpus: int = 1
    eager: bool = False
    asynchronous: bool = True
    fp8_weights: bool = False
    fp8_cache: bool = False
    memory_share: float = 0.92
    max_sequences: int = 256
    max_batched_tokens: int = 8192
    context_tokens: int = 0


def served(weights: Weights, name: str = "", hidden: int = 0) -> Served:
    """What is known of weights; UsageError where it is too little. `name` tells of active parameters: `235B-A22B`."""
    if not (weights.total_bytes and weights.layers and weights.head_size):
        what = _("too little is known of these weights to work out how fast they are")
        raise UsageError(what, fix=_("Name the folder with their config.json, or measure them and give --run"))
    eight = weights.quantisation is not None and "8" in weights.quantisation
    four = weights.quantisation is not None and not eight
    parameters = weights.total_bytes / (0.56 if four else _BITS8_BYTES if eight else _BITS16_BYTES)
    ratio = 1.0
    if match := re.search(r"(\d+(?:\.\d+)?)B-A(\d+(?:\.\d+)?)B", name):
        ratio = float(match[2]) / float(match[1])
    return Served(
        weight_bytes=weights.total_bytes,
        parameters=parameters,
        layers=weights.layers,
        kv_bytes_per_token=weights.kv_bytes_per_token(2),
        hidden=hidden or weights.heads * weights.head_size,
        heads=weights.heads,
        head_size=weights.head_size,
        active_ratio=ratio,
    )


def engine(model: Served, build: Build, efficiency: Efficiency | None = None) -> EngineShape:
    """The engine that this makes; UsageError where the model does not fit or the accelerator cannot do it."""
    card, efficiency = accelerator(build.accelerator), efficiency or accelerators().efficiency
    if build.fp8_weights and not card.fp8_flops:
        what = _("{name} has no FP8 tensor cores").format(name=build.accelerator)
        raise UsageError(what, fix=_("Leave --fp8-weights out, or take another accelerator"))
    if model.heads % build.gpus:
        what = _("{heads} attention heads do not divide among {gpus} GPUs").format(heads=model.heads, gpus=build.gpus)
        raise UsageError(what, fix=_("Take a number of GPUs that divides them, such as 2, 4 or 8"))
    return EngineShape(
        step=_step(model, build, card, efficiency),
        max_sequences=build.max_sequences,
        max_batched_tokens=max(build.max_batched_tokens, build.max_sequences),
        cache_tokens=cache_tokens(model, build, card, efficiency),
    )


def cache_tokens(model: Served, build: Build, card: Accelerator, efficiency: Efficiency) -> int:
    """Tokens that find room beside the weights; UsageError where there is none."""
    room = build.gpus * (card.memory_bytes * build.memory_share - efficiency.reserved_bytes)
    tokens = int((room - _weight_bytes(model, build)) / (model.kv_bytes_per_token / (2 if build.fp8_cache else 1)))
    if tokens < max(build.context_tokens, 16):
        what = _("{gpus} x {name} hold {need:.0f} GB of weights and no cache worth the name").format(
            gpus=build.gpus, name=build.accelerator, need=_weight_bytes(model, build) / 1e9
        )
        raise UsageError(what, fix=_("Take more GPUs an engine, or FP8 weights"), code="does_not_fit")
    return tokens


def _weight_bytes(model: Served, build: Build) -> float:
    return min(model.weight_bytes, model.parameters * _BITS8_BYTES) if build.fp8_weights else model.weight_bytes


def _step(model: Served, build: Build, card: Accelerator, efficiency: Efficiency) -> StepTime:
    bandwidth = card.bandwidth_bytes_s * efficiency.bandwidth_ratio * build.gpus
    flops = card.flops * efficiency.flops_ratio * build.gpus
    if build.fp8_weights:
        flops = card.fp8_flops * efficiency.fp8_flops_ratio * build.gpus
    token_s = 2 * model.parameters * model.active_ratio / flops
    launch_s = efficiency.eager_layer_s if build.eager else efficiency.graph_layer_s
    between = _between(model, build, card, efficiency)
    attention_flops = card.flops * efficiency.flops_ratio * build.gpus
    return StepTime(
        fixed_s=(
            _weight_bytes(model, build) / bandwidth
            + model.layers * launch_s
            + (0.0 if build.asynchronous else efficiency.sync_step_s)
            + between[0]
        ),
        prompt_token_s=token_s + between[1],
        sequence_s=token_s + between[1] + efficiency.sequence_s,
        cached_token_s=model.kv_bytes_per_token / (2 if build.fp8_cache else 1) / bandwidth,
        attention_s=4 * model.layers * model.heads * model.head_size / attention_flops,
        front_s=efficiency.front_s,
        call_s=efficiency.call_s,
    )


def _between(model: Served, build: Build, card: Accelerator, efficiency: Efficiency) -> tuple[float, float]:
    """What GPUs say to each other: two all-reduces a layer, for a step and for each token in it."""
    if build.gpus == 1:
        return 0.0, 0.0
    bytes_of_token = 2 * model.layers * model.hidden * 2 * 2 * (build.gpus - 1) / build.gpus
    return 2 * model.layers * efficiency.link_latency_s, bytes_of_token / (card.link_bytes_s * efficiency.link_ratio)
