"""The conformance kit of routing: what every policy must keep, whatever it prefers.

`PROPERTIES` holds each property by its claim. One takes a function that makes the same fleet anew each time, and raises
AssertionError where the policy breaks it. A policy of your own is held to them like the built-in ones:

    for check in PROPERTIES.values():
        check(lambda: Fleet(RoutingPolicy(scorers={"mine": 1.0}), engines))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

import msgspec

from forebay.engines.spec import EngineRouting
from forebay.gateway.routing.candidate import Candidate
from forebay.gateway.routing.choice import Group, plan_of
from forebay.gateway.routing.policy import RoutingPolicy
from forebay.gateway.routing.want import Want, digest64
from forebay.gateway.snapshot import EngineRef

NOW = 1000.0


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """An engine and what it holds. `sent` are digests of prompts it had before."""

    places: int = 4
    held: int = 0
    held_tokens: int = 0
    routable: bool = True
    suspended: bool = False
    ttft_s: float = 0.0
    sent: tuple[int, ...] = ()
    routing: EngineRouting = EngineRouting()


class Fleet:
    """One model's engines under one policy; `e0`, `e1` … in the order given."""

    def __init__(self, policy: RoutingPolicy, engines: Sequence[Engine], now: float = NOW) -> None:
        self.policy = policy
        self.now = now
        self.engines = tuple(_candidate(f"e{number}", engine, now) for number, engine in enumerate(engines))
        self.group: Group[Candidate] = Group(plan_of(policy))
        self.group.update(self.engines, self.group.plan)

    def choose(self, want: Want, avoid: set[str] | None = None) -> Candidate | None:
        return self.group.choose(want, self.now, avoid or set())

    def enter(self, want: Want, avoid: set[str] | None = None) -> Candidate | None:
        """Choose, and let the call take its place."""
        engine = self.choose(want, avoid)
        if engine is not None:
            engine.took(want)
        return engine

    @property
    def free(self) -> list[Candidate]:
        return [each for each in self.engines if each.has_place(self.now)]


Make = Callable[[], Fleet]


def hot() -> Want:
    """A call of a prompt and a session that everybody has."""
    return Want(tokens=100, blocks=tuple(range(1, 9)), session=digest64("hot"), adapter="hot")


def lone(number: int) -> Want:
    """A call that shares nothing with any other."""
    return Want(tokens=100, blocks=(-1 - number,), session=digest64("lone", str(number)))


def only_engines_with_a_place(make: Make) -> None:
    """A call goes to an engine that is routable and has a place, and finds one whenever there is one."""
    fleet = make()
    for number in range(sum(each.ref.max_outstanding for each in fleet.engines) + 1):
        free = fleet.free
        engine = fleet.enter(lone(number))
        _claim((engine is None) == (not free), "a place was left, or taken that is none")
        _claim(engine is None or engine in free, "an engine without a place was chosen")
    _claim(not fleet.free, "some engine never gets a call")


def never_an_avoided_one_while_others_may_answer(make: Make) -> None:
    """An engine that failed a call is asked again by it only if every other is gone or has failed it too."""
    fleet = make()
    for avoided in fleet.engines:
        others = [each for each in fleet.engines if each is not avoided and each.ref.routable]
        engine = make().choose(hot(), {avoided.ref.name})
        if others:
            _claim(engine is None or engine.ref.name != avoided.ref.name, "an avoided engine was chosen")
        else:
            _claim((engine is None) == (not avoided.has_place(fleet.now)), "the only engine was not asked again")


def the_same_state_gives_the_same_choice(make: Make) -> None:
    """Nothing but the state and the call decides: no clock, no hidden chance."""
    one, other = make(), make()
    for number in range(12):
        want = hot() if number % 3 else lone(number)
        first, second = one.enter(want), other.enter(msgspec.structs.replace(want))
        _claim((first and first.ref.name) == (second and second.ref.name), f"call {number} went two ways")


def better_tiers_first(make: Make) -> None:
    """No engine of a worse tier, and no standby, takes a call while a better one has a place."""
    fleet = make()
    for number in range(sum(each.ref.max_outstanding for each in fleet.engines)):
        best = min((_rank(each) for each in fleet.free), default=None)
        engine = fleet.enter(lone(number))
        _claim(engine is None or _rank(engine) == best, "a worse tier was chosen")


def what_is_hot_takes_nobody_down(make: Make) -> None:
    """However much calls have in common, no engine holds more than `imbalance` times its fair share (rounded up)."""
    fleet = make()
    blind = not fleet.group.plan.picker.scores  # these split by weights or turns, not by what calls have in common
    for _ in range(sum(each.ref.max_outstanding for each in fleet.engines)):
        free = [each for each in fleet.free if _rank(each) == min(map(_rank, fleet.free))]
        before = {each: each.held() for each in free}
        engine = fleet.enter(hot())
        if engine is None or blind or fleet.group.plan.plain:
            continue
        load = fleet.policy.imbalance * (sum(before.values()) + 1) / sum(each.ref.max_outstanding for each in free)
        _claim(engine.held() <= ceil(load * engine.ref.max_outstanding), f"{engine.ref.name} is over its bound")


PROPERTIES: dict[str, Callable[[Make], None]] = {
    "only engines with a place, and every place is used": only_engines_with_a_place,
    "never an avoided one while others may answer": never_an_avoided_one_while_others_may_answer,
    "the same state gives the same choice": the_same_state_gives_the_same_choice,
    "better tiers first, standby last": better_tiers_first,
    "what is hot takes nobody down": what_is_hot_takes_nobody_down,
}


def _claim(true: bool, otherwise: str) -> None:
    """Not an `assert` statement: `python -O` would drop it."""
    if not true:
        raise AssertionError(otherwise)


def _rank(engine: Candidate) -> tuple[bool, int]:
    return engine.ref.routing.standby, engine.ref.routing.tier


def _candidate(name: str, engine: Engine, now: float) -> Candidate:
    found = Candidate(
        EngineRef(
            name=name,
            model="m",
            host="h",
            port=1,
            kind="external",
            max_outstanding=engine.places,
            routable=engine.routable,
            routing=engine.routing,
        )
    )
    found.started(now, cold=False)
    found.outstanding, found.tokens = min(engine.held, engine.places), engine.held_tokens
    found.suspended_until = now + 1 if engine.suspended else 0.0
    found.prefixes.add(engine.sent)
    if engine.ttft_s:
        found.first_token(engine.ttft_s, now)
    return found
