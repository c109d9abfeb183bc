"""What the controller last saw: `run/status.json`, and the answer of `forebay status -o json`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
from msgspec.structs import replace

from forebay.core.errors import StateError
from forebay.core.files import write_atomically
from forebay.messages.reasons import Reason, because

Overall = Literal["starting", "ready", "degraded", "failed", "stopped", "standby"]
Held = Literal["", "no_room", "failed", "unseen", "change"]


class UnitStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A process of the service. `since` and other times are seconds since the epoch; `pid` 0: it does not run.

    `reason` is the text of `cause`. `hopeless`: it is not started any more. `outdated`: it is about to be replaced or
    removed. `ready_after_s`: how long its last start took.
    """

    name: str
    state: str
    reason: str
    url: str
    pid: int
    since: float
    restarts: int = 0
    hopeless: bool = False
    outdated: bool = False
    ready_after_s: float | None = None
    cause: Reason | None = None

    @property
    def said(self) -> Reason:
        """Why; in the words of whoever wrote it where that was an older build."""
        return self.cause or because("said", text=self.reason)


class EngineStatus(UnitStatus, frozen=True, kw_only=True):
    """`slot`: the engine that it is, which another unit of another release may be too.

    `parked`: it does not run because the load needs no more copies.
    """

    model: str
    kind: str
    slot: str = ""
    running: int | None = None
    waiting: int | None = None
    kv_usage_ratio: float | None = None
    orphaned_s: float = 0.0
    parked: bool = False


class WorkerStatus(UnitStatus, frozen=True, kw_only=True):
    snapshot: str


class GatewayStatus(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    admin_url: str
    workers: tuple[WorkerStatus, ...]


class EdgeStatus(UnitStatus, frozen=True, kw_only=True):
    """`url` is where clients go; the gateway's own, and the state `none`, where there is no edge.

    `generation` names the file that it runs, `newest` says whether that is the one on disk: null where it does not say.
    """

    generation: str = ""
    newest: bool | None = None


class StandbyStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A controller of this machine that stands by."""

    name: str
    pid: int
    since: float


class ControllerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """`read_at`: when the configuration was last read; `findings`: why the newest one is not in force, if it is not.

    `leader`: machine and unit of the one that leads, which is the one with `pid` unless all of this machine stand by;
    `lease`: number of its lease, greater than that of any leader before. `leads`: false where a controller of another
    machine does.
    """

    pid: int
    read_at: float
    updated_at: float
    environment: str
    findings: tuple[str, ...] = ()
    leader: str = ""
    lease: int = 0
    leads: bool = True
    standbys: tuple[StandbyStatus, ...] = ()


class DiscoveryStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A source of engines. `trouble`: why its last answer was not taken, empty where it was; `failures` counts those.

    `answered_at`: when it last answered something new, seconds since the epoch.
    """

    name: str
    model: str
    via: str
    engines: int
    trouble: str
    failures: int
    answered_at: float | None


class StoreStatus(msgspec.Struct, frozen=True, kw_only=True):
    """PostgreSQL with the keys of all machines. `trouble`: why it is not heard, empty where it is.

    `confirmed_at`: when it was last heard; `keys_until`: when gateways refuse all keys if it stays silent; `believed`:
    whether they take keys now. `revision`: the number of the last change that reached this machine.
    """

    where: str
    trouble: str
    revision: int
    confirmed_at: float | None
    keys_until: float | None
    believed: bool


class ScalingStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An engine whose copies follow the load: how many are wanted, and why; how many are `ready`.

    `held` says what stands against it, and `held_why`, the text of `cause`: `no_room` for a copy that is wanted; one
    that `failed` and is not started any more; `unseen`: something does not tell its load, so that none goes; `change`:
    a release is being put in force, and the number stays. `expected`: calls in flight that are foretold;
    `no_forecast`: why none are.
    """

    name: str
    model: str
    copies: int
    least: int
    most: int
    why: str
    ready: int = 0
    held: Held = ""
    held_why: str = ""
    cause: Reason | None = None
    expected: float = 0.0
    no_forecast: str = ""

    @property
    def held_shown(self) -> str:
        """What stands against it, in the reader's language."""
        return self.cause.shown if self.cause is not None else self.held_why


class LaneStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A model in a rollout: the engines of both sides, and the calls that speak for each."""

    model: str
    canary: tuple[str, ...]
    baseline: tuple[str, ...]
    canary_calls: int
    baseline_calls: int


class EffectStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How B differs from A in one measure: by how much, how large that is, and how likely by chance."""

    model: str
    measure: str
    change: float
    size: float
    p: float
    text: str


class RolloutStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A release on part of the calls. `step` counts from 1; `step_ends_at` (epoch) is null before its first step.

    `stage`: starting (its engines), watching, paused, held (for a person; `held`, the text of `cause`, says why),
    promoting, back. `outcome` so far is empty before the first ruling; `figures`: a line for every measure of every
    model.
    """

    strategy: str
    stage: str
    step: int
    steps: int
    share_ratio: float
    step_ends_at: float | None
    held: str
    cause: Reason | None = None
    no_baseline: str
    lanes: tuple[LaneStatus, ...] = ()
    outcome: str = ""
    figures: tuple[str, ...] = ()
    effects: tuple[EffectStatus, ...] = ()

    @property
    def held_shown(self) -> str:
        """What it waits for a person for, in the reader's language; empty where it does not."""
        return self.cause.shown if self.cause is not None else self.held


class ReleaseStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The release that runs. `change`: one that takes its place now; `last`: how the change before ended.

    `reverted`: whether that change was taken back. `drift`: what runs and is not what the release says.
    """

    name: str
    digest: str
    change: str = ""
    last: str = ""
    reverted: bool = False
    drift: tuple[str, ...] = ()
    rollout: RolloutStatus | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """`reasons` are the texts of `causes`, for programs."""

    state: Overall
    reasons: tuple[str, ...]
    edge: EdgeStatus
    gateway: GatewayStatus
    console_url: str | None
    """Where the console is; null where there is none."""
    engines: tuple[EngineStatus, ...]
    discovery: tuple[DiscoveryStatus, ...] = ()
    scaling: tuple[ScalingStatus, ...] = ()
    admin: UnitStatus | None = None
    valkey: UnitStatus | None = None
    embedder: UnitStatus | None = None
    audit: UnitStatus | None = None
    watch: UnitStatus | None = None
    store: StoreStatus | None = None
    controller: ControllerStatus
    release: ReleaseStatus | None = None
    snapshot: str
    causes: tuple[Reason, ...] = ()

    def because(self, *causes: Reason, state: Overall | None = None) -> Status:
        """The status with more to tell, and another state where one is given."""
        told = (*self.reasons, *map(str, causes))
        return replace(self, state=state or self.state, reasons=told, causes=(*self.causes, *causes))

    @property
    def shown(self) -> tuple[str, ...]:
        """Why it is as it is, in the reader's language."""
        return tuple(cause.shown for cause in self.causes)

    @property
    def units(self) -> tuple[UnitStatus, ...]:
        """Every unit, the edge first."""
        edge = () if self.edge.state == "none" else (self.edge,)
        others = (unit for unit in self.beside.values() if unit is not None)
        return (*edge, *self.engines, *self.gateway.workers, *others)

    @property
    def beside(self) -> dict[str, UnitStatus | None]:
        """Units of which there is one at most, by field."""
        names = ("admin", "valkey", "embedder", "audit", "watch")
        return {name: getattr(self, name) for name in names}


def write_status(path: Path, status: Status) -> None:
    write_atomically(path, msgspec.json.encode(status))


def read_status(path: Path) -> Status | None:
    """The last status as it was written, in English; None where there is none. StateError where it is damaged."""
    try:
        return _complete(msgspec.json.decode(path.read_bytes(), type=Status))
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise StateError("the status cannot be read", where=str(path), detail=str(error)) from error


def overall(units: tuple[UnitStatus, ...], models: frozenset[str], ready_models: frozenset[str]) -> Overall:
    """One word for the whole: ready when every unit is; degraded when every model still has an engine that answers."""
    states = {unit.state for unit in units if unit.state != "draining"}
    if states <= {"ready"} and models <= ready_models and not any(unit.outdated for unit in units):
        return "ready"
    if any(unit.hopeless for unit in units):
        return "failed"
    if models <= ready_models:
        return "degraded"
    return "starting"


def _complete(status: Status) -> Status:
    """An older build wrote reasons alone: those that repeat a unit's row are told from the others by their text."""
    if status.causes or not status.reasons:
        return status
    rows = (because("unit", name=unit.name, state=because(unit.state), why=unit.said) for unit in status.units)
    known = {str(row): row for row in rows}
    causes = tuple(known.get(text) or because("said", text=text) for text in status.reasons)
    return replace(status, causes=causes)
