"""Rollouts that could not be made as they are written."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from forebay.config.provenance import Node, Path
from forebay.config.schema import Config
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.messages import _


def rollout(config: Config, tree: Node) -> Iterator[Finding]:
    """Shares that do not rise, tenants that nobody knows, a judge that has nothing to read."""
    chosen = config.rollout
    for index, (before, after) in enumerate(pairwise(chosen.steps), 1):
        if after.share <= before.share:
            why = _("the shares must rise: {after:.10g}% follows {before:.10g}%").format(
                after=100 * after.share, before=100 * before.share
            )
            yield _finding(tree, ("rollout", "steps", index, "share"), why, _("Make each step larger than the last"))
    if chosen.strategy == "ab" and len(chosen.steps) > 1:
        why = _("A and B are compared at one share: there is one step")
        yield _finding(tree, ("rollout", "steps"), why, _("Keep one of the steps"))
    if chosen.strategy == "blue-green" and chosen.steps:
        why = _("a blue-green rollout switches at once: it has no steps")
        yield _finding(tree, ("rollout", "steps"), why, _("Leave them out; `keep` says how long the old engines stay"))
    for index, tenant in enumerate(chosen.tenants):
        if tenant not in config.tenants:
            why = _("there is no tenant {name}").format(name=tenant)
            fix = _("Add it to tenants, or write one of: {names}").format(names=", ".join(config.tenants) or "-")
            yield _finding(tree, ("rollout", "tenants", index), why, fix)
    if chosen.strategy != "none" and not config.observe.log.access:
        why = _("the judge reads the access log, and none is written")
        yield _finding(tree, ("observe", "log", "access"), why, _("Set observe.log.access to true"))


def _finding(tree: Node, path: Path, why: str, fix: str) -> Finding:
    return Finding(rule="rollout", severity="error", where=locate(tree, path), why=why, fix=fix)
