"""Errors that say what is wrong, where, and what to do next.

ForebayError
├── ConfigError      the operator's file: all findings at once, exit 1
├── UsageError       the command line: exit 64
├── StateError       what lies in the state directory is missing, damaged or taken
└── RunError         a program would not start, answer or stop
"""

from __future__ import annotations

from typing import Literal

import msgspec

Severity = Literal["error", "warning", "note"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing found wrong: `why` it is wrong, `where` (file:line: key), and the `fix`."""

    rule: str
    severity: Severity
    where: str
    why: str
    fix: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f"\n  {self.fix}" if self.fix else ""
        return f"{self.severity}: {place}{self.why} [{self.rule}]{advice}"


class ForebayError(Exception):
    """What went wrong, for a person. `detail` is for the log alone and may name internals."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", fix: str = "", code: str = "failed", detail: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f"\n  {self.fix}" if self.fix else ""
        return f"{place}{self.what}{advice}"


class ConfigError(ForebayError):
    """The configuration cannot be used; `findings` holds every reason, not the first."""

    def __init__(self, what: str, *, findings: tuple[Finding, ...] = (), where: str = "", fix: str = "") -> None:
        super().__init__(what, where=where, fix=fix, code="config_invalid")
        self.findings = findings

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *map(str, self.findings)])


class UsageError(ForebayError):
    """The command line asks for something that does not exist."""

    exit_code = 64


class StateError(ForebayError):
    """The state directory holds something unusable."""


class RunError(ForebayError):
    """A program forebay runs did not start, answer or stop as it must."""
