"""What each call, token, tenant and model cost: the month's money, shared out by the engine time that was held.

The money of an hour in which an engine had calls is shared among them by the time that each held it. The money of hours
in which it had none is idle: nobody's, and shown as such.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

import msgspec

from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.tune.cost.ownership import Ownership
from forebay.tune.cost.usage import Usage, Used

_MILLION = Decimal(1_000_000)
_HOUR_US = Decimal(3_600_000_000)


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One owner's part. `work`: engine time that it held, good or not; `with_idle`: the same share of all money."""

    tenant: str
    model: str
    calls: int
    good: int
    input_tokens: int
    output_tokens: int
    work: Decimal
    with_idle: Decimal
    per_good_call: Decimal | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The money of a time. `total` is good + late + failed + abandoned + idle, to the last decimal.

    `per_…`: all of the money, idle and failed work included, over what came of it.
    """

    currency: str
    hours: Decimal
    total: Decimal
    good: Decimal
    late: Decimal
    failed: Decimal
    abandoned: Decimal
    idle: Decimal
    idle_ratio: Decimal
    calls: int
    good_calls: int
    reused_calls: int
    refused_calls: int
    input_tokens: int
    output_tokens: int
    per_call: Decimal | None
    per_good_call: Decimal | None
    per_million_tokens: Decimal | None
    per_million_output_tokens: Decimal | None
    shares: tuple[Share, ...]
    ownership: Ownership


def report(usage: Usage, cost: Ownership, engines: int) -> Report:
    """Share the money of that time out over `engines` engines; UsageError where fewer are stated than were seen."""
    if engines < max(1, len(usage.busy_us)):
        what = _("the log names {seen} engines, and {stated} are paid for")
        fix = _("State --engines, those that stood idle included")
        raise UsageError(what.format(seen=len(usage.busy_us), stated=engines), fix=fix, code="engines_missing")
    hours = Decimal(usage.length_us) / _HOUR_US
    total = cost.hour * hours
    everything = Used()
    for used in usage.owners.values():
        _merge(everything, used)
    held = everything.held_us
    busy = Fraction(min(sum(usage.busy_us.values()), usage.length_us * engines), usage.length_us * engines)
    work = _part(total, busy) if held else Decimal(0)
    late, failed, abandoned = (
        _part(work, Fraction(each, held)) if held else Decimal(0)
        for each in (everything.late_us, everything.failed_us, everything.abandoned_us)
    )
    idle = total - work
    tokens = everything.input_tokens + everything.output_tokens
    return Report(
        currency=cost.currency,
        hours=hours,
        total=total,
        # What is left of the work, so that the parts are the whole to the last digit.
        good=work - late - failed - abandoned,
        late=late,
        failed=failed,
        abandoned=abandoned,
        idle=idle,
        idle_ratio=idle / total if total else Decimal(0),
        calls=everything.calls,
        good_calls=everything.good,
        reused_calls=everything.reused,
        refused_calls=everything.refused,
        input_tokens=everything.input_tokens,
        output_tokens=everything.output_tokens,
        per_call=_over(total, everything.calls),
        per_good_call=_over(total, everything.good),
        per_million_tokens=_over(total * _MILLION, tokens),
        per_million_output_tokens=_over(total * _MILLION, everything.output_tokens),
        shares=tuple(_shares(usage, work, total, held)),
        ownership=cost,
    )


def _shares(usage: Usage, work: Decimal, total: Decimal, held: int) -> Iterable[Share]:
    for (tenant, model), used in sorted(usage.owners.items()):
        part = Fraction(used.held_us, held) if held else Fraction(0)
        with_idle = _part(total, part)
        yield Share(
            tenant=tenant,
            model=model,
            calls=used.calls,
            good=used.good,
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            work=_part(work, part),
            with_idle=with_idle,
            per_good_call=_over(with_idle, used.good),
        )


def _part(money: Decimal, part: Fraction) -> Decimal:
    return money * part.numerator / part.denominator


def _over(money: Decimal, number: int) -> Decimal | None:
    return money / number if number else None


def _merge(into: Used, one: Used) -> None:
    for name in one.__struct_fields__:
        setattr(into, name, getattr(into, name) + getattr(one, name))
