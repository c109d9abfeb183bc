"""A visit's journals as one page with its raw figures: `python -m benchmarks.gpu.report FOLDER --into DIRECTORY`."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.gpu.document import beside
from benchmarks.gpu.foretell import LEARNED
from benchmarks.gpu.lane import Figures, Lane, figures, lane_of
from benchmarks.simulator.foretold import foretold
from forebay.tune.report.measured import read_all
from forebay.tune.simulate.spec import EngineShape, StepTime
from forebay.tune.trial import Trial

LADDERS = {
    "chat": "Chat: most tokens a second with TTFT P95 under 500 ms",
    "batch": "Batch: most tokens a second",
    "low-latency": "1,000 requests at once on SmolLM2: the ladder",
    "parallel": "Two GPUs: one engine on both, or one engine on each",
}
QUICK = 0.68
"""What the ladder that was made by hand left of the baseline's P50."""
SHAPES = "../../../gpu-2026-11-22"
"""Where the shapes of the models lie, seen from a lane's folder."""


def main() -> int:
    """Write README.md and what it is made of."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="what came back: a folder for each part")
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--command", default="", help="how it was run")
    parser.add_argument("--note", type=Path, help="what is to be said before the tables, in Markdown")
    asked = parser.parse_args()
    asked.into.mkdir(parents=True, exist_ok=True)
    lanes = {name: lane for name in (*LADDERS, "killers", "by-hand") if (lane := lane_of(asked.folder / name))}
    parts = [_head(asked, lanes)]
    parts += [_ladder(LADDERS[name], lanes[name]) for name in LADDERS if name in lanes]
    parts += [part for make in (_crowd, _gateway, _simulator) if (part := make(asked.folder))]
    parts.append(beside(lanes, min((row["rung"]["e2e_p99_ms"] for row in _swept(asked.folder)), default=None)))
    (asked.into / "README.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    _keep(asked.folder, asked.into, tuple(lanes))
    sys.stdout.write("\n\n".join(parts) + "\n")
    return 0


def _head(asked: Any, lanes: dict[str, Lane]) -> str:
    began = min((lane.began.at for lane in lanes.values()), default=time.time())
    lines = [f"# On GPUs, {time.strftime('%Y-%m-%d %H:%M', time.gmtime(began))} UTC", ""]
    hardware = asked.folder / "hardware.txt"
    if hardware.exists():
        lines += [". ".join(_hardware(hardware.read_text(encoding="utf-8", errors="replace"))) + ".", ""]
    if asked.command:
        lines += ["```", asked.command, "```", ""]
    if asked.note is not None:
        lines += [asked.note.read_text(encoding="utf-8").strip(), ""]
    lines += [
        "8B is the shape of `model-8b/config.json` (7.3 B parameters) with random weights: speed is real, answers",
        "are not. 512 tokens in, 128 out, no shared prefix. SmolLM2-135M has its real weights: 64 in, 16 out, not",
        "streamed. Tokens a second follow from how long answers take (Little's law). The roofline is the memory's",
        "bandwidth as copying showed it, or the data sheet's arithmetic, whichever is nearer. Journals lie beside this",
        "page, which",
        "`python -m benchmarks.gpu.report` makes of them.",
    ]
    return "\n".join(lines)


def _hardware(text: str) -> Iterator[str]:
    for pattern, words in (
        (r"vllm (\S+) torch (\S+) (.+) (\d+)$", "{3} x {2}, vLLM {0}, torch {1}"),
        (r"Driver Version: (\S+)\s+CUDA Version: (\S+)", "Driver {0}, CUDA {1}"),
        (r"^CPU\(s\):\s+(\d+)", "{0} cores"),
        (r"^Model name:\s+(.+)$", "{0}"),
    ):
        if found := re.search(pattern, text, re.MULTILINE):
            yield words.format(*found.groups())


def _ladder(title: str, lane: Lane) -> str:
    lines = [
        f"## {title}",
        "",
        "| | step | in flight | tokens/s | TTFT P95 ms | TPOT P50 ms | E2E P50 / P95 / P99 ms | roofline | verdict |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for trial in lane.trials:
        best, far = trial.best, trial.distance
        cells = [str(trial.id), trial.label]
        if best is None:
            cells += ["", "", "", "", "", ""]
        else:
            cells += [str(best.concurrency), f"{best.steady_tokens_per_s:,.0f}", f"{best.ttft_p95_ms:,.0f}"]
            whole = " / ".join(f"{each:,.0f}" for each in (best.e2e_p50_ms, best.e2e_p95_ms, best.e2e_p99_ms))
            cells += [f"{best.tpot_p50_ms:.1f}", whole, f"{far.ratio:.0%}" if far is not None else ""]
        lines.append(f"| {' | '.join([*cells, lane.verdict(trial)])} |")
    return "\n".join([*lines, "", *_outcome(lane), *_loads(lane)])


def _outcome(lane: Lane) -> Iterator[str]:
    base, won = lane.starts(lane.began.baseline), lane.starts(lane.winner)
    before, after = figures(base), figures(won)
    if before is None or after is None or lane.winner == lane.began.baseline:
        yield "**Nothing was better than the baseline.**"
        return
    times, p50 = after.tokens_per_s / before.tokens_per_s, after.e2e_p50_ms / before.e2e_p50_ms
    yield (
        f"Best load to best load: **{times:.2f} times** the tokens at {p50:.2f} of P50 ({before.tokens_per_s:,.0f} -> "
        f"{after.tokens_per_s:,.0f} tokens/s; means of {before.starts} and {after.starts} starts)."
    )
    load = base[0].best.concurrency if base[0].best is not None else 0
    equal, mine = figures(won, load), figures(base, load)
    if equal is not None and mine is not None:
        yield (
            f"At the same {load} in flight {equal.tokens_per_s / mine.tokens_per_s:.2f} times, at "
            f"{equal.e2e_p50_ms / mine.e2e_p50_ms:.2f} of P50."
        )
    yield from _as_quick(before, won)
    sure = lane.confirmation
    if sure is None:
        yield "The winner was not confirmed by new starts."
    elif sure.gain is not None and sure.low is not None and sure.high is not None:
        yield f"New starts of both: {sure.gain:.2f} times ({sure.low:.2f} to {sure.high:.2f}), {sure.verdict}."
    changed = lane.winner.difference(lane.began.baseline)
    yield "The winner: " + ", ".join(f"`{key}: {value}`" for key, value in changed.items()) + "."


def _as_quick(before: Figures, won: Sequence[Trial]) -> Iterator[str]:
    """The most that the winner does while it answers as much sooner as the ladder by hand did; and what bounds it."""
    rungs = [rung for trial in won for rung in trial.rungs if rung.e2e_p50_ms <= QUICK * before.e2e_p50_ms]
    best = max(rungs, key=lambda rung: rung.steady_tokens_per_s, default=None)
    if best is not None:
        yield (
            f"At no more than {QUICK} of the baseline's P50: "
            f"{best.steady_tokens_per_s / before.tokens_per_s:.2f} times ({best.concurrency} in flight)."
        )
    far = next((trial.distance for trial in reversed(won) if trial.distance is not None), None)
    if far is not None:
        yield (
            f"Of the winner's time at its best load, reading weights and cache takes {far.bandwidth_ratio:.0%} at the "
            f"speed at which memory copies, and arithmetic {far.compute_ratio:.0%} at the data sheet's."
        )


def _loads(lane: Lane) -> Iterator[str]:
    """Every load of baseline and winner."""
    rows = [
        f"| {name} | {rung.concurrency} | {rung.steady_tokens_per_s:,.0f} | {rung.output_tokens_per_s:,.0f} | "
        f"{rung.ttft_p95_ms:,.0f} | {rung.e2e_p50_ms:,.0f} | {'yes' if rung.keeps else 'no'} |"
        for name, setting in (("baseline", lane.began.baseline), ("winner", lane.winner))
        for trial in lane.starts(setting)
        for rung in trial.rungs
    ]
    if len(rows) > 2 and lane.winner != lane.began.baseline:
        yield from (
            "",
            "| | in flight | tokens/s | counted in the window | TTFT P95 ms | E2E P50 ms | keeps its bounds |",
            "|---|---|---|---|---|---|---|",
        )
        yield from rows


def _swept(folder: Path) -> list[Any]:
    path = folder / "crowd" / "crowd.json"
    rows: list[Any] = msgspec.json.decode(path.read_bytes()) if path.exists() else []
    return rows


def _crowd(folder: Path) -> str:
    rows = _swept(folder)
    if not rows:
        return ""
    lines = [
        "## 1,000 requests at once: engines side by side on one GPU, behind the gateway",
        "",
        "| engines | requests/s | P50 ms | P95 ms | P99 ms | failed | GPU busy | client late (P99) ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        rung = row["rung"]
        cells = [str(row["engines"]), f"{rung['requests_per_s']:,.0f}"]
        cells += [f"{rung[name]:,.0f}" for name in ("e2e_p50_ms", "e2e_p95_ms", "e2e_p99_ms", "failed")]
        cells += [f"{rung['gpu_percent'] or 0:.0f} %", f"{row['lag_p99_ms']:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _gateway(folder: Path) -> str:
    path = folder / "through" / "through.json"
    if not path.exists():
        return ""
    names = {"ttft_p50_ms": "TTFT P50 ms", "ttft_p95_ms": "TTFT P95 ms", "e2e_p50_ms": "E2E P50 ms"}
    names["output_tokens_per_s"] = "tokens/s"
    lines = [
        "## The gateway in the path: direct and through it, in turns",
        "",
        "| in flight | turns | figure | direct | through | difference (95 %) |",
        "|---|---|---|---|---|---|",
    ]
    for row in msgspec.json.decode(path.read_bytes()):
        for name, words in names.items():
            each = row[name]
            change = f"{each['ratio'] - 1:+.1%} ({each['low'] - 1:+.1%} to {each['high'] - 1:+.1%})"
            cells = (str(row["concurrency"]), str(row["turns"]), words)
            lines.append(f"| {' | '.join(cells)} | {each['direct']:,.1f} | {each['gateway']:,.1f} | {change} |")
    return "\n".join(lines)


def _simulator(folder: Path) -> str:
    learned = folder / "through" / "runs" / f"{LEARNED}.json"
    checks = sorted(path for path in learned.parent.glob("*.json") if path != learned)
    if not learned.exists() or not checks:
        return ""
    engine = msgspec.json.decode((folder / "through" / "engine.json").read_bytes())
    args = engine["setting"]["args"]
    shape = EngineShape(
        step=StepTime(fixed_s=0.01, prompt_token_s=2e-5, sequence_s=3e-5, cached_token_s=3e-8),
        max_sequences=args.get("max-num-seqs", 256),
        max_batched_tokens=args.get("max-num-batched-tokens", 8192),
        cache_tokens=int(engine["facts"].get("kv_tokens", 400_000)),
    )
    runs = [read_all(path)[0] for path in checks]
    return foretold("The simulator beside the winner of the chat ladder", read_all(learned), runs, shape).strip()


def _keep(folder: Path, into: Path, lanes: Sequence[str]) -> None:
    """The raw figures, without what only that machine's paths mean."""
    for name in lanes:
        (into / name / "ladder").mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / name / "ladder" / "journal.jsonl", into / name / "ladder" / "journal.jsonl")
        config = (folder / name / "forebay.yaml").read_text(encoding="utf-8")
        config = re.sub(r'"weights": "[^"]*/([^/"]+)"', rf'"weights": "{SHAPES}/\1"', config)
        (into / name / "forebay.yaml").write_text(config, encoding="utf-8")
    for path in ("crowd/crowd.json", "through/through.json", "through/engine.json", "hardware.txt"):
        if (folder / path).exists():
            (into / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / path, into / path)
    for run in (folder / "through" / "runs").glob("*.json"):
        (into / "through" / "runs").mkdir(parents=True, exist_ok=True)
        shutil.copy(run, into / "through" / "runs" / run.name)


if __name__ == "__main__":
    sys.exit(main())
