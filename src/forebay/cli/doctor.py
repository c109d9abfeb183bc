"""`forebay doctor`: whether this machine can run the configuration."""

from __future__ import annotations

import time

import click
import msgspec

from forebay.cli.findings import report
from forebay.cli.flags import Flags, common
from forebay.cli.wiring import configuration, state_dir
from forebay.core.errors import ConfigError, Finding
from forebay.lint.run import lint
from forebay.messages import _
from forebay.ops.doctor.run import SEVERITIES, Subject, examine


@click.command(help=_("Check this machine and say how to fix what is wrong; exit 1 where something is."))
@common("config", "env", "output")
def doctor(flags: Flags) -> int:
    """Findings of the machine, and the errors of the configuration: either would stop `up`."""
    findings = _findings(flags)
    failed = any(finding.severity == "error" for finding in findings)
    answer = {"ok": not failed, "findings": [msgspec.structs.asdict(finding) for finding in findings]}
    flags.answer(answer, table=lambda: report(findings, _("this machine")))
    return int(failed)


def _findings(flags: Flags) -> tuple[Finding, ...]:
    try:
        loaded = configuration(flags)
    except ConfigError as error:
        if not error.findings:
            raise
        return error.findings
    machine = examine(Subject(loaded=loaded, state=state_dir(flags), now_s=time.time()))
    broken = (finding for finding in lint(loaded) if finding.severity == "error")
    return tuple(sorted((*machine, *broken), key=lambda finding: SEVERITIES.index(finding.severity)))
