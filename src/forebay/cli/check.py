"""`forebay check`: everything that is wrong, at once, with forebay.yaml or with what starts vLLM today."""

from __future__ import annotations

from pathlib import Path

import click

from forebay.cli.findings import report, told
from forebay.cli.flags import Flags, common
from forebay.cli.foreign import Source, foreign_findings, refuse_without_source
from forebay.cli.repair import difference, repaired_text, repairs, write
from forebay.cli.upgrade import upgrade_findings
from forebay.cli.wiring import configuration
from forebay.core.errors import ConfigError, Finding, UsageError
from forebay.lint.run import lint
from forebay.messages import _

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(help=_("Check forebay.yaml, or what starts vLLM today; exit 1 where a finding is an error."))
@click.option("--command", metavar="TEXT", help=_("A command line that starts vLLM; it is never run."))
@click.option("--script", type=_FILE, metavar="FILE", help=_("A shell script that starts vLLM; it is never run."))
@click.option("--compose", type=_FILE, metavar="FILE", help=_("A compose file with services that run vLLM."))
@click.option("--vllm-version", metavar="X.Y.Z", help=_("Release of vLLM that the command meets."))
@click.option("--hardware", metavar="NAME[xCOUNT]", help=_("Accelerators that it meets, such as a100x4."))
@click.option(
    "--model-config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=_("The model's config.json, for what must fit and divide."),
)
@click.option("--upgrade-to", metavar="X.Y.Z", help=_("Say only what another release of vLLM would change."))
@click.option("--fix", is_flag=True, help=_("Make the safe repairs in the file; comments stay."))
@common("config", "env", "output", "dry_run")
def check(flags: Flags, *, upgrade_to: str | None, fix: bool, vllm_version: str | None, **where: object) -> int:
    """The answer is the findings, whatever is wrong; only a mistaken command line is none."""
    source = Source(release=vllm_version, **where)  # type: ignore[arg-type]
    refuse_without_source(source)
    if fix and (source.given or upgrade_to):
        what = _("--fix changes forebay.yaml alone")
        raise UsageError(what, fix=_("`forebay init --from-script` writes a forebay.yaml from a script"))
    subject = source.subject if source.given else str(flags.config)
    try:
        findings = _findings(flags, source, upgrade_to, fix=fix)
    except ConfigError as error:
        findings = error.findings or (_as_finding(error),)
        if flags.config.exists():
            flags.say(_("What looks at the file as a whole is checked once these are mended"))
    flags.answer(told(findings), table=lambda: report(findings, subject))
    return int(any(finding.severity == "error" for finding in findings))


def _findings(flags: Flags, source: Source, upgrade_to: str | None, *, fix: bool) -> tuple[Finding, ...]:
    if upgrade_to is not None:
        return upgrade_findings(flags, source, upgrade_to)
    if source.given:
        return foreign_findings(source, flags.environment)
    findings = _repaired(flags) if fix else lint(configuration(flags))
    return (*findings, *_refused(flags))


def _refused(flags: Flags) -> tuple[Finding, ...]:
    """What programs say of the operator's own text."""
    from forebay.render.trial import refusals  # noqa: PLC0415  `--help` needs no renderer

    return tuple(refusals(configuration(flags).config))


def _repaired(flags: Flags) -> tuple[Finding, ...]:
    """What is left after the safe repairs, each of which is told on stderr."""
    loaded = configuration(flags)
    findings = lint(loaded)
    wanted = repairs(findings)
    if not wanted:
        flags.say(_("nothing can be repaired safely"))
        return findings
    before, after = repaired_text(loaded, wanted)
    if flags.dry_run:
        flags.say(difference(before, after, str(flags.config)))
        return findings
    write(flags.config, after, before)
    for finding in wanted:
        flags.say(_("repaired: {where}: {why}").format(where=finding.where, why=finding.why))
    return lint(configuration(flags))


def _as_finding(error: ConfigError) -> Finding:
    return Finding(rule="unreadable", severity="error", where=error.where, why=error.what, fix=error.fix)
