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
    found = [finding for _name, rule in rules.items() for finding in rule(loaded)]
    return tuple(sorted((*loaded.notes, *found), key=lambda finding: SEVERITIES.index(finding.severity)))
