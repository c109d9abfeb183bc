"""The record of processing activities for people: Markdown, and one HTML page that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from forebay.messages import _
from forebay.ops.compliance.record import Activity, Record
from forebay.ops.compliance.report import STYLE

_Rows = list[tuple[str, Sequence[str]]]


def markdown(made: Record) -> str:
    """A heading for each part, a table of what is said there."""
    parts = [f"# {_title(made)}\n"]
    for title, rows in _parts(made):
        lines = [f"| **{_cell(name)}** | {'<br>'.join(map(_cell, values)) or '–'} |" for name, values in rows]
        parts.append("\n".join([f"## {_cell(title)}\n", "| | |", "|---|---|", *lines]) + "\n")
    return "\n".join(parts)


def page(made: Record, language: str) -> str:
    """The record as one page in `language`."""
    body = "".join(_section(title, rows) for title, rows in _parts(made))
    title = html.escape(_title(made))
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title>'
        f"<style>{STYLE}</style><h1>{title}</h1>{body}</html>\n"
    )


def _title(made: Record) -> str:
    return _("Record of processing activities: {service}").format(service=made.service)


def _parts(made: Record) -> Iterator[tuple[str, _Rows]]:
    yield (
        _("Who is responsible"),
        [
            (_("Responsible"), _said(made.responsible)),
            (_("Data protection officer"), _said(made.officer)),
            (_("Environment"), [made.environment]),
            (_("Made at"), [made.made_at]),
        ],
    )
    for activity in made.activities:
        yield _("Activity: {name}").format(name=activity.purpose), list(_rows(activity))
    yield (
        _("For all activities"),
        [
            (_("Who computes answers"), made.engines),
            (_("Measures"), made.measures),
            (_("Not declared, or declared otherwise"), made.gaps),
        ],
    )


def _rows(activity: Activity) -> Iterator[tuple[str, Sequence[str]]]:
    yield _("Purpose"), [activity.why]
    yield _("Legal basis"), [activity.basis]
    yield _("Whose data"), activity.people
    yield _("Recipients"), activity.recipients
    if activity.calls:
        yield _("Calls"), [_("requests and answers pass the engines and are kept by the stores below alone")]
    for kept in activity.kept:
        text = _("kept for at most {retention} in {place}").format(retention=kept.retention, place=kept.place)
        region = [_("region: {name}").format(name=kept.region)] if kept.region else []
        yield kept.store, [kept.about, ", ".join(kept.fields), text, *region]


def _said(text: str) -> list[str]:
    return [text or _("not stated")]


def _cell(text: str) -> str:
    return html.escape(text, quote=False).replace("|", "\\|")


def _section(title: str, rows: _Rows) -> str:
    cells = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{'<br>'.join(map(html.escape, values)) or '–'}</td></tr>"
        for name, values in rows
    )
    return f"<h2>{html.escape(title)}</h2><table>{cells}</table>"
