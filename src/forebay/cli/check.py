"""`forebay check`: everything that is wrong with the configuration, at once."""

from __future__ import annotations

import click
import msgspec

from forebay.cli.findings import report
from forebay.cli.flags import Flags, common
from forebay.cli.wiring import configuration
from forebay.core.errors import ConfigError
from forebay.lint.run import lint
from forebay.messages import _


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
