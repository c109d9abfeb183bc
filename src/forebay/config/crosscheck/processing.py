"""Purposes that do not exist, and consents that nothing could prove."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.provenance import Node, Path
from forebay.config.schema import Config
from forebay.config.validate import locate
from forebay.core.errors import Finding, Severity
from forebay.messages import _

_TWO_WEEKS_S = 14 * 86_400.0


def processing(config: Config, tree: Node) -> Iterator[Finding]:
    """Every purpose that is named is declared; where one needs consent, each call has a purpose and a record."""
    yield from _undeclared(config, tree)
    yield from _weekly(config, tree)
    needing = sorted(name for name, purpose in config.processing.purposes.items() if purpose.basis == "consent")
    if needing:
        yield from _not_asked_for(config, tree, needing[0])


def _undeclared(config: Config, tree: Node) -> Iterator[Finding]:
    written = config.processing
    named: list[tuple[Path, str | None]] = [
        *((("processing", "stores", name, "purpose"), store.purpose) for name, store in written.stores.items()),
        *((("tenants", name, "purpose"), tenant.purpose or None) for name, tenant in config.tenants.items()),
        (("processing", "calls"), written.calls),
    ]
    for path, purpose in named:
        if purpose is not None and purpose not in written.purposes:
            why = _("there is no purpose {name}").format(name=purpose)
            yield _finding(locate(tree, path), why, _("Declare it under processing.purposes"))


def _not_asked_for(config: Config, tree: Node, name: str) -> Iterator[Finding]:
    """What keeps consent to a purpose from being asked for, shown, or known wherever calls are answered."""
    purpose: Path = ("processing", "purposes", name)
    where = locate(tree, (*purpose, "basis"))
    if config.processing.calls is None:
        why = _("the purpose {name} needs consent, and of calls that name no purpose nobody knows what they are for")
        fix = _("Set processing.calls to the purpose of most calls")
        yield _finding(locate(tree, purpose), why.format(name=name), fix)
    if not config.audit.enabled:
        why = _("the purpose {name} needs consent, and without the audit log nobody could show it")
        yield _finding(where, why.format(name=name), _("Set audit.enabled to true"))
    if config.controller.lease.via == "valkey":
        why = _("the purpose {name} needs consent, and machines that share a lease do not share who consents")
        yield _finding(where, why.format(name=name), _("Let one machine serve what needs consent"))
    elif config.store.postgres is not None:
        why = _("the purpose {name} needs consent, and machines that share keys do not share who consents")
        fix = _("Grant and withdraw on every machine, or let one machine serve what needs consent")
        yield _finding(where, why.format(name=name), fix, "warning")


def _weekly(config: Config, tree: Node) -> Iterator[Finding]:
    said = config.processing.stores.get("audit_log")
    if said is not None and said.retention < _TWO_WEEKS_S:
        where = locate(tree, ("processing", "stores", "audit_log", "retention"))
        why = _("what the audit log says of people goes a week at a time, so that two weeks are the least")
        yield _finding(where, why, _("Set 14d or more"))


def _finding(where: str, why: str, fix: str, severity: Severity = "error") -> Finding:
    return Finding(rule="purpose", severity=severity, where=where, why=why, fix=fix)
