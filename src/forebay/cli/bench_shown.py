"""What `forebay bench` has to say to a person: how far it is, what it found, what differs."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterator

import click

from forebay.cli.flags import Flags, columns
from forebay.messages import _
from forebay.tune.load import Told, Workload
from forebay.tune.report.compare import Comparison
from forebay.tune.report.measured import Latency, Measured
from forebay.tune.report.words import arrivals, generator, latencies, verdicts


@contextlib.contextmanager
def live(flags: Flags, load: Workload) -> Iterator[Callable[[Told], None]]:
    """Tells how far a run is on stderr: one line that is written over, or a line now and then without a terminal."""
    shown = sys.stderr.isatty()
    last = -1e9

    def tell(now: Told) -> None:
        nonlocal last
        if flags.verbosity < 0 or now.at_s - last < (0.4 if shown else 10.0):
            return
        last = now.at_s
        text = _("{at:6.1f} s: {sent} sent, {flight} in flight, {failed} failed, {tokens} tokens").format(
            at=now.at_s, sent=now.sent, flight=now.sent - now.ended, failed=now.failed, tokens=now.tokens
        )
        click.echo(f"\r\x1b[K{text}" if shown else text, nl=not shown, err=True)

    flags.say(_("measuring: {load}").format(load=_said(load)))
    try:
        yield tell
    finally:
        if shown and last >= 0:
            click.echo("", err=True)


def answered(flags: Flags, runs: list[Measured]) -> None:
    """Print what was measured: whole as JSON (one object, or a list), short as tables."""
    flags.answer(runs[0] if len(runs) == 1 else runs, lambda: "\n\n".join(table(run) for run in runs))


def table(run: Measured) -> str:
    """One run for a person."""
    rows = [(name, *_figures(each)) for name, each in latencies(run)]
    head = [
        _said(run.workload),
        _("{sent} sent, {completed} answered, {rejected} rejected, {failed} failed in {length:.1f} s").format(
            sent=run.sent,
            completed=run.completed,
            rejected=sum(run.rejected.values()),
            failed=sum(run.failed.values()),
            length=run.steady_s[1] - run.steady_s[0],
        ),
        _("{requests} requests/s, {output} tokens/s out, {input:.0f} tokens/s in").format(
            requests=_rate(run.requests_per_s, run.ci95_requests_per_s),
            output=_rate(run.output_tokens_per_s, run.ci95_output_tokens_per_s),
            input=run.input_tokens_per_s,
        ),
    ]
    if run.goodput_rps is not None and run.attained_ratio is not None:
        head.append(
            _("goodput {goodput:.2f} requests/s: {share:.1%} kept the SLO").format(
                goodput=run.goodput_rps, share=run.attained_ratio
            )
        )
    said = {**run.rejected, **run.failed}
    head += [_("  {count} times {reason}").format(count=count, reason=reason) for reason, count in said.items()]
    names = ("", _("P50 (95 % sure)"), "P90", "P95", "P99", _("95 % sure"), _("mean"), _("max"))
    doubts = [f"! {doubt.text}" for doubt in run.doubts]
    return "\n".join([*head, "", columns(names, rows), "", generator(run.client), *doubts])


def comparison_table(found: Comparison) -> str:
    """What differs, measure by measure."""
    words = verdicts()
    rows = [
        (
            each.name,
            f"{each.before:.4g}",
            f"{each.after:.4g}",
            "-" if each.change_ratio is None else f"{each.change_ratio:+.1%}",
            "-" if each.ci95_change is None else f"{each.ci95_change[0]:+.1%} … {each.ci95_change[1]:+.1%}",
            words[each.verdict],
        )
        for each in found.measures
    ]
    head = ("", _("BEFORE"), _("AFTER"), _("CHANGE"), _("95 % sure"), _("VERDICT"))
    notes = [f"! {note}" for note in found.notes]
    return "\n".join(
        [columns(head, rows), "", _("on the whole: {verdict}").format(verdict=words[found.verdict]), *notes]
    )


def _figures(each: Latency) -> tuple[str, ...]:
    def sure(interval: tuple[float, float] | None) -> str:
        return "" if interval is None else f"{interval[0]:.1f}–{interval[1]:.1f}"

    def told(value: float) -> str:
        return "-" if math.isnan(value) else f"{value:.1f}"

    first = told(each.p50_ms) + (f" ({sure(each.ci95_p50_ms)})" if each.ci95_p50_ms else "")
    tail = (told(value) for value in (each.p90_ms, each.p95_ms, each.p99_ms))
    return (first, *tail, sure(each.ci95_p99_ms) or "-", told(each.mean_ms), told(each.max_ms))


def _rate(value: float, interval: tuple[float, float] | None) -> str:
    return f"{value:.2f}" + (f" ({interval[0]:.2f}–{interval[1]:.2f})" if interval is not None else "")


def _said(load: Workload) -> str:
    lengths = (
        f"{each.shape}:{each.tokens}" if each.shape != "fixed" else str(each.tokens)
        for each in (load.input_tokens, load.output_tokens)
    )
    return _("{how}, {tokens} tokens in/out").format(how=arrivals(load), tokens="/".join(lengths))
