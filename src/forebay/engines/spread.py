"""Engines that lie on several machines, or whose number a cluster changes: what they ask for, and who can give it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from forebay.config.flags import Release
from forebay.config.schema import VllmEngine
from forebay.core.errors import Finding
from forebay.engines.topology import gpus_needed
from forebay.engines.vllm_args import Arg
from forebay.messages import _

# What `nodes` sets; each machine gets its own.
_OWN = ("--nnodes", "--node-rank", "--master-addr", "--headless")


def spread_findings(engine: VllmEngine, args: Mapping[str, Arg], release: Release, where: str) -> Iterator[Finding]:
    """What `nodes` and `scale` cannot be, wherever the engine runs."""
    if engine.scale is not None and engine.scale.least > engine.scale.most:
        why = _("least ({least}) is above most ({most})").format(least=engine.scale.least, most=engine.scale.most)
        yield _error("scale", f"{where}.scale.least", why, _("Set least to most or below"))
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


def unstartable(engine: VllmEngine, where: str) -> Iterator[Finding]:
    """Why forebay itself cannot start the engine, on any substrate: it starts one unit on one machine for each copy."""
    fix = _("Run it with `forebay render kubernetes`, or start it elsewhere and list it as `external`")
    if engine.nodes > 1:
        why = _("a copy lies on {nodes} machines, and forebay starts engines on one").format(nodes=engine.nodes)
        yield _error("nodes", f"{where}.nodes", why, fix)
    if engine.scale is not None:
        yield _error("scale", f"{where}.scale", _("forebay runs as many copies as count says"), fix)


def _error(rule: str, where: str, why: str, fix: str) -> Finding:
    return Finding(rule=rule, severity="error", where=where, why=why, fix=fix)
