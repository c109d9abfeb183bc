"""What follows from a ruling: the next share, the release in force, the way back, or more time. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from forebay.config.schema.rollout import Rollout as Plan
from forebay.release.judge.measures import Outcome
from forebay.release.rollout.state import Rollout

BY_HAND = "waits for `forebay rollout promote` or `abort`"


class Decision(msgspec.Struct, frozen=True):
    """`hold` waits for a person, `wait` for more calls or for the step's end."""

    kind: Literal["wait", "next", "promote", "fail", "hold"]
    why: str = ""


def due(rollout: Rollout, now_at: float) -> bool:
    """Whether the step has had its time, so that a ruling decides."""
    return bool(rollout.step_at) and now_at >= rollout.step_at + rollout.now.lasts_s


def decide(rollout: Rollout, plan: Plan, outcome: Outcome, said: str, now_at: float) -> Decision:
    """What becomes of a step that has had its time. A failure was acted on before."""
    if rollout.paused:
        return Decision("hold", "paused: waits for `forebay rollout resume`")
    if rollout.strategy == "ab":
        return Decision("hold", f"an A/B rollout promotes nothing by itself: {BY_HAND}")
    if outcome == "fail":
        return Decision("fail", said)
    # What was switched at once and kept for its time has no verdict to wait for: the guard saw nothing.
    if outcome == "pass" or rollout.strategy == "blue-green":
        if not rollout.is_last:
            return Decision("next")
        return Decision("promote") if plan.promote == "auto" else Decision("hold", f"all steps passed: {BY_HAND}")
    return _insufficient(rollout, plan, said, now_at)


def _insufficient(rollout: Rollout, plan: Plan, said: str, now_at: float) -> Decision:
    why = f"insufficient data: {said}"
    if plan.on_insufficient == "fail":
        return Decision("fail", why)
    if now_at >= rollout.step_at + rollout.now.lasts_s + plan.patience:
        return Decision("fail", f"{why}; nobody decided in time")
    return Decision("hold", f"{why}; {BY_HAND}") if plan.on_insufficient == "hold" else Decision("wait", why)
