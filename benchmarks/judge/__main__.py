"""`python -m benchmarks.judge [--rollouts N] [--save]`: false alarms and power of the judge, by simulation."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from statistics import median

from benchmarks.judge.traffic import EFFECTS, Effect, traffic
from forebay.release.judge.judge import Judge
from forebay.release.judge.rates import wilson
from forebay.release.judge.tolerance import Tolerance

_LOOK_EVERY = 20
_RESULT = Path(__file__).parents[1] / "results" / "judge.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.judge")
    parser.add_argument("--rollouts", type=int, default=400)
    parser.add_argument("--calls", type=int, nargs="*", default=[200, 1000])
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args()
    lines = [f"| canary | calls a side | {' | '.join(_COLUMNS)} |", "| --- | --- " + "| --- " * len(_COLUMNS) + "|"]
    sys.stdout.write("\n".join(lines) + "\n")
    for effect in EFFECTS:
        for calls in given.calls:
            lines.append(_row(effect, calls, given.rollouts))
            sys.stdout.write(lines[-1] + "\n")
            sys.stdout.flush()
    if given.save:
        _RESULT.write_text(_TEXT.format(rollouts=given.rollouts, alpha=Tolerance().alpha, table="\n".join(lines)))


_COLUMNS = (
    "stopped by the guard",
    "after calls (median)",
    "failed",
    "passed",
    "insufficient data",
    "95 % interval of failed",
)
_TEXT = """# The judge of a rollout: how often it is wrong

`python -m benchmarks.judge --save`: {rollouts} simulated rollouts a row, seeds fixed, the default tolerances, alpha
{alpha} for everything together. The guard looked after every {look} calls. "Failed" includes what the guard stopped.

{table}

Times are log-normal (deviation 0.35 for the first token, 0.15 between tokens), prompts have 32 to 8,192 tokens, a
third of them cached; 0.1 % of all calls fail at the baseline and at a sound canary. The traffic is simulated, the judge
is not.
""".replace("{look}", str(_LOOK_EVERY))


def _row(effect: Effect, calls: int, rollouts: int) -> str:
    outcomes: Counter[str] = Counter()
    stops: list[int] = []
    for seed in range(rollouts):
        judge = Judge(Tolerance())
        stopped = 0
        for count, seen in enumerate(traffic(effect, calls, seed), 1):
            judge.add(seen)
            if count % _LOOK_EVERY == 0 and judge.alarm is not None:
                stopped = count
                break
        if stopped:
            stops.append(stopped // 2)
        outcomes[judge.verdict().outcome] += 1
    low, high = wilson(outcomes["fail"], rollouts, 0.975)
    shares = [f"{outcomes[name] / rollouts:.1%}" for name in ("fail", "pass", "insufficient data")]
    cells = [f"{len(stops) / rollouts:.1%}", str(int(median(stops))) if stops else "", *shares, f"{low:.1%}–{high:.1%}"]
    return f"| {effect.name} | {calls} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
