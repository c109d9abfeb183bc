"""Purposes that do not exist, and consents that nothing could prove."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.provenance import Node, Path
from forebay.config.schema import Config
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.messages import _

_TWO_WEEKS_S = 14 * 86_400.0


def processing(config: Config, tree: Node) -> Iterator[Finding]:
    """Every purpose that is named is declared; where one needs consent, each call has a purpose and a record."""
    written = config.processing
    named: list[tuple[Path, str]] = [
        (("processing", "stores", name, "purpose"), store.purpose) for name, store in written.stores.items()
    ]
    named += [
        (("tenants", name, "purpose"), tenant.purpose) for name, tenant in config.tenants.items() if tenant.purpose
    ]
    if written.calls is not None:
        named.append((("processing", "calls"), written.calls))
    for path, purpose in named:
        if purpose not in written.purposes:
            why = _("there is no purpose {name}").format(name=purpose)
            fix = _("Declare it under processing.purposes")
            yield Finding(rule="purpose", severity="error", where=locate(tree, path), why=why, fix=fix)
    yield from _weekly(config, tree)
    needing = sorted(name for name, purpose in written.purposes.items() if purpose.basis == "consent")
    if needing and written.calls is None:
        why = _("the purpose {name} needs consent, and of calls that name no purpose nobody knows what they are for")
        fix = _("Set processing.calls to the purpose of most calls")
        where = locate(tree, ("processing", "purposes", needing[0]))
        yield Finding(rule="purpose", severity="error", where=where, why=why.format(name=needing[0]), fix=fix)
    if needing and not config.audit.enabled:
        why = _("the purpose {name} needs consent, and without the audit log nobody could show it")
        where = locate(tree, ("processing", "purposes", needing[0], "basis"))
        fix = _("Set audit.enabled to true")
        yield Finding(rule="purpose", severity="error", where=where, why=why.format(name=needing[0]), fix=fix)
    if needing and config.controller.lease.via == "valkey":
        why = _("the purpose {name} needs consent, and machines that share a lease do not share who consents")
        where = locate(tree, ("processing", "purposes", needing[0], "basis"))
        fix = _("Let one machine serve what needs consent")
        yield Finding(rule="purpose", severity="error", where=where, why=why.format(name=needing[0]), fix=fix)
    elif needing and config.store.postgres is not None:
        why = _("the purpose {name} needs consent, and machines that share keys do not share who consents")
        where = locate(tree, ("processing", "purposes", needing[0], "basis"))
        fix = _("Grant and withdraw on every machine, or let one machine serve what needs consent")
        yield Finding(rule="purpose", severity="warning", where=where, why=why.format(name=needing[0]), fix=fix)


def _weekly(config: Config, tree: Node) -> Iterator[Finding]:
    said = config.processing.stores.get("audit_log")
    if said is not None and said.retention < _TWO_WEEKS_S:
        where = locate(tree, ("processing", "stores", "audit_log", "retention"))
        why = _("what the audit log says of people goes a week at a time, so that two weeks are the least")
        yield Finding(rule="purpose", severity="error", where=where, why=why, fix=_("Set 14d or more"))
