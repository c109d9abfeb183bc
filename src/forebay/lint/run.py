"""Every rule over loaded values."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from forebay.config.load import Loaded
from forebay.core.errors import Finding
from forebay.core.registry import Registry

Rule = Callable[[Loaded], Iterable[Finding]]
SEVERITIES = ("error", "warning", "note")

rules: Registry[Rule] = Registry("lint rule")


def lint(loaded: Loaded) -> tuple[Finding, ...]:
    """The notes of loading and the findings of all rules, errors first."""
    if not list(rules):
        rules.load("forebay.lint.rules")
    found = [*loaded.notes, *(finding for _name, rule in rules.items() for finding in rule(loaded))]
    return tuple(sorted(_once(found), key=lambda finding: SEVERITIES.index(finding.severity)))


def _once(findings: list[Finding]) -> list[Finding]:
    """A profile's value that reaches several engines is told once."""
    kept: dict[tuple[str, ...], Finding] = {}
    for finding in findings:
        place = finding.where.partition(": ")[0] if finding.where.startswith("profiles/") else finding.where
        kept.setdefault((finding.rule, place, finding.why), finding)
    return list(kept.values())
