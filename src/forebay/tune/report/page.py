"""One page in HTML that holds everything: figures, plots and doubts of one run, of two, or of a whole curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from forebay.messages import _, spoken
from forebay.tune.report.compare import compare
from forebay.tune.report.figures import against_load, distributions, hardware, over_time
from forebay.tune.report.measured import Latency, Measured
from forebay.tune.report.words import arrivals, generator, latencies, verdicts

_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#667;--paper:#fff;--rule:#e3e6ea;--warn:#8a5300;--soft:#fff6e5}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--dim:#9aa3ad;--paper:#14171b;--rule:#2b3138;--warn:#ffc46b;--soft:#2c2413}}
body{font:15px/1.5 system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif;color:var(--ink);background:var(--paper);
 max-width:1340px;margin:0 auto;padding:24px}
h1{font-size:24px;margin:0 0 4px}h2{font-size:18px;margin:32px 0 8px}p.dim,td.dim,th{color:var(--dim)}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:4px 12px 4px 0;text-align:right;
 border-bottom:1px solid var(--rule);font-weight:400}th:first-child,td:first-child{text-align:left}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:12px}figure{margin:0}
svg{width:100%;height:auto}.title{font-size:14px;fill:var(--ink)}.tick,.axis{font-size:11px;fill:var(--dim)}
.grid{stroke:var(--rule)}polyline{fill:none;stroke-width:2}line:not(.grid){stroke-width:1.5}
.c0{stroke:#2f6fde}.c1{stroke:#d8622a}.c2{stroke:#2a9060}.c3{stroke:#9351c4}.c4{stroke:#b8860b}.c5{stroke:#5b7083}
.c0.fill,.c0.dot,.c0.key{fill:#2f6fde}.c1.fill,.c1.dot,.c1.key{fill:#d8622a}.c2.fill,.c2.dot,.c2.key{fill:#2a9060}
.c3.fill,.c3.dot,.c3.key{fill:#9351c4}.c4.fill,.c4.dot,.c4.key{fill:#b8860b}.c5.fill,.c5.dot,.c5.key{fill:#5b7083}
.fill{fill-opacity:.18;stroke:none}ul.doubts{background:var(--soft);color:var(--warn);padding:10px 30px;
 border-radius:6px}
.better{color:#2a9060}.worse{color:#d0432b}summary{cursor:pointer;color:var(--dim)}pre{overflow:auto;color:var(--dim)}
"""


def page(runs: Sequence[Measured]) -> str:
    """The report of one run or more, in the language that is spoken now."""
    title, models = escape(_("Load test")), escape(", ".join(dict.fromkeys(run.target.model for run in runs)))
    body = [f"<h1>{title}: {models}</h1>"]
    body.append(f'<p class="dim">{escape(_when(runs))}</p>')
    body.append(_summary(runs))
    if len(runs) == 2:
        body.append(_compared(runs[0], runs[1]))
    if len(runs) > 1:
        body.append(_section(_("Latency against load"), against_load(runs)))
    body.append(_section(_("Distributions"), distributions(runs)))
    for number, run in enumerate(runs, 1):
        name = _("Run {number}").format(number=number) if len(runs) > 1 else _("Run")
        body.append(f"<h2>{escape(name)}: {escape(arrivals(run.workload))}</h2>")
        body.append(_doubts(run) + _figures(run))
        body.append(_plots([*over_time(run), *hardware(run)]))
        body.append(_counters(run))
    return (
        f'<!doctype html><html lang="{spoken()}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>{''.join(body)}{_definitions()}</body></html>\n"
    )


def _section(name: str, plots: Sequence[str]) -> str:
    drawn = _plots(plots)
    return f"<h2>{escape(name)}</h2>{drawn}" if drawn else ""


def _plots(plots: Sequence[str]) -> str:
    drawn = "".join(plots)
    return f'<div class="plots">{drawn}</div>' if drawn else ""


def _when(runs: Sequence[Measured]) -> str:
    first = min(run.started_at for run in runs)
    told = datetime.fromtimestamp(first, UTC).strftime("%Y-%m-%d %H:%M UTC") if first else ""
    tools = ", ".join(dict.fromkeys(f"{run.tool} {run.version}".strip() for run in runs))
    where = ", ".join(dict.fromkeys(f"{run.target.url}{run.target.path}" for run in runs if run.target.url))
    return " · ".join(part for part in (told, tools, where) if part)


def _summary(runs: Sequence[Measured]) -> str:
    head = (
        "",
        _("requests/s"),
        _("output tokens/s"),
        _("TTFT P50/P99, ms"),
        _("TPOT P50/P99, ms"),
        _("E2E P50/P99, ms"),
        _("goodput, requests/s"),
        _("failed"),
    )
    rows = []
    for run in runs:
        whole = run.scheduled_e2e or run.e2e
        good = "–" if run.goodput_rps is None else f"{run.goodput_rps:.2f} ({run.attained_ratio or 0:.1%})"
        pairs = (_pair(run.ttft), _pair(run.tpot), _pair(whole))
        lost = f"{run.sent - run.completed} / {run.sent}"
        rates = (f"{run.requests_per_s:.2f}", f"{run.output_tokens_per_s:.1f}")
        rows.append((arrivals(run.workload), *rates, *pairs, good, lost))
    return _table(head, rows)


def _compared(before: Measured, after: Measured) -> str:
    words = verdicts()
    found = compare(before, after)
    rows = []
    for each in found.measures:
        sure = "–" if each.ci95_change is None else f"{each.ci95_change[0]:+.1%} … {each.ci95_change[1]:+.1%}"
        change = "–" if each.change_ratio is None else f"{each.change_ratio:+.1%}"
        verdict = f'<span class="{each.verdict}">{escape(words[each.verdict])}</span>'
        texts = (each.name, f"{each.before:.4g}", f"{each.after:.4g}", change, sure)
        cells = "".join(f"<td>{escape(text)}</td>" for text in texts)
        rows.append(f"<tr>{cells}<td>{verdict}</td></tr>")
    head = ("", _("BEFORE"), _("AFTER"), _("CHANGE"), _("95 % sure"), _("VERDICT"))
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    notes = "".join(f'<p class="dim">{escape(note)}</p>' for note in found.notes)
    said = _("on the whole: {verdict}").format(verdict=words[found.verdict])
    table, name = f"<table><tr>{top}</tr>{''.join(rows)}</table>", escape(_("Before and after"))
    return f"<h2>{name}</h2>{table}<p>{escape(said)}</p>{notes}"


def _figures(run: Measured) -> str:
    head = ("", "P50", "P90", "P95", "P99", _("mean"), _("max"), _("P50, 95 % sure"), _("P99, 95 % sure"))
    rows = [(name, *_cells(each)) for name, each in latencies(run)]
    said = {**run.rejected, **run.failed}
    lost = "".join(f"<li>{count} × {escape(reason)}</li>" for reason, count in said.items())
    told = generator(run.client) if run.client.processes else ""
    return _table(head, rows) + (f"<ul>{lost}</ul>" if lost else "") + f'<p class="dim">{escape(told)}</p>'


def _cells(each: Latency) -> tuple[str, ...]:
    values = (each.p50_ms, each.p90_ms, each.p95_ms, each.p99_ms, each.mean_ms, each.max_ms)
    sure = (each.ci95_p50_ms, each.ci95_p99_ms)
    shown = tuple("–" if math.isnan(value) else f"{value:.1f}" for value in values)
    return (*shown, *("–" if ends is None else f"{ends[0]:.1f} … {ends[1]:.1f}" for ends in sure))


def _doubts(run: Measured) -> str:
    items = "".join(f"<li>{escape(doubt.text)}</li>" for doubt in run.doubts)
    return f'<ul class="doubts">{items}</ul>' if items else ""


def _counters(run: Measured) -> str:
    if run.engine is None:
        return ""
    gauges = {name: (f"{value:.4g}", f"{run.engine.peaks[name]:.4g}") for name, value in run.engine.gauges.items()}
    rows = [(name, f"{value:.6g}", "") for name, value in run.engine.counters.items() if value]
    rows += [(name, mean, peak) for name, (mean, peak) in gauges.items()]
    table = _table((_("engine"), _("growth, or mean"), _("peak")), rows)
    name = escape(_("Counters of the engines"))
    return f"<details><summary>{name}</summary>{table}</details>"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _pair(each: Latency | None) -> str:
    return "–" if each is None else f"{each.p50_ms:.0f} / " + ("–" if math.isnan(each.p99_ms) else f"{each.p99_ms:.0f}")


def _definitions() -> str:
    texts = (
        _("TTFT: from the moment a request was due to its first token. TPOT: (last - first token) / (tokens - 1)."),
        _("ITL: all gaps between events with text, pooled. E2E: from the sending; as scheduled: from when it was due."),
        _("Goodput: answers per second that kept every bound. Failed and rejected requests never do."),
    )
    return "".join(f'<p class="dim">{escape(text)}</p>' for text in texts)
