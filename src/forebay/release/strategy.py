"""How an engine is replaced: beside the old one while there is room, or in its place, one at a time. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from forebay.engines.spec import EngineSpec
from forebay.release.running import Strategy


def surges(spec: EngineSpec, fleet: Iterable[EngineSpec], strategy: Strategy) -> bool:
    """Whether the new engine starts beside the old one; `fleet` are all engines of the release that runs.

    `auto` does so where the model has no other engine to carry its calls. On GPUs that are in use, or with a port of
    its own, it never can: waiting for room that only the old engine's end makes would wait for ever.
    """
    fleet = tuple(fleet)
    if strategy == "in-place" or not has_room(spec, fleet):
        return False
    return strategy == "surge" or sum(each.model == spec.model for each in fleet) < 2


def has_room(spec: EngineSpec, fleet: Iterable[EngineSpec]) -> bool:
    """Whether the engine could run beside all of `fleet`."""
    taken = {gpu for each in fleet for gpu in gpus(each)}
    return not spec.port and not taken & gpus(spec)


def gpus(spec: EngineSpec) -> frozenset[str]:
    """The GPUs that an engine's environment names."""
    named = spec.env.get("CUDA_VISIBLE_DEVICES", "").split(",") if spec.argv else []
    return frozenset(each.strip() for each in named if each.strip())
