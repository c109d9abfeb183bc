"""Limits that contradict one another, or that nothing could enforce."""

from __future__ import annotations

import re
from collections.abc import Iterator

from forebay.config.provenance import Node, Path, show_path
from forebay.config.schema import Config
from forebay.config.schema.limits import Bounds
from forebay.config.validate import locate
from forebay.core.errors import Finding, Severity
from forebay.messages import _

_SLOWEST_SHARE = 3
_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{10}")  # as keys are given theirs


def limits(config: Config, tree: Node) -> Iterator[Finding]:
    """One key under two tenants, money without a price, a lease too short to be renewed."""
    yield from _one_owner(config, tree)
    yield from _money_has_a_price(config, tree)
    yield from _lease_has_a_place(config, tree)
    valkey = config.valkey
    if valkey.kind != "none" and valkey.lease < _SLOWEST_SHARE * max(valkey.reply, 0.1):
        why = _("the lease {lease:g} s is too short to be renewed in time").format(lease=valkey.lease)
        fix = _("Make it at least three times valkey.reply, and no less than 300ms")
        where = locate(tree, ("valkey", "lease"))
        yield Finding(rule="valkey_lease", severity="error", where=where, why=why, fix=fix)


def _lease_has_a_place(config: Config, tree: Node) -> Iterator[Finding]:
    if config.controller.lease.via != "valkey" or config.valkey.kind == "external":
        return
    why = _("controllers of several machines need a Valkey that none of them runs")
    where = locate(tree, ("controller", "lease", "via"))
    fix = _("Set valkey.kind to external, or controller.lease.via to file")
    yield Finding(rule="lease_valkey", severity="error", where=where, why=why, fix=fix)


def _one_owner(config: Config, tree: Node) -> Iterator[Finding]:
    owners: dict[str, Path] = {}
    for name, tenant in config.tenants.items():
        for key in tenant.keys:
            path: Path = ("tenants", name, "keys", key)
            if not _ID.fullmatch(key):
                continue  # a name: tenants name their keys as they like
            if key not in owners:
                owners[key] = path
                continue
            why = _("the key {key} is also {other}").format(key=key, other=show_path(owners[key]))
            fix = _("Remove one of the two: a key belongs to one tenant")
            yield Finding(rule="key_owner", severity="error", where=locate(tree, path), why=why, fix=fix)


def _money_has_a_price(config: Config, tree: Node) -> Iterator[Finding]:
    priced = [model.price.input_usd or model.price.output_usd for model in config.models.values()]
    if all(priced):
        return
    for path, bounds in _bounds(config):
        for measure in ("usd_per_day", "usd_per_month"):
            if getattr(bounds, measure) is None:
                continue
            severity: Severity = "warning" if any(priced) else "error"
            why = _("money is bounded, but a model has no price: its tokens cost nothing")
            fix = _("Set models.*.price")
            where = locate(tree, (*path, measure))
            yield Finding(rule="no_price", severity=severity, where=where, why=why, fix=fix)


def _bounds(config: Config) -> Iterator[tuple[Path, Bounds]]:
    yield ("limits", "key"), config.limits.key
    yield ("limits", "tenant"), config.limits.tenant
    for name, tenant in config.tenants.items():
        if tenant.limits is not None:
            yield ("tenants", name, "limits"), tenant.limits
        for key, bounds in tenant.keys.items():
            yield ("tenants", name, "keys", key), bounds
    for name, model in config.models.items():
        yield ("models", name, "limits"), model.limits
