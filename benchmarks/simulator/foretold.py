"""How far the simulator is from measured runs: it learns from some of them and foretells the others."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from forebay.tune.report.measured import Measured
from forebay.tune.simulate.calibrate import calibrate
from forebay.tune.simulate.spec import EngineShape, Fleet
from forebay.tune.simulate.validate import compare


def foretold(title: str, learned: Sequence[Measured], checks: Sequence[Measured], shape: EngineShape) -> str:
    """As a section of Markdown."""
    found = calibrate(learned)
    fleet = Fleet(engines=(msgspec.structs.replace(shape, step=found.step),))
    step = found.step
    lines = [
        f"## {title}",
        "",
        f"Learned from {found.answers} answers, {found.together[0]:.1f} to {found.together[1]:.1f} at once: a step "
        f"takes {1e3 * step.fixed_s:.2f} ms, and for each prompt token {1e6 * step.prompt_token_s:.1f} µs, sequence "
        f"{1e6 * step.sequence_s:.0f} µs, cached token {1e6 * step.cached_token_s:.3f} µs; a call "
        f"{1e3 * step.call_s:.1f} ms beside its steps. Half of the equations are within {found.residual_ratio:.1%}.",
        "",
        "| load | figure | measured | simulated | error |",
        "| --- | --- | --- | --- | --- |",
    ]
    lag_ms = max(run.client.lag_p99_ms for run in (*learned, *checks))
    lines.insert(3, f"The generator was {lag_ms:.0f} ms late at most (P99): what it adds is in the measured figures.\n")
    for name, run in [("the one learned from", each) for each in learned] + [(_name(each), each) for each in checks]:
        for each in compare(run, fleet)[0]:
            cells = (name, each.figure, f"{each.measured:.2f}", f"{each.simulated:.2f}", f"{each.error_ratio:+.1%}")
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _name(run: Measured) -> str:
    come = run.workload.arrivals
    how = f"{come.concurrency} at a time" if come.shape == "closed" else f"{come.shape} {come.rate_rps:g}/s"
    return f"{how}, {run.workload.input_tokens.tokens} in, {run.workload.output_tokens.tokens} out"
