"""`forebay capacity`: how many engines carry a load, tried out on a simulated service."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import msgspec

from forebay.cli import sizing
from forebay.cli.flags import Duration, Flags, Number, columns, common
from forebay.cli.sizing import FILE, Candidate
from forebay.core.errors import UsageError
from forebay.core.files import write_atomically
from forebay.messages import _
from forebay.tune.capacity import reference
from forebay.tune.capacity.accelerators import accelerator, accelerators
from forebay.tune.capacity.curve import carried, point
from forebay.tune.capacity.demand import Demand
from forebay.tune.capacity.errors import NoCountMeets
from forebay.tune.capacity.find import find
from forebay.tune.capacity.plan import Plan, Reserve, Unit, plan
from forebay.tune.cost.costs import MONTH_HOURS, gpu_hour, read_costs
from forebay.tune.cost.money import show
from forebay.tune.load.workload import Arrivals, Slo, Workload
from forebay.tune.report.measured import read_all
from forebay.tune.simulate.calibrate import Calibration, calibrate
from forebay.tune.simulate.outcome import Outcome
from forebay.tune.simulate.play import play
from forebay.tune.simulate.spec import EngineShape, Fleet, Gateway, Outage
from forebay.tune.simulate.traffic import traffic
from forebay.tune.simulate.validate import Compared, compare

_HOUR_S = 3600.0
_PEAK_CALLS = 40_000
_MOST_ENGINES = 1000


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One way to carry the demand. `how` says where `plan.unit.capacity_rps` comes from."""

    how: str
    plan: Plan
    month: Decimal | None = None
    currency: str = ""
    hour_at_peak: Outcome | None = None
    one_lost: Outcome | None = None


@click.group(help=_("Work out how many engines carry a load, and simulate the service under it."))
def capacity() -> None:
    """The noun; its verbs follow."""


@capacity.command("plan", help=_("How many engines of which kind, with what in reserve, at what power and price."))
@click.option("--per-day", metavar="N", help=_("Requests a day, such as 10M."))
@click.option("--peak", type=float, help=_("Requests a second at the peak. Default: twice the mean."))
@click.option("--peak-hour", type=Number(0, 24), default=15.0, show_default=True, help=_("When the peak is."))
@click.option("--day", type=FILE, help=_("The day as a file: rates_rps, from midnight."))
@click.option("--instance-rps", type=float, help=_("What one engine carries, where that is known."))
@click.option("--run", "runs", type=FILE, multiple=True, help=_("Measurements of one engine at several rates."))
@sizing.engine_options
@sizing.load_options
@click.option(
    "--headroom",
    type=Number(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help=_("Share of each engine kept free."),
)
@click.option("--standby", type=click.IntRange(0), default=1, show_default=True, help=_("Engines that run and wait."))
@click.option(
    "--survive", type=click.IntRange(0), default=1, show_default=True, help=_("Engines that may be lost at the peak.")
)
@click.option("--prices", type=FILE, help=_("File of costs, to price each option."))
@click.option("--currency", default="", help=_("Currency of the answer. Default: that of the file."))
@click.option(
    "--simulate", is_flag=True, help=_("Play the peak: add engines until all keep the bounds, then lose one.")
)
@common("config", "env", "output")
def make_plan(flags: Flags, **given: Any) -> None:
    """Options in order of price, else of GPUs."""
    demand, bounds = sizing.demand_of(given), sizing.slo_of(given["slo"])
    reserve = Reserve(headroom_ratio=given["headroom"], standby=given["standby"], survive=given["survive"])
    found = [_priced(each, given) for each in _options(flags, given, demand, reserve, bounds)]
    found.sort(key=lambda each: (each.month is None, each.month or 0, each.plan.gpus))
    flags.answer(found, lambda: _plan_table(found))


@capacity.command(help=_("Play a load through simulated engines and the gateway's own routing."))
@sizing.engine_options
@sizing.load_options
@click.option("--engines", type=click.IntRange(1), default=1, show_default=True, help=_("How many there are."))
@click.option("--rate", type=float, help=_("Requests a second."))
@click.option("--concurrency", type=int, help=_("Callers who ask again as soon as they are answered."))
@click.option("--per-day", metavar="N", help=_("A whole day of so many requests, with a peak."))
@click.option("--peak", type=float, help=_("Requests a second at the peak. Default: twice the mean."))
@click.option("--peak-hour", type=Number(0, 24), default=15.0, show_default=True, help=_("When the peak is."))
@click.option("--day", type=FILE, help=_("The day as a file: rates_rps, from midnight."))
@click.option("--duration", type=Duration(), default="5m", show_default=True, help=_("How long calls come."))
@click.option("--routing", default="least_loaded", show_default=True, help=_("The gateway's policy."))
@click.option(
    "--max-outstanding", type=click.IntRange(0), default=0, help=_("Calls that the gateway sends to an engine at most.")
)
@click.option(
    "--queue", type=click.IntRange(0), default=1000, show_default=True, help=_("Calls that may wait in the gateway.")
)
@click.option("--queue-wait", type=Duration(), default="60s", show_default=True, help=_("How long one may wait."))
@click.option("--lose", type=float, metavar="SECONDS", help=_("Lose the first engine then."))
@common("config", "env", "output")
def simulate(flags: Flags, **given: Any) -> None:
    """One outcome."""
    load, slice_s = _load(given)
    shape = msgspec.structs.replace(sizing.candidates(flags, given)[0].shape, max_outstanding=given["max_outstanding"])
    fleet = Fleet(
        engines=(shape,) * given["engines"],
        gateway=_gateway(given),
        outages=(Outage(engine=0, from_s=given["lose"]),) if given["lose"] is not None else (),
    )
    found = play(fleet, traffic(load), slo=sizing.slo_of(given["slo"]), slice_s=slice_s)
    flags.answer(found, lambda: _outcome_table(found))


@capacity.command(
    "calibrate", help=_("Learn an engine's speed from measurements, and say how well it foretells others.")
)
@click.argument("runs", type=FILE, nargs=-1, required=True)
@click.option("--max-sequences", type=click.IntRange(1), required=True, help=_("vLLM's max-num-seqs."))
@click.option("--max-batched-tokens", type=click.IntRange(1), required=True, help=_("vLLM's max-num-batched-tokens."))
@click.option("--cache-tokens", type=click.IntRange(1), required=True, help=_("Tokens of the KV cache; vLLM logs it."))
@click.option(
    "--engines", type=click.IntRange(1), default=1, show_default=True, help=_("Engines that shared the load.")
)
@click.option("--check", "checks", type=FILE, multiple=True, help=_("A measurement to foretell; may be repeated."))
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help=_("Write the engine there, for --engine."))
@common("output")
def learn(flags: Flags, runs: tuple[Path, ...], checks: tuple[Path, ...], to: Path | None, **given: Any) -> None:
    """The step time, and errors against the runs of --check."""
    found = calibrate([run for file in runs for run in read_all(file)], given["engines"])
    shape = EngineShape(
        step=found.step, max_sequences=given["max_sequences"], max_batched_tokens=given["max_batched_tokens"],
        cache_tokens=given["cache_tokens"],
    )  # fmt: skip
    fleet = Fleet(engines=(shape,) * given["engines"])
    errors = {f"{file} {n}": compare(run, fleet)[0] for file in checks for n, run in enumerate(read_all(file), 1)}
    if to is not None:
        write_atomically(to, msgspec.json.format(msgspec.json.encode(shape), indent=2), 0o644)
        flags.say(_("engine: {file}").format(file=to))
    flags.answer({"calibration": found, "engine": shape, "errors": errors}, lambda: _learnt(found, errors))


def _options(flags: Flags, given: dict[str, Any], demand: Demand, reserve: Reserve, bounds: Slo) -> Iterator[Option]:
    """What one engine carries: stated, measured, or found by simulation, one option for each kind."""
    gpus = given["gpus"] or 1
    if given["instance_rps"] is not None or given["runs"]:
        if given["simulate"]:
            fix = _("Learn the engine from the runs with `capacity calibrate`, and give --engine")
            raise UsageError(_("a bare rate cannot be simulated"), fix=fix)
        rate, how = given["instance_rps"], _("stated")
        if rate is None:
            points = [point(run, bounds) for file in given["runs"] for run in read_all(file)]
            seen = carried(points, given["attain"])
            rate, how = seen.rate_rps, _("measured, at least") if seen.at_least else _("measured")
        kind = given["hardware"][0] if given["hardware"] else ""
        unit = Unit(capacity_rps=rate, gpus=gpus, power_w=_power_w(kind, given) * gpus, kind=kind)
        yield Option(how=how, plan=plan(demand, unit, reserve))
        return
    load = sizing.load_of(given)
    how = _("simulated from a run") if given["shape"] is not None else _analytic()
    for each in sizing.candidates(flags, given):
        rate = find(each.shape, load, bounds, given["attain"]).rate_rps
        if given["simulate"]:
            rate = _together(each, rate, demand, load, bounds, given["attain"])
        unit = Unit(capacity_rps=rate, gpus=each.gpus, power_w=each.power_w * each.gpus, kind=each.kind)
        made = plan(demand, unit, reserve)
        hours = _played(each, made, load, bounds) if given["simulate"] else (None, None)
        yield Option(how=how, plan=made, hour_at_peak=hours[0], one_lost=hours[1])


def _power_w(kind: str, given: dict[str, Any]) -> float:
    """What one GPU draws; 0 where that is not known, which a kind may be that the file of costs has a price for."""
    if not kind:
        return 0.0
    if given["prices"] is not None and kind not in accelerators().accelerators:
        costs = read_costs(given["prices"])
        if gpu_hour(costs, kind, costs.currency) is not None:
            return 0.0
    return accelerator(kind).power_w


def _together(each: Candidate, rate_rps: float, demand: Demand, load: Workload, bounds: Slo, attain: float) -> float:
    """What one carries among others at the peak: less than alone where a long prompt makes the next ones wait for long.

    Engines are added until the whole fleet keeps the objective.
    """
    engines = most = math.ceil(demand.peak_rps / rate_rps)
    if most > _MOST_ENGINES:
        what = _("{n} engines are more than can be simulated").format(n=most)
        raise UsageError(what, fix=_("Leave --simulate out, or state a part of the demand"))
    while engines <= 3 * most:
        found = play(Fleet(engines=(each.shape,) * engines), traffic(_peak(demand.peak_rps, load)), slo=bounds)
        if (found.attained_ratio or 0.0) >= attain:
            return min(rate_rps, demand.peak_rps / engines)
        engines += max(1, engines // 20)
    what = _("{n} engines still miss the objective at the peak").format(n=3 * most)
    raise NoCountMeets(what, fix=_("Take a faster engine, or another objective"), code="no_count_meets")


def _played(each: Candidate, made: Plan, load: Workload, bounds: Slo) -> tuple[Outcome, Outcome]:
    """The peak with the engines that serve; and with those on standby too, one being lost half-way."""
    hour = _peak(made.peak_rps, load)
    half_s = (hour.duration_s or 0.0) / 2
    lame = Fleet(engines=(each.shape,) * made.engines, outages=(Outage(engine=0, from_s=half_s),))
    whole = Fleet(engines=(each.shape,) * made.serving)
    return play(whole, traffic(hour), slo=bounds), play(lame, traffic(hour), slo=bounds)


def _peak(peak_rps: float, load: Workload) -> Workload:
    """An hour of it, or as many calls as take a few seconds to play."""
    come = Arrivals(rate_rps=peak_rps / load.turns)
    return msgspec.structs.replace(load, arrivals=come, duration_s=max(60.0, min(_HOUR_S, _PEAK_CALLS / peak_rps)))


def _priced(option: Option, given: dict[str, Any]) -> Option:
    if given["prices"] is None:
        return option
    costs = read_costs(given["prices"])
    currency = given["currency"] or costs.currency
    each = gpu_hour(costs, option.plan.unit.kind, currency)
    month = None if each is None else each * MONTH_HOURS * option.plan.gpus
    return msgspec.structs.replace(option, month=month, currency=currency)


def _analytic() -> str:
    """The model's name with its error, worked out anew: no number that could be out of date."""
    worst = {"output_tokens_per_s": 0.0, "latency": 0.0}
    for at in reference.points():
        for each in reference.errors(at):
            key = "latency" if each.figure.endswith("_ms") else each.figure
            worst[key] = max(worst.get(key, 0.0), abs(each.error_ratio))
    said = _("analytic; off by at most {rate:.0%} in throughput and {time:.0%} in latency on {n} points of an H100")
    return said.format(rate=worst["output_tokens_per_s"], time=worst["latency"], n=len(reference.points()))


def _load(given: dict[str, Any]) -> tuple[Workload, float]:
    """The load, and the length of the slices that it is shown in."""
    ways = [name for name in ("rate", "concurrency", "per_day", "day") if given[name] is not None]
    if len(ways) > 1:
        names = ", ".join(name.replace("_", "-") for name in ways)
        raise UsageError(_("a load comes one way: {names} exclude one another").format(names=names))
    load = sizing.load_of(given)
    if given["per_day"] is not None or given["day"] is not None:
        steps = sizing.demand_of(given).steps()
        come = Arrivals(shape="steps", steps=steps)
        return msgspec.structs.replace(load, arrivals=come, duration_s=None), steps[0].duration_s
    length_s = given["duration"]
    if given["concurrency"] is not None:
        come = Arrivals(shape="closed", concurrency=given["concurrency"])
    elif given["rate"] is not None:
        come = Arrivals(rate_rps=given["rate"] / load.turns)
    else:
        fix = _("Give --rate, --concurrency, --per-day or --day")
        raise UsageError(_("how many calls are to be carried?"), fix=fix, code="no_demand")
    return msgspec.structs.replace(load, arrivals=come, duration_s=length_s), float("inf")


def _gateway(given: dict[str, Any]) -> Gateway:
    from forebay.gateway.routing import load, scorers  # noqa: PLC0415  only here, and it imports every policy
    from forebay.gateway.routing.policy import RoutingPolicy  # noqa: PLC0415

    load()
    if given["routing"] not in list(scorers):
        fix = _("Known: {names}").format(names=", ".join(scorers))
        raise UsageError(_("there is no policy {name}").format(name=given["routing"]), fix=fix)
    return Gateway(
        routing=RoutingPolicy(scorers={given["routing"]: 1.0}), queue_calls=given["queue"],
        queue_wait_s=given["queue_wait"],
    )  # fmt: skip


def _plan_table(found: list[Option]) -> str:
    head = (
        _("kind"), _("carries"), _("serving"), _("standby"), _("engines"), _("GPUs"), _("at peak"), _("one lost"),
        _("hours/day"), _("by the hour"), _("kWh/day"), _("a month"),
    )  # fmt: skip
    rows = [
        (
            each.plan.unit.kind or "-", f"{each.plan.unit.capacity_rps:.4g}/s", each.plan.serving, each.plan.standby,
            each.plan.engines, each.plan.gpus, f"{each.plan.load_at_peak:.0%}", f"{each.plan.load_with_one_lost:.0%}",
            f"{each.plan.engine_hours:.0f}", f"{each.plan.engine_hours_scaled:.0f}",
            f"{each.plan.energy_kwh:.0f}" if each.plan.unit.power_w else "-",
            show(each.month, each.currency) if each.month is not None else "-",
        )
        for each in found
    ]  # fmt: skip
    first = found[0].plan
    said = _("{per_day:,.0f} requests a day, {peak:g} a second at the peak").format(
        per_day=first.demand_per_day, peak=first.peak_rps
    )
    told = [said, columns(head, rows), _("What one carries is {how}.").format(how=found[0].how)]
    for each in found:
        for name, outcome in ((_("peak"), each.hour_at_peak), (_("peak, one lost"), each.one_lost)):
            if outcome is not None:
                told.append(f"{each.plan.unit.kind} {name}: {_one_line(outcome)}")
    return "\n".join(told)


def _one_line(found: Outcome) -> str:
    share = "-" if found.attained_ratio is None else f"{found.attained_ratio:.2%}"
    times = (found.ttft.p95_ms if found.ttft else 0.0, found.e2e.p95_ms if found.e2e else 0.0)
    said = _("{calls} calls, {share} good, P95 TTFT {ttft:.0f} ms, P95 whole {e2e:.0f} ms, {lost} lost")
    lost = sum(found.rejected.values()) + sum(found.failed.values())
    return said.format(calls=found.sent, share=share, ttft=times[0], e2e=times[1], lost=lost)


def _outcome_table(found: Outcome) -> str:
    rows = [
        (name, *(f"{value:.1f}" for value in (each.p50_ms, each.p90_ms, each.p95_ms, each.p99_ms, each.max_ms)))
        for name, each in (("TTFT", found.ttft), ("TPOT", found.tpot), ("E2E", found.e2e), (_("queue"), found.waited))
        if each is not None
    ]
    told = [_one_line(found), columns((_("ms"), "P50", "P90", "P95", "P99", _("most")), rows)]
    for name, number in (*found.rejected.items(), *found.failed.items()):
        told.append(f"{name}: {number}")
    head = (_("engine"), _("calls"), _("busy"), _("sequences"), _("cache"), _("preempted"), _("prefix hits"))
    told.append(
        columns(
            head,
            [
                (
                    n, each.calls, f"{each.busy_ratio:.0%}", f"{each.sequences:.1f}", f"{each.cache_peak_ratio:.0%}",
                    each.preemptions, each.prefix_hit_tokens,
                )
                for n, each in enumerate(found.engines, 1)
            ],
        )
    )  # fmt: skip
    return "\n".join(told)


def _learnt(found: Calibration, errors: dict[str, tuple[Compared, ...]]) -> str:
    said = _(
        "a step takes {fixed:.2f} ms, and for each prompt token {prompt:.2f} µs, for each sequence {seq:.1f} µs, "
        "for each cached token {kv:.4f} µs"
    )
    told = [
        said.format(
            fixed=1e3 * found.step.fixed_s, prompt=1e6 * found.step.prompt_token_s, seq=1e6 * found.step.sequence_s,
            kv=1e6 * found.step.cached_token_s,
        ),
        _("from {n} answers; half of them within {share:.1%}").format(n=found.answers, share=found.residual_ratio),
    ]  # fmt: skip
    if found.together[1] < 2 * found.together[0]:
        told.append(_("! the load hardly changed: what it foretells of other loads is a guess. Measure several rates"))
    rows = [
        (file, each.figure, f"{each.measured:.1f}", f"{each.simulated:.1f}", f"{each.error_ratio:+.1%}")
        for file, figures in errors.items()
        for each in figures
    ]
    if rows:
        told.append(columns((_("run"), _("figure"), _("measured"), _("simulated"), _("error")), rows))
    return "\n".join(told)
