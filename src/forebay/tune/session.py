"""One session of a ladder: what was asked, put together, climbed and told."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from forebay.config.load import Loaded
from forebay.core.errors import StateError, UsageError
from forebay.core.files import write_atomically
from forebay.messages import _
from forebay.tune.budget import pace_of
from forebay.tune.carry import carried, patch
from forebay.tune.engine import Starter, cores
from forebay.tune.hardware import Machine, machine_of
from forebay.tune.journal import Began, Ended, Journal
from forebay.tune.ladder import Climbed, Ladder, Rules, Way
from forebay.tune.live import Conduct, Live
from forebay.tune.load.workload import Lengths
from forebay.tune.objective import Objective, objective
from forebay.tune.quality import labelled
from forebay.tune.space import Space, space_of
from forebay.tune.stage import ORDER
from forebay.tune.told import Told, told_of

if TYPE_CHECKING:
    from forebay.tune.front import Build

_SHORT_WINDOW_S, _LONG_WINDOW_S = 6.0, 15.0
_SHORT_RUNGS, _LONG_RUNGS = 3, 5
_SEARCHED = 40
_STAGE_STARTS = 24
"""With fewer starts than this in the budget, changes are tried in strides."""

_UNASKED = {"gateway": False, "spellings": None, "loads": "fading"}
"""What journals that were begun before it could be asked, or was done, hold of it."""

Say = Callable[[str], None]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The command line. None leaves a choice to forebay; `window`, `ttft` and `budget` are in seconds."""

    model: str
    out: Path
    objective: str = "chat"
    budget: float = 1800.0
    resume: bool = False
    only_plan: bool = False
    gpu: int | None = None
    way: Literal["auto", "stages", "strides"] = "auto"
    input_tokens: int | None = None
    output_tokens: int | None = None
    shared_prefix: float | None = None
    shared_prefixes: int | None = None
    spellings: int | None = None
    repeats: float | None = None
    concurrency: int | None = None
    ttft: float | None = None
    window: float | None = None
    rungs: int | None = None
    quality: Path | None = None
    floor: float | None = None
    usd_per_hour: float | None = None
    most_usd: float | None = None
    search: bool = False
    gateway: bool = False
    only: tuple[str, ...] = ()
    write: bool = False
    release: bool = False

    @property
    def budget_s(self) -> float:
        """The time that both bounds leave."""
        if self.usd_per_hour and self.most_usd is not None:
            return min(self.budget, self.most_usd / self.usd_per_hour * 3600)
        return self.budget


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A trial that would be made; `seconds` from the start until it has ended."""

    step: str
    change: str
    why: str
    seconds: float | None = None

    @property
    def row(self) -> tuple[str, str, str, str]:
        return self.step, self.change, self.why, "" if self.seconds is None else f"{self.seconds:.0f} s"


def run(loaded: Loaded, asked: Asked, say: Say, build: Build | None = None) -> Told:
    """Climb within the budget, write journal and reports, and tell what came of it.

    `build` makes a gateway of a configuration, where the ladder is to go through one.
    """
    began_s = time.monotonic()
    aim = objective_of(asked)
    space = _space(loaded, asked)
    with Journal(asked.out) as journal:
        starter = Starter(space, asked.out / "state", _cache(asked.out))
        starter.sweep()
        machine = _machine(loaded, asked, journal)
        way = _begin(journal, asked, space, machine)
        rules = _rules(asked, way, say, began_s)
        conduct = Conduct(
            window_s=rules.window_s,
            most_rungs=rules.rungs,
            start_s=space.engine.start,
            gpu=asked.gpu,
            labelled=labelled(asked.quality) if asked.quality else (),
            floor=asked.floor,
            machine=machine,
            build=build,
            say=say,
        )
        source = Live(space, aim, starter, conduct)
        climbed = Ladder(space, aim, source, journal, rules).climb(space.baseline())
        say(climbed.why)
        journal.append(Ended(at=time.time(), why=climbed.why, finished=climbed.finished))
        told = told_of(climbed, journal, aim, machine)
    return _written(told, climbed, space, asked)


def planned(loaded: Loaded, asked: Asked) -> list[Planned]:
    """What a session would do if every change were kept, and when the budget ends it."""
    from forebay.tune.plan import plan  # noqa: PLC0415

    space = _space(loaded, asked)
    rules = _rules(asked, way_of(asked, space), _silent, 0.0)
    return [Planned(**each) for each in plan(space, objective_of(asked), rules)]


def _space(loaded: Loaded, asked: Asked) -> Space:
    unknown = [name for name in asked.only if name not in ORDER]
    if unknown:
        known = _("Known: {known}").format(known=", ".join(ORDER))
        raise UsageError(_("there is no stage {name}").format(name=unknown[0]), fix=known)
    found = space_of(loaded, asked.model, scenario=asked.objective, cores=cores(), gpu=asked.gpu)
    return msgspec.structs.replace(found, through=asked.gateway, only=asked.only)


def objective_of(asked: Asked) -> Objective:
    """The objective with what the command line says otherwise."""
    aim = objective(asked.objective)
    changed: dict[str, Any] = {}
    if asked.input_tokens is not None:
        changed["input_tokens"] = Lengths(tokens=asked.input_tokens)
    if asked.output_tokens is not None:
        changed["output_tokens"] = Lengths(tokens=asked.output_tokens)
    if asked.shared_prefix is not None:
        changed["shared_prefix_share"] = asked.shared_prefix
    if asked.shared_prefixes is not None:
        changed["shared_prefixes"] = asked.shared_prefixes
    if asked.spellings is not None:
        changed["shared_spellings"] = asked.spellings
    if asked.repeats is not None:
        changed["repeat_share"] = asked.repeats
    if asked.concurrency is not None:
        changed["concurrency"] = asked.concurrency
        changed["most_concurrency"] = (
            max(aim.most_concurrency, asked.concurrency) if aim.goal == "throughput" else asked.concurrency
        )
    if asked.ttft is not None:
        changed["slo"] = msgspec.structs.replace(aim.slo, ttft_p95_ms=asked.ttft * 1000)
    return msgspec.structs.replace(aim, **changed)


def way_of(asked: Asked, space: Space) -> Way:
    """Strides where the budget holds few starts."""
    if asked.way != "auto":
        return asked.way
    pace = pace_of([], window_s=_LONG_WINDOW_S, rungs=_LONG_RUNGS, is_vllm=space.is_vllm)
    return "stages" if asked.budget_s >= _STAGE_STARTS * pace.trial_s(space.baseline()) else "strides"


def _rules(asked: Asked, way: Way, say: Say, began_s: float) -> Rules:
    """`began_s`: what was done before the ladder counts against the budget too."""
    short = way == "strides"
    spent_s = time.monotonic() - began_s if began_s else 0.0
    return Rules(
        way=way,
        budget_s=asked.budget_s - spent_s,
        window_s=asked.window or (_SHORT_WINDOW_S if short else _LONG_WINDOW_S),
        rungs=asked.rungs or (_SHORT_RUNGS if short else _LONG_RUNGS),
        search=_SEARCHED if asked.search else 0,
        say=say,
    )


def _begin(journal: Journal, asked: Asked, space: Space, machine: Machine) -> Way:
    """Write that a session begins; what the first one was asked holds for all, or they could not be compared."""
    first = journal.began
    mine = _told_again(asked)
    way = way_of(asked, space)
    if first is not None:
        theirs = {key: first.asked.get(key, _UNASKED.get(key)) for key in mine}
        wrong = [key for key, value in mine.items() if theirs[key] != value]
        if wrong:
            why = _("the ladder in this folder was begun with other {names}").format(names=", ".join(wrong))
            raise UsageError(why, fix=_("Ask for the same, or begin anew with another --out"))
        if first.baseline != space.baseline():
            raise StateError(
                _("the engine in the file is not the one that this ladder began with"), where=str(journal.path)
            )
        way = first.asked["way"]  # type: ignore[assignment]
    asked_now: dict[str, object] = {**mine, "way": way}
    journal.append(
        Began(
            at=time.time(),
            session=journal.sessions + 1,
            asked=asked_now,
            baseline=space.baseline(),
            machine=msgspec.to_builtins(machine),
        )
    )
    return way


def _told_again(asked: Asked) -> dict[str, object]:
    """What must be the same in every session; `loads` tells whether they stay whole while they are measured."""
    same = {
        name: getattr(asked, name)
        for name in (
            "model",
            "objective",
            "input_tokens",
            "output_tokens",
            "shared_prefix",
            "shared_prefixes",
            "spellings",
            "repeats",
            "gateway",
            "concurrency",
            "ttft",
            "floor",
        )
    }
    return {**same, "loads": "held"}


def _machine(loaded: Loaded, asked: Asked, journal: Journal) -> Machine:
    """As an earlier session measured it; another machine's name is measured anew."""
    first = journal.began
    if first is not None and first.machine.get("bandwidth_bytes_s"):
        return msgspec.convert(first.machine, Machine)
    return machine_of(loaded, asked.gpu)


def _cache(out: Path) -> Path:
    """What vLLM compiles is kept between trials, and between ladders that lie side by side."""
    return out.parent / ".vllm-cache"


def _written(told: Told, climbed: Climbed, space: Space, asked: Asked) -> Told:
    from forebay.tune.page import page  # noqa: PLC0415

    before = space.loaded.path.read_text(encoding="utf-8")
    after = carried(before, space, climbed.present.setting)
    told = msgspec.structs.replace(told, patch=patch(space.loaded.path, before, after))
    write_atomically(asked.out / "report.json", msgspec.json.format(msgspec.json.encode(told)), 0o644)
    write_atomically(asked.out / "report.html", page(told).encode(), 0o644)
    write_atomically(asked.out / "winner.patch", told.patch.encode(), 0o644)
    if asked.write or asked.release:
        write_atomically(space.loaded.path, after.encode(), 0o644)
    return told


def _silent(_text: str) -> None:
    """A plan says nothing beside its answer."""


def table(told: Told) -> str:
    """The report for a terminal."""
    from forebay.tune.told import as_table  # noqa: PLC0415

    return as_table(told)
