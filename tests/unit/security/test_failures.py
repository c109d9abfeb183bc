"""Wrong keys: whoever sends many waits longer and longer, in bounded memory, and nobody else does."""

from __future__ import annotations

from forebay.security.failures import FailurePolicy, Failures


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def failures(clock: Clock, allowed: int = 3) -> Failures:
    return Failures(FailurePolicy(allowed=allowed, wait_s=5.0, longest_wait_s=60.0), clock)


def test_a_few_wrong_keys_are_told_so_and_more_have_to_wait_longer_each_time() -> None:
    clock = Clock()
    counted = failures(clock)
    assert [counted.failed("a") for _ in range(3)] == [0, 0, 0]
    waits = []
    for _round in range(5):
        while not (wait := counted.failed("a")):
            pass
        waits.append(wait)
        clock.now += wait
    assert waits == [6, 11, 21, 41, 61], "doubled, up to the longest"


def test_within_the_wait_nothing_counts_and_the_rest_of_it_is_told() -> None:
    clock = Clock()
    counted = failures(clock, allowed=1)
    counted.failed("a")
    assert counted.failed("a") == 6
    clock.now += 3
    assert [counted.failed("a") for _ in range(50)] == [3] * 50


def test_others_are_not_touched() -> None:
    counted = failures(Clock(), allowed=1)
    for _ in range(100):
        counted.failed("a")
    assert counted.failed("b") == 0


def test_slow_mistakes_are_forgiven_and_old_ones_forgotten() -> None:
    clock = Clock()
    counted = failures(clock, allowed=1)
    for _ in range(20):
        assert counted.failed("a") == 0
        clock.now += 61
    counted.failed("b")
    assert counted.failed("b") == 6
    clock.now += 4000
    assert counted.failed("b") == 0


def test_a_million_sources_take_the_room_of_ten_thousand() -> None:
    counted = failures(Clock())
    for number in range(30_000):
        counted.failed(str(number))
    assert len(counted._sources) == 10_000
