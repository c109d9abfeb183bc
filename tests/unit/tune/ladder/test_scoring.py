"""Which loads are measured, and what they score."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from forebay.tune.objective import Bounds, Objective
from forebay.tune.rung import with_pressure
from forebay.tune.scoring import explore, score
from forebay.tune.trial import Rung

CHAT = Objective(name="chat", about="", slo=Bounds(ttft_p95_ms=500), most_concurrency=512)
BATCH = Objective(name="batch", about="", most_concurrency=512)
LATENCY = Objective(name="low-latency", about="", goal="latency", slo=Bounds(e2e_p99_ms=500), concurrency=1000)


def rung(concurrency: int, tokens: float, ttft_ms: float = 0.0, **more: float) -> Rung:
    made = Rung(
        concurrency=concurrency,
        requests_per_s=tokens / 100,
        output_tokens_per_s=tokens,
        input_tokens_per_s=tokens,
        ttft_p95_ms=ttft_ms,
        sent=100,
    )
    return with_pressure(msgspec.structs.replace(made, **more), CHAT)


def saturating(concurrency: int) -> Rung:
    """Throughput that grows until 200 in flight, and a first token that comes later the more there are."""
    return rung(concurrency, 20.0 * min(concurrency, 200), 3.0 * concurrency)


def unbounded(concurrency: int) -> Rung:
    return with_pressure(saturating(concurrency), BATCH)


def kneed(knee: int) -> Callable[[int], Rung]:
    """An engine whose first token comes soon until so many are in flight, and then late at once."""
    return lambda concurrency: rung(
        concurrency, 20.0 * concurrency, 80.0 if concurrency <= knee else 515.0 + 10 * (concurrency - knee)
    )


def best(found: list[Rung]) -> int:
    return max(each.concurrency for each in found if each.keeps)


@pytest.mark.parametrize("knee", [70, 150, 233, 300, 343, 420, 500])
def test_the_highest_load_that_keeps_the_bounds_is_found_wherever_it_lies(knee: int) -> None:
    """From a load that is far too high, with one known to be good; and from the good one."""
    for begin in (512, 64):
        found = explore(kneed(knee), CHAT, first=(64,), begin=begin, most=8)
        assert knee / 1.2 <= best(found) <= knee, [each.concurrency for each in found]


def test_five_loads_come_near_a_knee_that_lies_between_the_first_two() -> None:
    """344 in flight were 15 ms too late, and 64 used an eighth of what was possible: nothing between was tried."""
    found = explore(kneed(300), CHAT, first=(64,), begin=512, most=5)
    assert best(found) >= 250


def test_a_candidate_that_begins_where_the_present_ends_goes_on_from_there() -> None:
    found = explore(kneed(410), CHAT, first=(64,), begin=256, most=5)
    assert best(found) >= 350


def test_loads_go_up_until_the_bounds_break() -> None:
    found = explore(saturating, CHAT, first=(), begin=96, most=3)
    assert [each.concurrency for each in found] == [96, 144, 216]
    assert [each.keeps for each in found] == [True, True, False]


def test_no_load_is_tried_between_two_where_the_higher_has_no_more_throughput() -> None:
    full = lambda concurrency: rung(concurrency, 1000.0, 60.0 if concurrency <= 64 else 2000.0)  # noqa: E731
    assert [each.concurrency for each in explore(full, CHAT, first=(), begin=64, most=9)] == [64, 128]


def test_of_a_load_that_is_known_to_be_the_best_one_neighbour_is_looked_at() -> None:
    found = explore(kneed(300), CHAT, first=(64,), begin=296, most=9, near=True)
    assert [each.concurrency for each in found] == [64, 296, 344]
    found = explore(kneed(280), CHAT, first=(64,), begin=296, most=9, near=True)
    assert [each.concurrency for each in found] == [64, 256, 296]


def test_small_loads_go_up_one_by_one_and_end() -> None:
    found = explore(kneed(5), CHAT, first=(), begin=1, most=9)
    assert best(found) == 5
    near = explore(unbounded, BATCH, first=(), begin=2, most=9, near=True)
    assert [each.concurrency for each in near] == [2, 3]


def test_loads_go_up_until_nothing_is_gained() -> None:
    found = explore(unbounded, BATCH, first=(), begin=128, most=9)
    assert [each.concurrency for each in found] == [128, 192, 288, 432]


def test_loads_go_down_until_the_bounds_hold() -> None:
    found = explore(saturating, CHAT, first=(), begin=400, most=9)
    assert 166 / 1.15 <= best(found) <= 166
    assert found[-1].concurrency == 400


def test_no_more_loads_than_asked_and_none_twice() -> None:
    seen: list[int] = []

    def measured(concurrency: int) -> Rung:
        seen.append(concurrency)
        return unbounded(concurrency)

    explore(measured, BATCH, first=(64, 64), begin=64, most=3)
    assert seen == [64, 96, 144]


def test_a_load_that_falls_a_hair_over_the_bound_hardly_changes_the_score() -> None:
    below = [rung(144, 2880, 432), rung(216, 4000, 499)]
    above = [rung(144, 2880, 432), rung(216, 4000, 501)]
    assert abs(score(below, CHAT).value / score(above, CHAT).value - 1) < 0.02


def test_what_keeps_no_bound_scores_less_the_further_it_is() -> None:
    near, far = [rung(8, 1000, 600)], [rung(8, 1000, 2000)]
    assert not score(near, CHAT).kept
    assert score(near, CHAT).value > score(far, CHAT).value
    assert score([rung(8, 500, 100)], CHAT).kept


def test_latency_is_scored_by_its_tail() -> None:
    slow, fast = (msgspec.structs.replace(rung(1000, 1), e2e_p99_ms=p99) for p99 in (4394.0, 450.0))
    assert score([fast], LATENCY).value > score([slow], LATENCY).value


def test_a_class_that_waits_breaks_the_bound_of_all() -> None:
    """P95 over all is fine, for the short ones are many."""
    mixed = msgspec.structs.replace(rung(64, 1000, 300.0), classes={"256": 200.0, "2048": 900.0})
    assert not with_pressure(mixed, CHAT).keeps
    assert with_pressure(mixed, BATCH).keeps


def test_a_load_that_is_refused_adds_nothing_to_the_score_of_the_one_below() -> None:
    """Those that it answers are quick and many, for it refuses the others: that throughput is nobody's."""
    kept, refused = rung(64, 1000, 250), rung(128, 3000, 400, failed=40, rejected=40)
    assert score([kept, refused], CHAT).value == score([kept], CHAT).value
