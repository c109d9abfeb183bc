"""The report of a ladder as one HTML file that needs nothing else."""

from __future__ import annotations

from html import escape

from forebay.tune.told import Step, Told

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:#1b2733}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #dde3ea;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.kept{background:#eef8f0}.no{color:#7a5a00}pre{background:#f4f6f8;padding:1rem;overflow:auto}
.doubt{background:#fff6e0;padding:.5rem 1rem;border-left:4px solid #e0a800}small{color:#5a6b7b}
"""
_WIDTH, _HEIGHT, _MARGIN = 720, 300, 48
_COLOURS = ("#8a97a5", "#1f77b4", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#17becf")


def page(told: Told) -> str:
    """The whole page."""
    title = f"forebay tune run {told.model}: {told.objective.name}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(told.objective.about)}<br><small>{escape(_machine(told))}</small></p>",
        f"<p>{told.trials} trials, {told.sessions} sessions: {escape(told.why)}. Two starts of one setting differ by "
        f"{told.noise_sd:.1%} (one standard deviation).</p>",
        *(f"<p class=doubt>{escape(doubt)}</p>" for doubt in told.doubts),
        "<h2>Before and after</h2>",
        _sides(told),
        "<h2>Latency against load</h2>",
        _curves(told),
        "<h2>Steps</h2>",
        _steps(told),
        _refused(told),
        f"<h2>The change of forebay.yaml</h2><pre>{escape(told.patch)}</pre>" if told.patch else "",
    ]
    body = "\n".join(parts)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        f"<style>{_STYLE}</style><body>{body}</body></html>\n"
    )


def _machine(told: Told) -> str:
    machine = told.machine
    speed = f", {machine.bandwidth_bytes_s / 1e12:.2f} TB/s ({machine.how})" if machine.bandwidth_bytes_s else ""
    return f"{machine.name}{speed}"


def _sides(told: Told) -> str:
    rows = "".join(
        f"<tr><td>{escape(side.figure)}<td class=n>{side.before:,.1f}<td class=n>{side.after:,.1f}"
        f"<td class=n>{side.change:+.1%}</tr>"
        for side in told.sides
    )
    return f"<table><tr><th>Figure<th class=n>Baseline<th class=n>Winner<th class=n>Change</tr>{rows}</table>"


def _steps(told: Told) -> str:
    head = "<tr><th class=n>#<th>Change<th class=n>Tokens/s<th class=n>Times<th class=n>Load<th class=n>TTFT P95"
    head += "<th class=n>E2E P50 / P99<th class=n>Roofline<th>Held back by<th>Verdict</tr>"
    return f"<table>{head}{''.join(map(_step, told.steps))}</table>"


def _step(step: Step) -> str:
    kept = ' class="kept"' if step.verdict == "better" else ""
    best = step.best
    figures = (
        f"<td class=n>{best.steady_tokens_per_s:,.0f}<td class=n>{step.times or 0:.2f}<td class=n>{best.concurrency}"
        f"<td class=n>{best.ttft_p95_ms:,.0f}<td class=n>{best.e2e_p50_ms:,.0f} / {best.e2e_p99_ms:,.0f}"
        if best
        else "<td><td><td><td><td>"
    )
    far = f"{step.distance.ratio:.0%}" if step.distance else ""
    causes = "<br>".join(escape(f"{cause.what}: {cause.evidence}") for cause in step.causes[:2])
    return (
        f"<tr{kept}><td class=n>{step.trial}<td>{escape(step.label)}<br><small>start {step.start_s:.0f} s</small>"
        f"{figures}<td class=n>{far}<td><small>{causes}</small><td>{_verdict(step)}</tr>"
    )


def _verdict(step: Step) -> str:
    words = escape(step.verdict or step.outcome)
    if step.gain is not None and step.low is not None and step.high is not None:
        words += f"<br>{step.gain - 1:+.1%} <small>({step.low - 1:+.1%} to {step.high - 1:+.1%})</small>"
    notes = [step.why, "confirmed" if step.confirmed else ""]
    if step.drift_nats is not None:
        notes.append(f"answers drift by {step.drift_nats:.3f} nats")
    return words + "".join(f"<br><small>{escape(note)}</small>" for note in notes if note)


def _refused(told: Told) -> str:
    if not told.refused:
        return ""
    rows = "".join(f"<tr><td>{escape(name)}<td>{escape(why)}</tr>" for name, why in sorted(told.refused.items()))
    return f"<h2>Not tried</h2><table>{rows}</table>"


def _curves(told: Told) -> str:
    """E2E P50 over tokens a second, a line for each setting that was measured."""
    lines = [(step, sorted(step.rungs, key=lambda rung: rung.concurrency)) for step in told.steps if step.rungs]
    if not lines:
        return ""
    most_x = max(rung.steady_tokens_per_s for _step_, rungs in lines for rung in rungs) or 1.0
    most_y = max(rung.e2e_p50_ms for _step_, rungs in lines for rung in rungs) or 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        return _MARGIN + x / most_x * (_WIDTH - 2 * _MARGIN), _HEIGHT - _MARGIN - y / most_y * (_HEIGHT - 2 * _MARGIN)

    drawn = []
    for number, (step, rungs) in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [at(rung.steady_tokens_per_s, rung.e2e_p50_ms) for rung in rungs]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for (x, y), rung in zip(points, rungs, strict=True):
            tip = f"{step.label}: {rung.concurrency} in flight, {rung.steady_tokens_per_s:,.0f} tokens/s"
            drawn.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"><title>{escape(tip)}</title></circle>'
            )
        drawn.append(f'<text x="{points[-1][0] + 6:.1f}" y="{points[-1][1]:.1f}" font-size="12">{step.trial}</text>')
    bottom, left = _HEIGHT - _MARGIN, _MARGIN
    axes = (
        f'<path d="M{left} {_MARGIN}V{bottom}H{_WIDTH - _MARGIN}" fill="none" stroke="#5a6b7b"/>'
        f'<text x="{_WIDTH - _MARGIN}" y="{_HEIGHT - 14}" text-anchor="end" font-size="12">'
        f"output tokens/s, up to {most_x:,.0f}</text>"
        f'<text x="{left}" y="{_MARGIN - 14}" font-size="12">E2E P50 ms, up to {most_y:,.0f}</text>'
    )
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="100%" role="img">{axes}{"".join(drawn)}</svg>'
