"""What follows from a ruling: the next share, the release in force, the way back, or more time. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from forebay.config.schema.rollout import Rollout as Plan
from forebay.messages.reasons import Reason, because
from forebay.release.judge.measures import Outcome
from forebay.release.rollout.state import Rollout


class Decision(msgspec.Struct, frozen=True):
    """`hold` waits for a person, `wait` for more calls or for the step's end."""

    kind: Literal["wait", "next", "promote", "fail", "hold"]
    why: Reason | None = None


def due(rollout: Rollout, now_at: float) -> bool:
    """Whether the step has had its time, so that a ruling decides."""
    return bool(rollout.step_at) and now_at >= rollout.step_at + rollout.now.lasts_s


def decide(rollout: Rollout, plan: Plan, outcome: Outcome, said: str, now_at: float) -> Decision:
    """What becomes of a step that has had its time. A failure was acted on before."""
    if rollout.paused:
        return Decision("hold", because("rollout_paused"))
    if rollout.strategy == "ab":
        return Decision("hold", because("rollout_of_two"))
    if outcome == "fail":
        return Decision("fail", because("said", text=said))
    # What was switched at once and kept for its time has no verdict to wait for: the guard saw nothing.
    if outcome == "pass" or rollout.strategy == "blue-green":
        if not rollout.is_last:
            return Decision("next")
        return Decision("promote") if plan.promote == "auto" else Decision("hold", because("rollout_passed"))
    return _insufficient(rollout, plan, said, now_at)


def _insufficient(rollout: Rollout, plan: Plan, said: str, now_at: float) -> Decision:
    why = because("data_short", why=said)
    if plan.on_insufficient == "fail":
        return Decision("fail", why)
    if now_at >= rollout.step_at + rollout.now.lasts_s + plan.patience:
        return Decision("fail", because("rollout_undecided", why=why))
    return (
        Decision("hold", because("rollout_by_hand", why=why))
        if plan.on_insufficient == "hold"
        else Decision("wait", why)
    )
