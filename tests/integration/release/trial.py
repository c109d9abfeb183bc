"""What tests of rollouts share: steps of seconds, tolerances that no busy machine exceeds, and how one has ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from forebay.release.running import Change, read_running
from forebay.testing.service import Service

FAULTY = Path(__file__).parent / "faulty_build"
# No noise of a loaded machine is as large; what is tolerated here is ten times the usual.
WIDE = {
    "ttft_ratio": 20,
    "itl_ratio": 20,
    "slow_odds": 500,
    "slow_rise": 0.98,
    "error_rise": 0.6,
    "length_ratio": 20,
    "finish_odds": 500,
    "finish_rise": 0.98,
    "confidence": 0.6,
}
STEPS = [{"share": "40%", "lasts": "2s", "least_calls": 4}, {"share": "50%", "lasts": "2s", "least_calls": 4}]
ENDLESS = [{"share": "50%", "lasts": "1h", "least_calls": 1000000}]


def plan(**plan: Any) -> dict[str, Any]:
    """The section `rollout` of such a trial."""
    return {"steps": STEPS, "tolerance": WIDE, **plan}


def change(service: Service) -> Change | None:
    found = read_running(service.state.running)
    return found.change if found is not None else None


def name(service: Service) -> str:
    """The release that runs."""
    found = read_running(service.state.running)
    assert found is not None
    return found.release.name


def last(service: Service) -> tuple[str, str]:
    """How the last change ended, and why."""
    found = read_running(service.state.running)
    assert found is not None
    assert found.last is not None
    return found.last.result, found.last.why


def step_of(service: Service) -> int:
    """0 before the first step, and again when there is no rollout."""
    found = change(service)
    if found is None or found.rollout is None or not found.rollout.step_at or found.slots is None:
        return 0
    return found.rollout.step + 1
