"""`python -m benchmarks.simulator [--vllm] [--runs A.json B.json] [--calls N] [--save]`: errors, and time a call."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from benchmarks.simulator.fitting import fit
from benchmarks.simulator.foretold import foretold
from benchmarks.simulator.real import ENGINE_ARGS, measured
from forebay.tune.capacity import reference
from forebay.tune.capacity.demand import day
from forebay.tune.load.workload import Arrivals, Lengths, Slo, Workload
from forebay.tune.report.measured import read_all
from forebay.tune.simulate.play import play
from forebay.tune.simulate.spec import EngineShape, Fleet, StepTime
from forebay.tune.simulate.traffic import traffic

_RESULT = Path(__file__).parents[1] / "results" / "simulator.md"
# An engine about as fast as the reference's step C: it carries 50 calls a second, so 12 carry 500 with one lost.
_STEP = StepTime(fixed_s=0.0062, prompt_token_s=2.1e-5, sequence_s=2.8e-5, cached_token_s=2.7e-8, front_s=0.0015)
_ENGINE = EngineShape(step=_STEP, max_sequences=256, max_batched_tokens=8192, cache_tokens=800_000)
_ENGINES = 13


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.simulator")
    parser.add_argument("--calls", type=float, default=10e6, help="calls of the day that is played; 0 plays none")
    parser.add_argument("--held-out", type=int, default=0, metavar="TRIALS", help="fit anew without each of B, C and D")
    parser.add_argument("--vllm", action="store_true", help="learn from a real vLLM on this CPU, and foretell others")
    parser.add_argument(
        "--runs", type=Path, nargs="*", default=[], help="measured runs: learn from the first, foretell the rest"
    )
    parser.add_argument("--max-sequences", type=int, default=256, help="of the engine of --runs")
    parser.add_argument("--max-batched-tokens", type=int, default=8192, help="of the engine of --runs")
    parser.add_argument("--cache-tokens", type=int, default=400_000, help="of the engine of --runs")
    parser.add_argument("--keep", type=Path, help="file for the runs of --vllm, to be given to --runs again")
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args()
    parts = [_reference()]
    if given.held_out:
        parts.append(_held_out(given.held_out))
    if given.vllm:
        with tempfile.TemporaryDirectory() as folder:
            learned, checks = measured(Path(folder))
        if given.keep is not None:
            given.keep.write_bytes(b"[%b]" % b",".join(run.encode() for run in (learned, *checks)))
        shape = EngineShape(step=_STEP, **ENGINE_ARGS)
        parts.append(foretold("A real vLLM 0.32 on a CPU, SmolLM2-135M", [learned], checks, shape))
    if given.runs:
        runs = [run for file in given.runs for run in read_all(file)]
        shape = EngineShape(
            step=_STEP, max_sequences=given.max_sequences, max_batched_tokens=given.max_batched_tokens,
            cache_tokens=given.cache_tokens,
        )  # fmt: skip
        parts.append(foretold("Measured runs", runs[:1], runs[1:], shape))
    if given.calls:
        parts.append(_day(given.calls))
    text = "\n".join(parts)
    sys.stdout.write(text)
    if given.save:
        words = " ".join(sys.argv[1:])
        _RESULT.write_text(f"# The simulator beside real engines\n\n`python -m benchmarks.simulator {words}`\n\n{text}")


def _reference() -> str:
    lines = [
        "## The analytic model",
        "",
        f"Reference: {reference.source()}.",
        "Measured / by the analytic model, played by the simulator. The model's efficiencies were fitted to these very",
        "points: this tells how well one set of them fits all, not how well it foretells others.",
        "",
        "| point | " + " | ".join(each.figure for each in reference.errors(reference.points()[0])) + " |",
        "| --- " * (1 + len(reference.errors(reference.points()[0]))) + "|",
    ]
    for at in reference.points():
        cells = (
            f"{each.measured:.0f} / {each.simulated:.0f} ({each.error_ratio:+.1%})" for each in reference.errors(at)
        )
        lines.append(f"| {at.name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _held_out(trials: int) -> str:
    """A alone tells what eager costs, and E what FP8 does: only the others can be left out."""
    lines = [
        "## Points that the fit has not seen",
        "",
        f"The efficiencies fitted anew to the other four points ({trials} trials), for each of three that is left out.",
        "",
        "| left out | figure | measured | foretold | error |",
        "| --- | --- | --- | --- | --- |",
    ]
    for out in (each for each in reference.points() if each.name in "BCD"):
        found = fit([each for each in reference.points() if each is not out], trials)
        for each in reference.errors(out, found):
            cells = (out.name, each.figure, f"{each.measured:.0f}", f"{each.simulated:.0f}", f"{each.error_ratio:+.1%}")
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _day(calls: float) -> str:
    # The day keeps its shape and its peak: less calls are a shorter day, not an emptier one.
    whole = day(10e6, 500.0)
    steps = tuple(msgspec.structs.replace(step, duration_s=step.duration_s * calls / 10e6) for step in whole.steps())
    load = Workload(
        arrivals=Arrivals(shape="steps", steps=steps),
        input_tokens=Lengths(shape="lognormal", tokens=400, deviation=0.6, most=8000),
        output_tokens=Lengths(shape="lognormal", tokens=110, deviation=0.5, most=2000),
        duration_s=None,
    )
    began_s = time.process_time()
    found = play(Fleet(engines=(_ENGINE,) * _ENGINES), traffic(load), slo=Slo(ttft_ms=500), slice_s=steps[0].duration_s)
    took_s = time.process_time() - began_s
    good = found.attained_ratio or 0.0
    return (
        f"## A day of {found.sent:,} calls\n\n"
        f"{_ENGINES} engines, 500 calls a second at the peak: {took_s:.0f} s of CPU on one core, "
        f"{1e6 * took_s / found.sent:.1f} µs a call.\n{good:.2%} of the calls had their first token within 500 ms.\n"
    )


if __name__ == "__main__":
    main()
