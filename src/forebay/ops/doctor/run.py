"""Every check of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from forebay.config.load import Loaded
from forebay.core.errors import Finding, Severity
from forebay.core.registry import Registry
from forebay.store.state_dir import StateDir


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What is examined: a configuration, its state directory, and the clock to judge certificates by."""

    loaded: Loaded
    state: StateDir
    now_s: float

    @property
    def base(self) -> Path:
        """The configuration's directory, which relative paths start from."""
        return self.loaded.path.resolve().parent


Check = Callable[[Subject], Iterable[Finding]]
SEVERITIES = ("error", "warning", "note")
checks: Registry[Check] = Registry("doctor check")


def examine(subject: Subject) -> tuple[Finding, ...]:
    """All findings, errors first; what is merely worth knowing, such as versions, is a note."""
    checks.load("forebay.ops.doctor.checks")
    found = [finding for _name, check in checks.items() for finding in check(subject)]
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))


def finding(rule: str, severity: Severity, where: str, why: str, fix: str = "") -> Finding:
    """A finding of a check."""
    return Finding(rule=rule, severity=severity, where=where, why=why, fix=fix)
