"""What the gateway costs in the path of a real engine: direct and through it in turns, at several loads.

With `--ladder` the engine is the winner of that ladder, and runs for the simulator are made before.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from benchmarks.gpu import foretell
from forebay.config.load import load
from forebay.core.errors import ForebayError
from forebay.tune.engine import Starter, cores
from forebay.tune.front import Front
from forebay.tune.journal import NAME, Began, Decided, read_events
from forebay.tune.load import ClientLimits, measure
from forebay.tune.load.target import Target
from forebay.tune.load.workload import Lengths
from forebay.tune.objective import Objective
from forebay.tune.rung import load_of, rung_of
from forebay.tune.setting import Setting
from forebay.tune.space import space_of
from forebay.tune.stats import paired
from forebay.tune.trial import Rung

ROUNDS = 12
LOADS = (1, 16, 64)
WARM_S, WINDOW_S = 1.0, 4.0
LIMITS = ClientLimits(lag_p99_ms=50.0, lag_ratio=0.25, cpu_share=0.98)
"""Wide: what the client is late falls on both sides alike."""


def main() -> int:
    """Start the engine, put a gateway before it, and measure both in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-c", "--config", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--gpu", type=int)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--loads", default=",".join(map(str, LOADS)))
    parser.add_argument("--ladder", type=Path, help="folder of the journal whose winner is started")
    parser.add_argument("--input-tokens", type=int, default=512)
    parser.add_argument("--output-tokens", type=int, default=128)
    asked = parser.parse_args()
    until_s = time.monotonic() + asked.seconds
    loaded = load(asked.config)
    model = next(iter(loaded.config.models))
    space = space_of(loaded, model, scenario=None, cores=cores(), gpu=asked.gpu)
    starter = Starter(space, asked.out / "state", asked.out / ".vllm-cache")
    starter.sweep()
    try:
        setting = _winner(asked.ladder) if asked.ladder else space.baseline()
        running = starter.start(setting, "through", 400.0, until_s)
        (asked.out / "engine.json").write_bytes(msgspec.json.encode({"setting": setting, "facts": running.facts}))
        url, key = Front(starter, space).start(running.urls)
        metrics = (f"{running.urls[0]}/metrics",)
        targets = {
            "direct": Target(url=running.urls[0], model=model, engine_metrics_urls=metrics),
            "gateway": Target(url=url, model=model, key=key, engine_metrics_urls=metrics),
        }
        if asked.ladder:
            foretell.measured(targets["direct"], asked.out / "runs", until_s)
        _turns(asked, targets, until_s)
    finally:
        starter.stop()
    return 0


def _winner(ladder: Path) -> Setting:
    """What stood after the last decision, else the baseline."""
    path = ladder / NAME
    events = read_events(path.read_bytes(), path)
    decided = [event for event in events if isinstance(event, Decided)]
    if decided:
        return decided[-1].present
    return next(event for event in events if isinstance(event, Began)).baseline


def _turns(asked: Any, targets: dict[str, Target], until_s: float) -> None:
    """Each turn is written when it has ended."""
    aim = Objective(
        name="through",
        about="",
        input_tokens=Lengths(tokens=asked.input_tokens),
        output_tokens=Lengths(tokens=asked.output_tokens),
    )
    loads = [int(each) for each in asked.loads.split(",")]
    found: dict[int, dict[str, list[Rung]]] = {each: {"direct": [], "gateway": []} for each in loads}
    for turn in range(ROUNDS):
        for concurrency in loads:
            # Each side goes first as often: what drifts falls on both.
            for side in ("direct", "gateway") if turn % 2 == 0 else ("gateway", "direct"):
                if time.monotonic() + 2 * (WARM_S + WINDOW_S) > until_s:
                    return
                # Prompts of the same turn are the same on both sides.
                work = load_of(aim, concurrency, warm_s=WARM_S, window_s=WINDOW_S, seed=turn)
                try:
                    seen = measure(targets[side], work, processes=1 + concurrency // 64, limits=LIMITS)
                except ForebayError as error:  # a load that is too slow, or too fast for this client, is left out
                    sys.stderr.write(f"{side} at {concurrency}: {error}\n")
                    continue
                found[concurrency][side].append(rung_of(seen, aim, concurrency))
        rows = [_compared(load_, sides) for load_, sides in found.items() if min(map(len, sides.values())) > 1]
        (asked.out / "through.json").write_bytes(msgspec.json.format(msgspec.json.encode(rows)))


def _compared(concurrency: int, sides: dict[str, list[Rung]]) -> dict[str, Any]:
    pairs = list(zip(sides["direct"], sides["gateway"], strict=False))
    row: dict[str, Any] = {"concurrency": concurrency, "turns": len(pairs)}
    for figure in ("ttft_p50_ms", "ttft_p95_ms", "e2e_p50_ms", "output_tokens_per_s"):
        direct, gateway = ([getattr(each, figure) for each in side] for side in zip(*pairs, strict=True))
        ratio = paired(direct, gateway)
        row[figure] = {
            "direct": median(direct),
            "gateway": median(gateway),
            "ratio": ratio.value,
            "low": ratio.low,
            "high": ratio.high,
        }
    return row


if __name__ == "__main__":
    sys.exit(main())
