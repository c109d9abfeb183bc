"""`forebay check`: everything that is wrong with the configuration, at once."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from forebay.cli.flags import Flags, common, paint
from forebay.cli.wiring import configuration
from forebay.core.errors import ConfigError, Finding
from forebay.lint.run import lint
from forebay.messages import _

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


@click.command(help=_("Check the configuration and show every finding; exit 1 where one is an error."))
@common("config", "env", "output")
def check(flags: Flags) -> int:
    """Load and lint; the answer is the findings either way."""
    try:
        findings = lint(configuration(flags))
    except ConfigError as error:
        if not error.findings:
            raise
        findings = error.findings
    failed = any(finding.severity == "error" for finding in findings)
    answer = {"ok": not failed, "findings": [msgspec.structs.asdict(finding) for finding in findings]}
    flags.answer(answer, table=lambda: report(findings, str(flags.config)))
    return int(failed)


def report(findings: tuple[Finding, ...], file: str) -> str:
    """The findings for a person, and their count."""
    counts: dict[str, Any] = {kind: sum(f.severity == kind for f in findings) for kind in _COLOURS}
    total = _("{file}: {error} errors, {warning} warnings, {note} notes").format(file=file, **counts)
    return "\n".join([*map(_line, findings), total])


def _line(finding: Finding) -> str:
    severities = {"error": _("error"), "warning": _("warning"), "note": _("note")}
    head = paint(severities[finding.severity], _COLOURS[finding.severity])
    place = f"{finding.where}: " if finding.where else ""
    advice = f"\n  {finding.fix}" if finding.fix else ""
    return f"{head}: {place}{finding.why} [{finding.rule}]{advice}"
