"""The report of an assessment, for people: one HTML page that needs nothing else."""

from __future__ import annotations

import html
from datetime import UTC, datetime

from forebay.messages import _
from forebay.ops.compliance.run import Assessed, PackReport, Report, Verdict

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#1c2430}
table{border-collapse:collapse;width:100%;margin:1rem 0 2rem}
td,th{border-top:1px solid #d5dbe3;padding:.5rem .6rem;text-align:left;vertical-align:top}
.pass{color:#17663a}.fail{color:#a8200d;font-weight:600}.open{color:#6b7480}
ul{margin:.2rem 0;padding-left:1.1rem;color:#4a5462;font-size:.9em}
@media (prefers-color-scheme:dark){body{background:#12161c;color:#e4e8ee}td,th{border-color:#333c48}ul{color:#a9b3c0}
.pass{color:#6fd39b}.fail{color:#ff8a78}}
"""
_CLASSES: dict[Verdict, str] = {"pass": "pass", "fail": "fail", "not assessed": "open"}


def words(verdict: Verdict) -> str:
    """A verdict in the reader's language."""
    return {"pass": _("pass"), "fail": _("fail"), "not assessed": _("not assessed")}[verdict]


def page(report: Report, language: str) -> str:
    """The whole report as one page in `language`, without anything from elsewhere."""
    when = datetime.fromtimestamp(report.assessed_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    title = _("Compliance of {service}").format(service=report.service)
    about = _("{environment}, assessed {when}; each verdict is what a probe saw at that time.").format(
        environment=report.environment, when=when
    )
    body = "".join(_pack(pack, language) for pack in report.packs)
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style><h1>{html.escape(title)}</h1><p>{html.escape(about)}</p>{body}</html>\n"
    )


def count_line(pack: PackReport) -> str:
    """How many controls have which verdict."""
    return _("{passed} pass, {failed} fail, {open} not assessed").format(
        passed=pack.count("pass"), failed=pack.count("fail"), open=pack.count("not assessed")
    )


def _pack(pack: PackReport, language: str) -> str:
    about = f"{pack.edition}: {count_line(pack)}"
    head = f"<h2>{html.escape(pack.title[language])}</h2><p>{html.escape(about)}</p>"
    names = "".join(
        f"<th>{html.escape(name)}</th>" for name in (_("Clause"), _("Control"), _("Verdict"), _("Evidence"))
    )
    rows = "".join(_row(control, language) for control in pack.controls)
    return f"{head}<table><tr>{names}</tr>{rows}</table>"


def _row(control: Assessed, language: str) -> str:
    cells = (
        f"<td>{html.escape(control.clause)}</td><td>{html.escape(control.title[language])}</td>"
        f'<td class="{_CLASSES[control.verdict]}">{html.escape(words(control.verdict))}</td>'
    )
    return f"<tr>{cells}<td>{_evidence(control)}</td></tr>"


def _evidence(control: Assessed) -> str:
    if not control.outcomes:
        return html.escape(_("No software can see this: show it on paper."))
    texts = []
    for name, outcome in control.outcomes.items():
        seen = "".join(f"<li>{html.escape(line)}</li>" for line in outcome.evidence)
        fix = f"<li>{html.escape(outcome.fix)}</li>" if outcome.fix else ""
        texts.append(
            f'<span class="{_CLASSES[outcome.verdict]}">{html.escape(outcome.why)}</span> <small>{name}</small>'
            f"<ul>{seen}{fix}</ul>"
        )
    return "".join(texts)
