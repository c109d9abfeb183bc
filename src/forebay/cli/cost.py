"""`forebay cost`: what the service costs, what a change saves, and which tenant and model caused it."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click
import msgspec

from forebay.cli import sizing
from forebay.cli.findings import lines as finding_lines
from forebay.cli.flags import Flags, columns, common
from forebay.cli.sizing import FILE
from forebay.cli.wiring import configuration, state_dir
from forebay.core.errors import ConfigError, UsageError
from forebay.engines.fleet import expand
from forebay.messages import _
from forebay.tune.cost.costs import EXAMPLE, Costs, read_costs, stale
from forebay.tune.cost.money import show
from forebay.tune.cost.ownership import Calls, Change, Ownership, change, ownership
from forebay.tune.cost.report import Report, report
from forebay.tune.cost.usage import lines, log_files, used

_SMALL = 6


@click.group(help=_("Say what the service costs, what a change saves, and who caused it."))
def cost() -> None:
    """The noun; its verbs follow."""


@cost.command("report", help=_("Share the money of a time out over the calls of the access log, by tenant and model."))
@click.option("--prices", type=FILE, required=True, help=_("File of costs; `cost prices` shows an example."))
@click.option("--log", "logs", type=FILE, multiple=True, help=_("An access log. Default: those of the service here."))
@click.option("--engines", type=click.IntRange(1), help=_("Engines that are paid for. Default: the configuration's."))
@click.option("--since", metavar="TIME", help=_("Calls that ended after it, as 2026-11-22T00:00:00Z."))
@click.option("--until", metavar="TIME", help=_("Calls that ended until then."))
@click.option("--slo", metavar="NAME=DURATION,…", help=_("Bounds of a good answer: ttft, tpot, e2e."))
@click.option("--currency", default="", help=_("Currency of the answer. Default: that of the file."))
@common("config", "env", "output")
def make_report(flags: Flags, **given: Any) -> None:
    """Everything is paid: idle engines and failed work as well."""
    money = ownership(_costs(flags, given["prices"]), given["currency"])
    files = list(given["logs"]) or log_files(state_dir(flags).logs)
    usage = used(lines(files), sizing.slo_of(given["slo"]), _moment(given["since"]), _moment(given["until"]))
    engines = given["engines"] or max(_engines(flags), len(usage.busy_us), 1)
    found = report(usage, money, engines)
    flags.answer(found, lambda: _report_table(found))


@cost.command(help=_("Compare the costs of two files, before and after a change."))
@click.argument("before", type=FILE)
@click.argument("after", type=FILE)
@click.option("--calls", metavar="N", help=_("Requests a month before, such as 300M."))
@click.option("--calls-after", metavar="N", help=_("Requests a month after. Default: as before."))
@click.option("--good", default="1", show_default=True, metavar="SHARE", help=_("Share of them that were good before."))
@click.option("--good-after", metavar="SHARE", help=_("Share that is good after. Default: as before."))
@click.option("--once", default="0", show_default=True, metavar="MONEY", help=_("What the change itself costs."))
@click.option("--currency", default="", help=_("Currency of the answer. Default: that of the first file."))
@common("output")
def compare(flags: Flags, before: Path, after: Path, **given: Any) -> None:
    """By part, with the time in which the change is paid back."""
    first, second = _costs(flags, before), _costs(flags, after)
    currency = given["currency"] or first.currency
    calls = _calls(given)
    found = change(
        ownership(first, currency), ownership(second, currency), once=_number(given["once"]), calls_before=calls[0],
        calls_after=calls[1],
    )  # fmt: skip
    flags.answer(found, lambda: _change_table(found))


@cost.command(help=_("Check a file of costs, and show its month; without one, print an example to begin with."))
@click.argument("file", type=FILE, required=False)
@click.option("--currency", default="", help=_("Currency of the answer. Default: that of the file."))
@common("output")
def prices(flags: Flags, file: Path | None, currency: str) -> None:
    """Stale prices are told on stderr."""
    if file is None:
        if flags.output == "json":
            flags.answer(read_costs(EXAMPLE))
        else:
            click.echo(EXAMPLE.read_text("utf-8"), nl=False)
        return
    found = ownership(_costs(flags, file), currency)
    answer = {**msgspec.to_builtins(found), "month": found.month, "hour": found.hour}
    flags.answer(answer, lambda: _ownership_table(found))


def _costs(flags: Flags, file: Path) -> Costs:
    """The file; what is stale in it is told, and does not stop anybody."""
    found = read_costs(file)
    warnings = stale(found, datetime.now(UTC).date(), str(file))
    if warnings:
        flags.say("\n".join(finding_lines(warnings)))
    return found


def _engines(flags: Flags) -> int:
    """Engines that the configuration pays for; 0 where there is none to ask."""
    with contextlib.suppress(ConfigError):
        return len(expand(configuration(flags).config, flags.config.resolve().parent))
    return 0


def _calls(given: dict[str, Any]) -> tuple[Calls | None, Calls | None]:
    if given["calls"] is None:
        return None, None
    before = Decimal(str(sizing.count(given["calls"])))
    after = before if given["calls_after"] is None else Decimal(str(sizing.count(given["calls_after"])))
    good = _number(given["good"])
    return Calls(number=before, good_ratio=good), Calls(number=after, good_ratio=_number(given["good_after"] or good))


def _number(text: str | Decimal) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise UsageError(_("{text!r} is no number").format(text=text), fix=_("Write 0.995 or 90000"))
    return found


def _moment(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(_("{text!r} is no time").format(text=text), fix=_("Write 2026-11-22T00:00:00Z")) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _report_table(found: Report) -> str:
    def money(amount: Decimal | None, places: int = 2) -> str:
        return "-" if amount is None else show(amount, found.currency, places)

    parts = (
        (_("good answers"), found.good), (_("late answers"), found.late), (_("failed work"), found.failed),
        (_("callers who left"), found.abandoned), (_("idle engines"), found.idle), (_("everything"), found.total),
    )  # fmt: skip
    said = _("{hours:.2f} hours, {calls} calls, {good} good, {reused} from the cache, {refused} refused").format(
        hours=found.hours, calls=found.calls, good=found.good_calls, reused=found.reused_calls,
        refused=found.refused_calls,
    )  # fmt: skip
    each = (
        (_("a call"), money(found.per_call, _SMALL)), (_("a good call"), money(found.per_good_call, _SMALL)),
        (_("a million tokens"), money(found.per_million_tokens)),
        (_("a million tokens of answers"), money(found.per_million_output_tokens)),
    )  # fmt: skip
    shares = [
        (
            part.tenant, part.model, part.calls, part.input_tokens, part.output_tokens, money(part.work, _SMALL),
            money(part.with_idle, _SMALL), money(part.per_good_call, _SMALL),
        )
        for part in found.shares
    ]  # fmt: skip
    head = (
        _("tenant"), _("model"), _("calls"), _("input tokens"), _("output tokens"), _("its work"), _("with idle"),
        _("a good call"),
    )  # fmt: skip
    whole = found.total or Decimal(1)
    return "\n\n".join(
        (
            said,
            columns(
                (_("money"), "", ""), [(name, money(value, _SMALL), f"{value / whole:.1%}") for name, value in parts]
            ),
            columns((_("cost of"), ""), each),
            columns(head, shares),
        )
    )


def _change_table(found: Change) -> str:
    currency = found.before.currency
    rows = [
        (_part(name), show(before, currency), show(found.after.parts[name], currency))
        for name, before in found.before.parts.items()
        if before or found.after.parts[name]
    ]
    rows.append((_("a month"), show(found.before.month, currency), show(found.after.month, currency)))
    told = [columns(("", _("before"), _("after")), rows), _("cost: {ratio:+.1%}").format(ratio=found.month_ratio)]
    if found.call_ratio is not None and found.good_call_ratio is not None:
        said = _("a call: {call:+.1%}; a good call: {good:+.1%}")
        told.append(said.format(call=found.call_ratio, good=found.good_call_ratio))
    told.append(_("saved in a year: {money}").format(money=show(found.saved_a_year, currency)))
    if found.payback_months is None:
        told.append(_("it is never paid back"))
    elif found.once:
        told.append(_("paid back after {months:.1f} months").format(months=found.payback_months))
    return "\n".join(told)


def _ownership_table(found: Ownership) -> str:
    rows = [(_part(name), show(amount, found.currency)) for name, amount in found.parts.items() if amount]
    rows += [(_("a month"), show(found.month, found.currency)), (_("an hour"), show(found.hour, found.currency))]
    return columns(("", _("a month")), rows)


def _part(name: str) -> str:
    names = {
        "hardware": _("hardware"), "power": _("power"), "cooling": _("cooling"), "bandwidth": _("bandwidth"),
        "storage": _("storage"), "hosting": _("hosting"), "people": _("people"), "software": _("software"),
        "other": _("other"),
    }  # fmt: skip
    return names[name]
