"""What runs, and what is to take its place: `running.json` in the state directory.

A command begins a change, the controller ends it, and neither writes in the other's turn. The file holds the whole
configuration, so that no `git checkout`, damaged version or edited file changes what a restarted controller runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from forebay.core.errors import RunError, StateError
from forebay.messages import _
from forebay.release.durable import write_file
from forebay.release.rollout.state import Rollout

Strategy = Literal["auto", "surge", "in-place"]
Phase = Literal["forward", "back"]
Kind = Literal["up", "apply", "rollback"]
Result = Literal["applied", "reverted", "failed"]


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One release as far as it runs: its name in the store, its digest, its effective configuration."""

    name: str
    digest: str
    config: dict[str, object]

    @property
    def short(self) -> str:
        return self.digest[:12]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A release that takes the place of another.

    `slots`: the engines that change; None is all of them and everything else too. With slots the rest stays as it is,
    and the change holds there until its slots are widened, ended or taken back: steps of a rollout.
    `rollout`: how far those steps have come. `beside`: they run beside the ones they replace; `weight` multiplies their
    routing weight; `stands`: they are ready.
    `phase` is `back` once it has failed for `why`; `by_s` (epoch) is when it counts as failed.
    """

    id: str
    kind: Kind
    by: str
    pid: int
    at: float
    by_s: float
    to: Side
    strategy: Strategy = "auto"
    slots: tuple[str, ...] | None = None
    beside: bool = False
    weight: float = 1.0
    stands: bool = False
    phase: Phase = "forward"
    why: str = ""
    reason: str = ""
    rollout: Rollout | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How the last change ended. `failed`: neither the new release nor the old one is wholly ready."""

    id: str
    result: Result
    release: str
    digest: str
    at: float
    why: str = ""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """The release that runs, `change` while another one takes its place, `last` how the change before ended.

    `as_of`: the leadership whose every word this holds, among machines that share a lease; 0 for what a command began.
    """

    environment: str
    release: Side
    previous: str = ""
    change: Change | None = None
    last: Outcome | None = None
    as_of: int = 0

    @property
    def wanted(self) -> Side:
        """What the controller is to bring about."""
        forward = self.change is not None and self.change.phase == "forward"
        return self.change.to if forward and self.change is not None else self.release


def read_running(path: Path) -> Running | None:
    """What runs; None before the first start. StateError where the file is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Running)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        fix = _("Run `forebay down`, remove it, and run `forebay up`")
        raise StateError(_("what runs cannot be read"), where=str(path), fix=fix, detail=str(error)) from error


def write_running(path: Path, running: Running) -> None:
    write_file(path, msgspec.json.encode(running))


def begin(path: Path, running: Running, change: Change) -> None:
    """Write a change for the controller to bring about; RunError where one is under way."""
    refuse_second(running)
    write_running(path, msgspec.structs.replace(running, change=change))


def refuse_second(running: Running) -> None:
    """RunError that says who is at it, where a change is under way."""
    change = running.change
    if change is None:
        return
    on_trial = change.rollout is not None and change.slots is not None
    raise RunError(
        _("{by} (pid {pid}) is applying {name} now").format(by=change.by, pid=change.pid, name=change.to.name),
        fix=_("Wait for it to end, or run `forebay rollout abort`")
        if on_trial
        else _("Wait for it to end: `forebay status` tells"),
        code="apply_under_way",
    )


def ended(running: Running, result: Result, at: float) -> Running:
    """The state once its change has ended so."""
    change = running.change
    assert change is not None  # noqa: S101  only a change can end
    applied = result == "applied"
    return Running(
        environment=running.environment,
        release=change.to if applied else running.release,
        previous=running.release.name if applied and change.to.name != running.release.name else running.previous,
        last=_outcome(change, result, at),
        as_of=running.as_of,
    )


def _outcome(change: Change, result: Result, at: float) -> Outcome:
    to = change.to
    return Outcome(id=change.id, result=result, release=to.name, digest=to.digest, at=at, why=change.why)
