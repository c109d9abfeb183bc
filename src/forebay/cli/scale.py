"""`forebay scale`: what traffic will come, how many copies that asks for, and what the rules would have done."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import msgspec

from forebay.cli import sizing
from forebay.cli.flags import Duration, Flags, columns, common
from forebay.cli.wiring import configuration, state_dir
from forebay.config.schema import EmbeddedEngine, VllmEngine
from forebay.config.schema.scale import EngineScale
from forebay.controller.status import ScalingStatus, Status, read_status
from forebay.core.errors import UsageError
from forebay.engines.fleet import expand
from forebay.engines.spec import EngineSpec
from forebay.messages import _
from forebay.observe.access_lines import calls as recorded
from forebay.scale.forecast import Errors, errors, foretell
from forebay.scale.policy import Rules
from forebay.scale.rules import rules_of
from forebay.scale.traffic import Arrived, Series, arrived, series
from forebay.tune.load.workload import Slo
from forebay.tune.simulate.scaled import Scaled, fixed, scaled, speed_of
from forebay.tune.simulate.spec import EngineShape, Gateway

_DAY_S = 86_400.0
_USUAL_START_S = 60.0
_BATCHED_TOKENS = 8192
_SHORTEST_SLOT_S = 1.0


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """An engine that is scaled, and the rules for it."""

    model: str
    spec: EngineSpec
    rules: Rules


class Hour(msgspec.Struct, frozen=True, kw_only=True):
    """A slot that is foretold. `at`: seconds since the epoch; `calls`: in flight on average, which `copies` are for."""

    at: float
    calls: float
    copies: int


class Foretold(msgspec.Struct, frozen=True, kw_only=True):
    """The coming day, and how well the last one was foretold."""

    model: str
    slots: tuple[Hour, ...]
    errors: Errors
    skill: float


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """The record played with the rules, and with all copies and the fewest all the time; and how it is `now`."""

    model: str
    calls: int
    engine: EngineShape
    how: str
    start_s: float
    scaled: Scaled
    most: Scaled
    least: Scaled
    now: ScalingStatus | None = None


@click.group(help=_("Foretell traffic, and show what the rules for the number of copies do with it."))
def scale() -> None:
    """The noun; its verbs follow."""


_LOG = click.option(
    "--log", "logs", type=sizing.FILE, multiple=True, help=_("Access log; may be repeated. Default: the workers' here.")
)  # fmt: skip


@scale.command("plan", help=_("The copies that the coming day asks for, and how well the last day was foretold."))
@click.argument("model", required=False)
@_LOG
@click.option("--slot", type=Duration(_SHORTEST_SLOT_S), default="1h", show_default=True, help=_("Width of a slot."))
@common("config", "env", "output")
def plan(flags: Flags, model: str | None, **given: Any) -> None:
    """Each slot is foretold from the end of the record."""
    scope = _scope(flags, model, {})
    slot_s = given["slot"]
    seen = _whole(series(_calls(flags, scope.model, given["logs"]), slot_s))
    day = max(1, round(_DAY_S / slot_s))
    values = seen.in_flight
    found = errors(values, day, 1, day)
    slots = [_hour(scope.rules, seen, ahead, foretell(values, day, ahead), found) for ahead in range(1, day + 1)]
    told = Foretold(model=scope.model, slots=tuple(slots), errors=found, skill=found.skill)
    flags.answer(told, lambda: _plan_table(told, scope.rules))


@scale.command(help=_("Play recorded traffic: what the rules would have done, at what cost, and who had waited."))
@click.argument("model", required=False)
@_LOG
@click.option("--last", type=Duration(), default="24h", show_default=True, help=_("How much of the record."))
@click.option("--engine", "shape", type=sizing.FILE, help=_("An engine as `capacity calibrate` wrote it."))
@click.option("--start", type=Duration(), help=_("How long a start takes. Default: what the last one here took."))
@click.option("--slo", metavar="NAME=DURATION,…", help=_("Bounds of a good answer: ttft, tpot, e2e."))
@click.option("--least", type=click.IntRange(1, 1000), help=_("In place of the file's."))
@click.option("--most", type=click.IntRange(1, 1000), help=_("In place of the file's."))
@click.option("--calls", type=click.IntRange(1), help=_("In place of the file's."))
@click.option("--up", type=Duration(), help=_("In place of the file's."))
@click.option("--down", type=Duration(), help=_("In place of the file's."))
@common("config", "env", "output")
def explain(flags: Flags, model: str | None, **given: Any) -> None:
    """The engine is as fast as the record shows, unless it is told."""
    scope = _scope(flags, model, given)
    calls = _calls(flags, scope.model, given["logs"])
    since_s = calls[-1].at_s - given["last"] if calls else 0.0
    calls = [each for each in calls if each.at_s >= since_s]
    if not calls:
        raise UsageError(
            _("no call is recorded"), fix=_("Keep observe.log.access on, and come back after some traffic")
        )
    shape, how = _shape(given["shape"], calls, scope.spec)
    queue = configuration(flags).config.gateway.queue
    gateway = Gateway(queue_calls=queue.calls, queue_wait_s=queue.wait)
    slo: Slo = sizing.slo_of(given["slo"])
    status = read_status(state_dir(flags).status)
    start_s = given["start"] if given["start"] is not None else _start_s(status, scope.model)
    told = Explained(
        model=scope.model,
        calls=len(calls),
        engine=shape,
        how=how,
        start_s=start_s,
        scaled=scaled(calls, shape, scope.rules, start_s, gateway=gateway, slo=slo),
        most=fixed(calls, shape, scope.rules.most, gateway, slo),
        least=fixed(calls, shape, scope.rules.least, gateway, slo),
        now=_now(status, scope.spec),
    )
    flags.answer(told, lambda: _explained(told, scope.rules))


def _scope(flags: Flags, model: str | None, given: dict[str, Any]) -> Scope:
    loaded = configuration(flags)
    specs = expand(loaded.config, flags.config.resolve().parent)
    for name, each in loaded.config.models.items():
        for engine in each.engines:
            if model not in (None, name) or not isinstance(engine, EmbeddedEngine | VllmEngine):
                continue
            rules = _rules(engine.scale, given)
            spec = next((spec for spec in specs if spec.model == name and spec.kind == engine.kind), None)
            if rules is not None and spec is not None:
                return Scope(
                    model=name,
                    spec=spec,
                    rules=rules_of(engine.model_copy(update={"scale": rules}), spec.max_outstanding),
                )
    fix = _("Write scale: {least: 1, most: 4} at one")
    if "most" in given:  # `plan` foretells by the file's rules alone
        fix = _("Write scale: {least: 1, most: 4} at one, or try it with --most 4")
    raise UsageError(_("no engine follows the load"), fix=fix)


def _rules(written: EngineScale | None, given: dict[str, Any]) -> EngineScale | None:
    """What the file says, with what the command line says otherwise."""
    told = {name: given[name] for name in ("least", "most", "calls", "up", "down") if given.get(name) is not None}
    if written is None and "most" not in told:
        return None
    found = (written or EngineScale(most=given["most"])).model_copy(update=told)
    if found.least > found.most:
        why = _("least ({least}) is above most ({most})").format(least=found.least, most=found.most)
        raise UsageError(why, fix=_("Set least to most or below"))
    return found


def _calls(flags: Flags, model: str, logs: tuple[Path, ...]) -> list[Arrived]:
    files = logs or tuple(sorted(state_dir(flags).logs.glob("worker-*.log*")))

    def lines() -> Iterator[bytes]:
        for file in files:
            with file.open("rb") as content:
                yield from content

    return arrived(recorded(lines()), model)


def _whole(seen: Series) -> Series:
    """Without the last slot, which is not over yet."""
    if len(seen.calls) < 2:
        raise UsageError(_("the record is shorter than two slots"), fix=_("Take a smaller --slot, or come back later"))
    return msgspec.structs.replace(seen, calls=seen.calls[:-1], in_flight=seen.in_flight[:-1])


def _hour(rules: Rules, seen: Series, ahead: int, calls: float, found: Errors) -> Hour:
    """With what nine of ten slots exceeded their forecast by: a mean is exceeded half of the time."""
    at_s = seen.begin_s + (len(seen.in_flight) - 1 + ahead) * seen.slot_s
    needed = math.ceil(calls * (1 + found.under_p90) / rules.calls)
    return Hour(at=at_s, calls=calls, copies=max(rules.floor(at_s), min(rules.most, needed)))


def _shape(file: Path | None, calls: list[Arrived], spec: EngineSpec) -> tuple[EngineShape, str]:
    if file is not None:
        try:
            return msgspec.json.decode(file.read_bytes(), type=EngineShape), str(file)
        except msgspec.DecodeError as error:
            raise UsageError(
                str(error), where=str(file), fix=_("`forebay capacity calibrate --to` writes one")
            ) from error
    found = speed_of(calls)
    longest = max(each.prompt + each.answer for each in calls)
    shape = EngineShape(
        step=found.step,
        max_sequences=spec.max_outstanding,
        max_batched_tokens=max(_BATCHED_TOKENS, spec.max_outstanding),
        cache_tokens=spec.max_outstanding * max(longest, 16),
        max_outstanding=spec.max_outstanding,
    )
    how = _("{n} recorded answers, half of them within {share:.1%}").format(n=found.answers, share=found.residual_ratio)
    return shape, how


def _now(status: Status | None, spec: EngineSpec) -> ScalingStatus | None:
    names = (spec.name, spec.name.removesuffix("-1"))
    return next((each for each in status.scaling if each.name in names), None) if status is not None else None


def _start_s(status: Status | None, model: str) -> float:
    took = [each.ready_after_s for each in status.engines if each.model == model] if status is not None else []
    return max([each for each in took if each is not None], default=_USUAL_START_S)


def _plan_table(told: Foretold, rules: Rules) -> str:
    zone = ZoneInfo(rules.zone)
    rows = [
        (datetime.fromtimestamp(each.at, zone).strftime("%a %H:%M"), f"{each.calls:.1f}", each.copies)
        for each in told.slots
    ]
    found = told.errors
    said = _(
        "The last {slots} slots were foretold with a mean error of {forecast:.2f} calls in flight (of {mean:.2f}); "
        "guessing the slot before errs by {last:.2f}{yesterday}: {skill:.0%} of the better guess's error are saved."
    )
    yesterday = (
        "" if found.yesterday is None else _(", guessing the day before by {value:.2f}").format(value=found.yesterday)
    )
    line = said.format(
        slots=found.slots,
        forecast=found.forecast,
        mean=found.mean,
        last=found.last,
        yesterday=yesterday,
        skill=told.skill,
    )
    head = (_("from"), _("in flight"), _("copies"))
    return f"{columns(head, rows)}\n\n{line}"


def _explained(told: Explained, rules: Rules) -> str:
    zone = ZoneInfo(rules.zone)
    head = (_("copies"), _("copy hours"), _("answered"), _("refused"), _("P95 wait"), _("P95 whole"), _("good"))
    ways = (
        (_("by the rules"), told.scaled),
        (_("always {n}").format(n=rules.most), told.most),
        (_("always {n}").format(n=rules.least), told.least),
    )
    rows = [(name, *_figures(each)) for name, each in ways]
    turns = [
        f"{datetime.fromtimestamp(each.at, zone):%a %H:%M:%S}  {each.copies}  {each.why}" for each in told.scaled.turns
    ]
    saved = 1 - told.scaled.copy_hours / told.most.copy_hours if told.most.copy_hours else 0.0
    said = _(
        "{saved:.0%} of the copy hours are saved. A start takes {start:.0f} s; the engine is as fast as {how} show."
    )
    return "\n".join(
        [
            *_as_it_is(told.now),
            *turns,
            "",
            columns(head, rows),
            "",
            said.format(saved=saved, start=told.start_s, how=told.how),
        ]
    )


def _as_it_is(now: ScalingStatus | None) -> list[str]:
    if now is None:
        return []
    lines = [
        _("Now {ready} of {copies} copies are ready: {why}.").format(ready=now.ready, copies=now.copies, why=now.why)
    ]
    if now.held:
        lines.append(
            _("The number does not follow the load ({code}): {why}.").format(code=now.held, why=now.held_shown)
        )
    return [*lines, ""]


def _figures(each: Scaled) -> tuple[object, ...]:
    found = each.outcome
    return (
        f"{each.copy_hours:.1f}",
        found.completed,
        sum(found.rejected.values()),
        f"{found.waited.p95_ms / 1000:.1f} s" if found.waited else "-",
        f"{found.e2e.p95_ms / 1000:.1f} s" if found.e2e else "-",
        "-" if found.attained_ratio is None else f"{found.attained_ratio:.1%}",
    )
