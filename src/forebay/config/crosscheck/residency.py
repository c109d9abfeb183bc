"""Tenants that are bound to a region where nothing stands."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.provenance import Node
from forebay.config.schema import Config
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.messages import _


def residency(config: Config, tree: Node) -> Iterator[Finding]:
    """A region that no engine names: every call of the tenant would be refused."""
    known = {engine.region for model in config.models.values() for engine in model.engines if engine.region}
    for name, tenant in config.tenants.items():
        if tenant.region is not None and tenant.region not in known:
            why = _("no engine stands in the region {name}").format(name=tenant.region)
            fix = _("Set `region` of the engines that stand there")
            if known:
                fix = _("Write one of: {names}").format(names=", ".join(sorted(known)))
            where = locate(tree, ("tenants", name, "region"))
            yield Finding(rule="tenant_region", severity="error", where=where, why=why, fix=fix)
