"""Calls of an access log under two policies: which would be refused, wait, go elsewhere or cost something else. Pure.

Both policies are played over the same calls, so that what differs is theirs. The log holds no content and no request
that was refused for what it said: calls are taken as they ended, with the tokens that engines counted. Prefixes and
sessions are not known, so a scorer that looks at them sees calls that share nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from heapq import heappop, heappush

import msgspec

from forebay.core.errors import UsageError
from forebay.gateway.limits.book import Book, Held, Need
from forebay.gateway.limits.gauges import Clock
from forebay.gateway.limits.policy import NANO_USD, LimitsPolicy, Price
from forebay.gateway.routing.candidate import Candidate
from forebay.gateway.routing.choice import Group, grouped, plan_of
from forebay.gateway.routing.policy import RoutingPolicy
from forebay.gateway.routing.want import Want
from forebay.gateway.snapshot import ModelRef, Snapshot
from forebay.gateway.support import Offer, offers_of
from forebay.messages import _
from forebay.observe.access_lines import Call

_EXAMPLES = 20
_NOBODY: set[str] = set()


class Fate(msgspec.Struct, frozen=True):
    """What becomes of one call: `served`, `waits` for a place, or why not. `engine` is empty where none takes it."""

    outcome: str
    engine: str = ""
    nano_usd: int = 0


class Sum(msgspec.Struct, frozen=True, kw_only=True):
    """All calls under one policy. Engines are counted by name, money by tenant."""

    outcomes: dict[str, int]
    engines: dict[str, int]
    usd: dict[str, float]
    usd_total: float


class Differs(msgspec.Struct, frozen=True, kw_only=True):
    """A call that fares otherwise."""

    request_id: str
    at: str
    tenant: str
    model: str
    endpoint: str
    before: Fate
    after: Fate


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """`skipped`: calls that failed or were refused when they were made, whose tokens nobody knows."""

    calls: int
    skipped: int
    before: Sum
    after: Sum
    outcome_differs: int
    engine_differs: int
    cost_differs: int
    examples: tuple[Differs, ...]


def replay(calls: Iterable[Call], before: Snapshot, after: Snapshot) -> Replayed:
    """Play `calls` under both; UsageError where there is nothing to play."""
    everything = list(calls)
    played = [call for call in everything if call.model and call.status < 400]
    if not played:
        raise UsageError(_("the log holds no call that was answered"), fix=_("Give an access log of the gateway"))
    ours, theirs = _Policy(before).play(played), _Policy(after).play(played)
    differing = [
        Differs(
            request_id=call.request_id, at=call.timestamp, tenant=call.tenant, model=call.model,
            endpoint=call.endpoint, before=one, after=other,
        )
        for call, one, other in zip(played, ours, theirs, strict=True)
        if one != other
    ]  # fmt: skip
    return Replayed(
        calls=len(played),
        skipped=len(everything) - len(played),
        before=_sum(played, ours),
        after=_sum(played, theirs),
        outcome_differs=sum(each.before.outcome != each.after.outcome for each in differing),
        engine_differs=sum(each.before.engine != each.after.engine for each in differing),
        cost_differs=sum(each.before.nano_usd != each.after.nano_usd for each in differing),
        examples=tuple(differing[:_EXAMPLES]),
    )


class _Policy:
    """One policy over the clock of the log."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._now = 0.0
        self._call_s = snapshot.policy.call_s
        self._models: dict[str, ModelRef] = {name: each for each in snapshot.models for name in _names(each, snapshot)}
        refs = tuple(msgspec.structs.replace(ref, routable=True) for ref in snapshot.engines)
        self._offers: dict[str, dict[str, Offer]] = {
            model.name: offers_of(ref for ref in refs if ref.model == model.name) for model in snapshot.models
        }
        self._prices = snapshot.limits.prices if snapshot.limits is not None else {}
        self._book = _book(snapshot.limits, lambda: self._now)
        default = RoutingPolicy(scorers={snapshot.policy.routing: 1.0})
        routing = {model.name: model.routing or default for model in snapshot.models}
        self._groups: dict[str, Group[Candidate]] = {}
        for name, engines in grouped(tuple(Candidate(ref) for ref in refs)).items():
            plan = plan_of(routing.get(engines[0].ref.model, default))
            self._groups[name] = Group(plan)
            self._groups[name].update(engines, plan)

    def play(self, calls: list[Call]) -> list[Fate]:
        """The fate of each call, in their order; calls enter when they did and leave when they did."""
        fates: dict[int, Fate] = {}
        leaving: list[tuple[float, int, Candidate | None, Want, Held | None]] = []
        for at, index in sorted((_entered(call), index) for index, call in enumerate(calls)):
            while leaving and leaving[0][0] <= at:
                _at, left, engine, want, held = heappop(leaving)
                self._leave(calls[left], engine, want, held)
            self._now = at
            call = calls[index]
            fates[index], engine, want, held = self._enter(call)
            heappush(leaving, (at + call.latency_ms / 1000, index, engine, want, held))
        return [fates[index] for index in range(len(calls))]

    def _enter(self, call: Call) -> tuple[Fate, Candidate | None, Want, Held | None]:
        used = Need(call.tokens.get("input", 0), call.tokens.get("output", 0))
        want = Want(tokens=used.input_tokens + used.output_tokens)
        if (why := self._unable(call, want.tokens)) is not None:
            return Fate(why), None, want, None
        held = self._take(call, used)
        if isinstance(held, str):
            return Fate(held), None, want, None
        price = self._prices.get(self._models[call.model].name, Price())
        cost = price.input * used.input_tokens + price.output * used.output_tokens
        group = self._groups.get(call.model) or self._groups.get(self._models[call.model].name)
        engine = group.choose(want, self._now, _NOBODY) if group is not None else None
        if engine is None:
            return Fate("waits", "", cost), None, want, held
        engine.took(want)
        return Fate("served", engine.ref.name, cost), engine, want, held

    def _unable(self, call: Call, tokens: int) -> str | None:
        model = self._models.get(call.model)
        if model is None:
            return "unknown_model"
        offers = self._offers[model.name]
        if offers and call.endpoint not in offers:
            return "unknown_route"
        if model.context_tokens is not None and tokens > model.context_tokens:
            return "context_too_long"
        return "timeout" if call.latency_ms / 1000 > self._call_s else None

    def _take(self, call: Call, used: Need) -> Held | str | None:
        """What it holds of the limits; the name of the limit that is short; None where there are none."""
        if self._book is None:
            return None
        plan = self._book.plan(call.key_id, call.tenant, self._models[call.model].name)
        if plan is None:
            return None
        taken = self._book.take(plan, used)
        return taken if isinstance(taken, Held) else f"limited: {taken[0][0].name[0]} {taken[0][0].name[2]}"

    def _leave(self, call: Call, engine: Candidate | None, want: Want, held: Held | None) -> None:
        if engine is not None:
            engine.gave_back(want)
        if held is not None and self._book is not None:
            self._book.settle(held, call.tokens.get("input", 0), call.tokens.get("output", 0))


def _names(model: ModelRef, snapshot: Snapshot) -> set[str]:
    """Every name that the log may hold for a model: its own, its aliases, its adapters."""
    engines = (ref for ref in snapshot.engines if ref.model == model.name)
    return {model.name, *model.aliases, *(adapter for ref in engines for adapter in ref.routing.adapters)}


def _book(limits: LimitsPolicy | None, clock: Clock) -> Book | None:
    """All limits in one place: how workers share them is not the policy's."""
    return Book(msgspec.structs.replace(limits, shares=1, valkey=None), clock, clock) if limits is not None else None


def _entered(call: Call) -> float:
    return datetime.fromisoformat(call.timestamp).timestamp() - call.latency_ms / 1000


def _sum(calls: list[Call], fates: list[Fate]) -> Sum:
    money: Counter[str] = Counter()
    for call, fate in zip(calls, fates, strict=True):
        money[call.tenant or "-"] += fate.nano_usd
    return Sum(
        outcomes=dict(Counter(fate.outcome for fate in fates)),
        engines=dict(Counter(fate.engine for fate in fates if fate.engine)),
        usd={tenant: amount / NANO_USD for tenant, amount in money.items()},
        usd_total=money.total() / NANO_USD,
    )
