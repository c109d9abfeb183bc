"""The choice itself: which engines may take a call, then which does.

Filters, in this order: a place and not avoided; the best tier that is left (standby engines are behind every tier);
fresh engines within their share; nobody over its bound. Then the plan's picker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Generic, TypeVar, cast

import msgspec

from forebay.gateway.routing import Picker, Scorer, load, pickers, scorers
from forebay.gateway.routing.candidate import Candidate
from forebay.gateway.routing.policy import RoutingPolicy
from forebay.gateway.routing.want import Want

_DEFAULT = RoutingPolicy(scorers={"least_loaded": 1.0})
_STANDBY_LAYER = 1_000_000
_NOBODY: frozenset[str] = frozenset()
Engine = TypeVar("Engine", bound=Candidate)


class Plan(msgspec.Struct, frozen=True):
    """A routing policy with its parts looked up. `plain`: the default, which has a short way of its own."""

    scorers: tuple[tuple[Scorer, float], ...]
    picker: Picker
    imbalance: float
    needs: int
    plain: bool

    def scores(self, want: Want, engines: Sequence[Candidate], now: float) -> list[float]:
        """The weighted sum of all scorers, for each engine."""
        (first, weight), *others = self.scorers
        if not others:
            return first.score(want, engines, now)  # alone, its weight changes no order
        total = [weight * score for score in first.score(want, engines, now)]
        for scorer, factor in others:
            found = scorer.score(want, engines, now)
            total = [so_far + factor * score for so_far, score in zip(total, found, strict=True)]
        return total


def plan_of(policy: RoutingPolicy = _DEFAULT) -> Plan:
    """Compile a policy; KeyError names a part that does not exist."""
    load()
    picker = pickers[policy.pick]
    chosen = tuple((scorers[name], weight) for name, weight in sorted(policy.scorers.items()) if weight > 0)
    needs = int(picker.needs)
    if picker.scores:
        for scorer, _weight in chosen:
            needs |= int(scorer.needs)  # a flag of enum costs 0.4 µs to look at, on every call
    plain = list(policy.scorers) == ["least_loaded"] and policy.pick == "best"
    return Plan(chosen or ((scorers["least_loaded"], 1.0),), picker, policy.imbalance, needs, plain)


class Group(Generic[Engine]):
    """The engines of one model or adapter, and what choosing among them remembers."""

    __slots__ = ("_dice", "_layered", "_plain", "cold_until", "engines", "plan", "salted")

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.engines: tuple[Engine, ...] = ()
        self.cold_until = 0.0
        self._layered = False
        self._plain = False
        self.salted = False
        self._dice = 1

    def update(self, engines: tuple[Engine, ...], plan: Plan) -> None:
        """Take the engines and the plan of a new snapshot."""
        self.engines, self.plan = engines, plan
        self.salted = any(each.ref.salted for each in engines)
        self._layered = len({_layer(each) for each in engines}) > 1
        self._plain = plan.plain and not self._layered
        self.cold_until = max((each.cold_until for each in engines), default=0.0)

    def draw(self, bound: int) -> int:
        """A number below `bound`, by lot: a linear congruence, so that the same state draws the same."""
        self._dice = (self._dice * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self._dice >> 33) % bound

    def choose(self, want: Want, now: float, avoid: Set[str]) -> Engine | None:
        """The engine that takes the call; None when none has a place.

        An engine in `avoid` has failed this very call: it is asked again only if there is no other at all.
        """
        found = self._choose(want, now, avoid)
        if found is None and avoid and not any(_may_come_back(each, avoid) for each in self.engines):
            found = self._choose(want, now, _NOBODY)
        return found

    def _choose(self, want: Want, now: float, avoid: Set[str]) -> Engine | None:
        if self._plain and now >= self.cold_until:
            return self._least_loaded(now, avoid)
        found = [each for each in self.engines if each.has_place(now)]
        if avoid:
            found = [each for each in found if each.ref.name not in avoid]
        if len(found) > 1 and self._layered:
            top = min([_layer(each) for each in found])
            found = [each for each in found if _layer(each) == top]
        if len(found) > 1 and now < self.cold_until:
            found = _within_share(found, now)
        if len(found) > 1 and self.plan.picker.scores and not self.plan.plain:
            found = _within_bound(found, self.plan.imbalance)
        if len(found) < 2:
            return found[0] if found else None
        taken = self.plan.picker.pick(cast("Group[Candidate]", self), cast("list[Candidate]", found), want, now)
        return cast("Engine", taken)

    def _least_loaded(self, now: float, avoid: Set[str]) -> Engine | None:
        """What the default comes to, without a list: it is what most calls pay."""
        best: Engine | None = None
        best_score = 0.0
        for each in self.engines:
            if not each.has_place(now) or (avoid and each.ref.name in avoid):
                continue
            score = -each.outstanding / each.ref.max_outstanding
            # Equals take turns: the one that has waited longest for a call.
            if best is None or score > best_score or (score == best_score and each.taken_at < best.taken_at):
                best, best_score = each, score
        return best


def grouped(engines: Sequence[Engine]) -> Mapping[str, tuple[Engine, ...]]:
    """Engines by every name that a call may have for them: their model, and each adapter they list."""
    found: dict[str, list[Engine]] = {}
    for each in engines:
        for name in (each.ref.model, *each.ref.routing.adapters):
            found.setdefault(name, []).append(each)
    return {name: tuple(group) for name, group in found.items()}


def _layer(engine: Candidate) -> int:
    routing = engine.ref.routing
    return routing.tier + (_STANDBY_LAYER if routing.standby else 0)


def _may_come_back(engine: Candidate, avoid: Set[str]) -> bool:
    return engine.ref.routable and not engine.ejected and engine.ref.name not in avoid


def _within_share(engines: list[Engine], now: float) -> list[Engine]:
    """Leave out fresh engines that had their share: a part of one engine's calls that grows with their warm-up."""
    found = []
    for each in engines:
        ratio = each.warm_ratio(now)
        if ratio < 1:
            # Earned by every call that it might have had, spent by those it gets; see Candidate.took.
            each.credit = min(each.credit + ratio / len(engines), 1.0)
            if each.credit < 1:
                continue
        found.append(each)
    return found or engines


def _within_bound(engines: list[Engine], imbalance: float) -> list[Engine]:
    """Leave out who, with this call, would hold more than `imbalance` times its fair share of the calls in flight.

    A share is proportionate to an engine's places. There is always somebody below the mean, so somebody is left.
    """
    held = [each.held() for each in engines]
    places = [each.ref.max_outstanding for each in engines]
    load = imbalance * (sum(held) + 1) / sum(places)
    return [each for each, calls, most in zip(engines, held, places, strict=True) if calls < load * most]
