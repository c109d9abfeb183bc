"""What each policy prefers, in tables."""

from __future__ import annotations

from collections import Counter

import pytest

from forebay.engines.spec import EngineRouting
from forebay.gateway.routing import Picker, Scorer, load, pickers, scorers
from forebay.gateway.routing.candidate import Candidate
from forebay.gateway.routing.policy import RoutingPolicy
from forebay.gateway.routing.prefixes import PrefixIndex
from forebay.gateway.routing.want import NOTHING, Want, blocks_of, digest64, tokens_of
from forebay.testing.routing import NOW, PROPERTIES, Engine, Fleet

load()
LONG = tuple(range(1, 9))
# scorer, what the call wants, the engines, and what each must score
SCORES: dict[str, tuple[str, Want, list[Engine], list[float]]] = {
    "places by share, not by count": (
        "least_loaded", NOTHING, [Engine(places=4, held=2), Engine(places=100, held=10)], [0.5, 0.9]),
    "tokens with the call's own": (
        "least_tokens", Want(tokens=99), [Engine(held_tokens=0), Engine(held_tokens=300)], [1.0, 0.25]),
    "half the prompt is there": ("prefix", Want(blocks=LONG), [Engine(sent=LONG[:4]), Engine()], [0.5, 0.0]),
    "another prompt's end is no beginning": ("prefix", Want(blocks=LONG), [Engine(sent=LONG[4:])], [0.0]),
    "no prompt, no preference": ("prefix", NOTHING, [Engine(sent=LONG)], [0.0]),
    "no session, no preference": ("session", NOTHING, [Engine(), Engine()], [0.0, 0.0]),
    "twice as slow, half the score": ("latency", NOTHING, [Engine(ttft_s=0.1), Engine(ttft_s=0.2)], [1.0, 0.5]),
    "calls before it delay": ("latency", NOTHING, [Engine(ttft_s=0.1, held=1), Engine(ttft_s=0.1)], [0.5, 1.0]),
    "unknown is as good as the best": (
        "latency", NOTHING, [Engine(ttft_s=0.1), Engine(), Engine(ttft_s=1)], [1, 1, 0.1]),
    "price": (
        "cost", NOTHING,
        [Engine(routing=EngineRouting(usd_per_million_tokens=price)) for price in (2.0, 0.5)], [0.25, 1.0]),
    "free beats any price": (
        "cost", NOTHING,
        [Engine(routing=EngineRouting(usd_per_million_tokens=price)) for price in (2.0, 0.0)], [0.0, 1.0]),
}  # fmt: skip


@pytest.mark.parametrize("case", SCORES)
def test_scores(case: str) -> None:
    scorer, want, engines, wanted = SCORES[case]
    fleet = Fleet(RoutingPolicy(scorers={scorer: 1.0}), engines)
    assert scorers[scorer].score(want, fleet.engines, NOW) == pytest.approx(wanted)


def test_round_robin_and_turn_take_every_engine_once_a_round() -> None:
    for policy in (RoutingPolicy(scorers={"round_robin": 1.0}), RoutingPolicy(scorers={}, pick="turn")):
        fleet = Fleet(policy, [Engine(places=9) for _ in range(3)])
        taken = [engine.ref.name for _ in range(9) if (engine := fleet.enter(NOTHING))]
        assert [Counter(taken[at : at + 3]).most_common(1)[0][1] for at in (0, 3, 6)] == [1, 1, 1]


def test_weights_of_scorers_decide_between_them() -> None:
    engines = [Engine(sent=LONG, held=3), Engine()]
    for prefix_weight, wanted in ((10.0, "e0"), (0.1, "e1")):
        policy = RoutingPolicy(scorers={"prefix": prefix_weight, "least_loaded": 1.0}, imbalance=9)
        chosen = Fleet(policy, engines).choose(Want(blocks=LONG))
        assert chosen is not None
        assert chosen.ref.name == wanted


def test_a_split_by_weight_is_exact() -> None:
    weights = (90.0, 9.0, 1.0)
    engines = [Engine(places=10_000, routing=EngineRouting(weight=weight)) for weight in weights]
    fleet = Fleet(RoutingPolicy(scorers={}, pick="weighted"), engines)
    taken = Counter(engine.ref.name for _ in range(1000) if (engine := fleet.enter(NOTHING)))
    assert taken == {"e0": 900, "e1": 90, "e2": 10}


def test_a_split_by_digest_is_the_same_everywhere_and_by_weight() -> None:
    engines = [Engine(places=10_000, routing=EngineRouting(weight=weight)) for weight in (3.0, 1.0)]
    one = Fleet(RoutingPolicy(scorers={}, pick="weighted"), engines)
    other = Fleet(RoutingPolicy(scorers={}, pick="weighted"), engines)
    for _ in range(7):
        other.enter(NOTHING)
    wants = [Want(split=digest64(f"r{number}")) for number in range(4000)]
    ways = [_name(one.choose(want)) for want in wants]
    assert ways == [_name(other.choose(want)) for want in wants]
    assert Counter(ways)["e0"] == pytest.approx(3000, rel=0.05)


def test_two_by_lot_keep_the_loads_close() -> None:
    fleet = Fleet(RoutingPolicy(scorers={"least_loaded": 1.0}, pick="power_of_two"), [Engine(places=500)] * 8)
    for _ in range(800):
        fleet.enter(NOTHING)
    held = [each.held() for each in fleet.engines]
    assert max(held) - min(held) <= 12


def test_sessions_stay_when_an_engine_comes_but_for_its_share() -> None:
    policy = RoutingPolicy(scorers={"session": 1.0})
    sessions = [Want(session=digest64("t", str(number))) for number in range(3000)]
    for engines in (2, 3, 9):
        before, after = (Fleet(policy, [Engine()] * count) for count in (engines, engines + 1))
        ways = [(_name(before.choose(want)), _name(after.choose(want))) for want in sessions]
        moved = [new for old, new in ways if old != new]
        assert set(moved) == {f"e{engines}"}, "a session moved between engines that were there before"
        assert len(moved) / len(sessions) <= 1 / (engines + 1) + 0.03
        assert max(Counter(old for old, _ in ways).values()) <= len(sessions) / engines * 1.2


def test_sessions_go_by_weight() -> None:
    engines = [Engine(routing=EngineRouting(weight=weight)) for weight in (3.0, 1.0)]
    fleet = Fleet(RoutingPolicy(scorers={"session": 1.0}), engines)
    ways = Counter(_name(fleet.choose(Want(session=digest64(str(number))))) for number in range(4000))
    assert ways["e0"] == pytest.approx(3000, rel=0.05)


def test_an_adapter_goes_where_it_was() -> None:
    fleet = Fleet(RoutingPolicy(scorers={"adapters": 1.0}, imbalance=9), [Engine(places=50), Engine(places=50)])
    first = {name: _name(fleet.enter(Want(adapter=name))) for name in ("sql", "poems")}
    assert len(set(first.values())) == 2
    for _ in range(5):
        assert {name: _name(fleet.enter(Want(adapter=name))) for name in first} == first


def test_a_slow_engine_is_tried_again_after_a_while() -> None:
    fleet = Fleet(RoutingPolicy(scorers={"latency": 1.0}, imbalance=99), [Engine(ttft_s=0.1), Engine(ttft_s=1.0)])
    assert _name(fleet.choose(NOTHING)) == "e0"
    fleet.now += 40
    fleet.engines[0].first_token(0.1, fleet.now)
    assert _name(fleet.choose(NOTHING)) == "e1"


def test_a_fresh_engine_gets_a_share_that_grows() -> None:
    engines = [Engine(places=10_000), Engine(places=10_000, routing=EngineRouting(warm_up_s=100))]
    fleet = Fleet(RoutingPolicy(scorers={"least_loaded": 1.0}), engines)
    fresh = fleet.engines[1]
    fresh.started(NOW, cold=True)
    fleet.group.update(fleet.engines, fleet.group.plan)
    shares = []
    for elapsed_s in (10, 50, 100):
        fleet.now, before = NOW + elapsed_s, fresh.outstanding
        for each in fleet.engines:
            each.outstanding = 0
        for _ in range(200):
            fleet.enter(NOTHING)
        shares.append(fresh.outstanding / 200)
        assert before >= 0
    assert shares == pytest.approx([0.05, 0.25, 0.5], abs=0.02)


def test_the_kit_catches_a_policy_that_breaks_its_word() -> None:
    chance = iter(range(1_000_000))
    scorers.add("chance")(Scorer(lambda _want, engines, _now: [next(chance) * 7919 % 13 for _ in engines]))
    pickers.add("stubborn")(Picker(lambda group, _engines, _want, _now: group.engines[0]))
    cases = {
        "the same state gives the same choice": RoutingPolicy(scorers={"chance": 1.0}),
        "only engines with a place, and every place is used": RoutingPolicy(scorers={}, pick="stubborn"),
        "what is hot takes nobody down": RoutingPolicy(scorers={}, pick="stubborn"),
    }
    try:
        for claim, policy in cases.items():
            with pytest.raises(AssertionError):
                PROPERTIES[claim](lambda policy=policy: Fleet(policy, [Engine(places=9), Engine(places=9), Engine()]))
    finally:
        del scorers._parts["chance"], pickers._parts["stubborn"]


def test_blocks_tell_how_far_two_prompts_are_equal() -> None:
    def blocks(*said: str, salt: str = "") -> tuple[int, ...]:
        return blocks_of({"messages": [{"role": "user", "content": text} for text in said]}, salt)

    start = "a" * 2000
    one, other = blocks(start, "b" * 600), blocks(start, "c" * 600)
    same = [a == b for a, b in zip(one, other, strict=True)]
    assert same.index(False) == 2000 // 256
    assert same == sorted(same, reverse=True)
    assert blocks(start)[:7] == one[:7]
    assert not set(blocks(start)) & set(blocks(start, salt="tenant"))
    assert blocks("short") == ()
    assert len(blocks("x" * 1_000_000)) == 512
    swapped = blocks_of({"messages": [{"content": start, "role": "user"}]}, "")
    assert swapped == blocks(start)
    assert len(blocks_of({"prompt": "p" * 600}, "")) == 2
    assert blocks_of({"messages": [], "tools": [{"t": "x" * 600}]}, "") != ()


def test_tokens_are_estimated_from_bytes_and_the_longest_answer() -> None:
    body = b"x" * 400
    assert tokens_of(body, {"max_tokens": 10}) == 110
    assert tokens_of(body, {"max_completion_tokens": 10, "n": 3}) == 130
    assert tokens_of(body, {}) == 356


def test_an_index_is_bounded_and_beginnings_outlive_ends() -> None:
    index = PrefixIndex(capacity=10)
    index.add(LONG)
    index.add((1, 2, 101, 102, 103, 104, 105, 106))
    assert len(index) == 10
    assert index.matched((1, 2, 101, 102, 103, 104, 105, 106)) == 8
    assert index.matched(LONG) in (2, 3, 4)


def test_what_engines_report_corrects_what_is_believed() -> None:
    index = PrefixIndex()
    index.add(LONG)
    for _ in range(30):
        index.learn(expected_ratio=0.8, reported_ratio=0.0)
    assert index.trust < 0.01
    for _ in range(30):
        index.learn(expected_ratio=0.8, reported_ratio=0.9)
    assert index.trust > 0.99
    index.learn(expected_ratio=0.0, reported_ratio=0.0)
    assert index.trust > 0.99


def _name(engine: Candidate | None) -> str:
    assert engine is not None
    return engine.ref.name
