"""Engines that lie on several machines, or whose number a cluster changes: what they ask for, and who can give it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

from forebay.config.flags import Release
from forebay.config.schema import VllmEngine
from forebay.config.schema.engines import OwnedEngine
from forebay.config.schema.scale import EngineScale
from forebay.core.errors import Finding
from forebay.engines.topology import gpus_needed
from forebay.engines.vllm_args import Arg
from forebay.messages import _

_FULL = 0.8
# What `nodes` sets; each machine gets its own.
_OWN = ("--nnodes", "--node-rank", "--master-addr", "--headless")


def spread_findings(engine: VllmEngine, args: Mapping[str, Arg], release: Release, where: str) -> Iterator[Finding]:
    """What `nodes` and `scale` cannot be, wherever the engine runs."""
    yield from scale_findings(engine, where)
    if engine.nodes == 1:
        return
    if "--nnodes" not in release:
        why = _("vLLM {release} cannot spread over machines by itself").format(release=engine.release)
        yield _error("nodes", f"{where}.nodes", why, _("Take vLLM 0.12.0 or newer"))
    for name in _OWN:
        if name in args:
            why = _("{name} is set from nodes, for each machine").format(name=name)
            yield _error("nodes", f"{where}.args.{name[2:]}", why, _("Remove it"))
    if gpus_needed(args) % engine.nodes:
        why = _("{gpus} GPUs do not divide evenly among {nodes} machines").format(
            gpus=gpus_needed(args), nodes=engine.nodes
        )
        fix = _("Set tensor-parallel-size and pipeline-parallel-size to fit")
        yield _error("nodes", f"{where}.nodes", why, fix)


def scale_findings(engine: OwnedEngine, where: str) -> Iterator[Finding]:
    """What `scale` cannot be, wherever the engine runs."""
    scale = engine.scale
    if scale is None:
        return
    least = max([scale.least, *(each.least for each in scale.windows)])
    if least > scale.most:
        why = _("least ({least}) is above most ({most})").format(least=least, most=scale.most)
        yield _error("scale", f"{where}.scale.least", why, _("Set least to most or below"))
    try:
        ZoneInfo(scale.zone)
    except (ValueError, OSError):  # a name that is none, or that leads out of the database
        why = _("there is no time zone {name}").format(name=scale.zone)
        yield _error("scale", f"{where}.scale.zone", why, _("Name one as Asia/Shanghai or UTC"))


def calls_for_a_copy(scale: EngineScale, places: int) -> int:
    """Calls above which another copy comes; by default a part of what one holds, for a copy takes time to come."""
    return scale.calls or max(1, math.floor(places * _FULL))


def unstartable(engine: OwnedEngine, where: str) -> Iterator[Finding]:
    """Why forebay itself cannot start the engine, on any substrate: it starts one unit on one machine for each copy."""
    fix = _("Run it with `forebay render kubernetes`, or start it elsewhere and list it as `external`")
    if isinstance(engine, VllmEngine) and engine.nodes > 1:
        why = _("a copy lies on {nodes} machines, and forebay starts engines on one").format(nodes=engine.nodes)
        yield _error("nodes", f"{where}.nodes", why, fix)
    if engine.scale is not None and engine.scale.most > engine.count:
        why = _("there are {count} copies to be had, and most is {most}").format(
            count=engine.count, most=engine.scale.most
        )
        yield _error("scale", f"{where}.scale.most", why, _("Set count to most; or {fix}").format(fix=fix))


def _error(rule: str, where: str, why: str, fix: str) -> Finding:
    return Finding(rule=rule, severity="error", where=where, why=why, fix=fix)
