"""Findings for a person, in the operator's language."""

from __future__ import annotations

from collections.abc import Iterable

from forebay.cli.flags import paint
from forebay.core.errors import Finding
from forebay.messages import _, ngettext

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


def told(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """The findings as `-o json` gives them: rule, severity, where, why, fix."""
    return [{name: getattr(finding, name) for name in Finding.__struct_fields__} for finding in findings]


def report(findings: tuple[Finding, ...], subject: str) -> str:
    """The findings and their count."""
    error, warning, note = (sum(finding.severity == kind for finding in findings) for kind in _COLOURS)
    total = _("{subject}: {error}, {warning}, {note}").format(
        subject=subject,
        error=ngettext("{n} error", "{n} errors", error).format(n=error),
        warning=ngettext("{n} warning", "{n} warnings", warning).format(n=warning),
        note=ngettext("{n} note", "{n} notes", note).format(n=note),
    )
    return "\n".join([*lines(findings), total])


def lines(findings: Iterable[Finding]) -> list[str]:
    """One text a finding: severity, place, reason, rule; below it the fix."""
    severities = {"error": _("error"), "warning": _("warning"), "note": _("note")}
    texts = []
    for finding in findings:
        head = paint(severities[finding.severity], _COLOURS[finding.severity])
        place = f"{finding.where}: " if finding.where else ""
        advice = f"\n  {finding.fix}" if finding.fix else ""
        texts.append(f"{head}: {place}{finding.why} [{finding.rule}]{advice}")
    return texts
