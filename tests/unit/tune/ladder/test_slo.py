"""The highest load that keeps an SLO, found by intervals and not by luck."""

from __future__ import annotations

import random
import time

import pytest

from forebay.tune.load.errors import ClientWasTheBottleneck, Unreachable
from forebay.tune.load.target import Target
from forebay.tune.load.workload import Lengths, Slo
from forebay.tune.slo import Limits, Window, highest, judged
from forebay.tune.slo_probe import Looked, load_at


class Service:
    """Answers are good with a chance that falls as the rate nears its capacity; slow moments come in whole windows."""

    def __init__(self, capacity_rps: float, *, idle: float = 0.999, seed: int = 1, rows: float = 0.0) -> None:
        self._capacity_rps, self._idle, self._rows = capacity_rps, idle, rows
        self._dice = random.Random(seed)
        self.asked: list[float] = []

    def share(self, rate_rps: float) -> float:
        """Falls through 95 % at the capacity."""
        return self._idle - max(0.0, rate_rps / self._capacity_rps - 0.9) * 0.5

    def __call__(self, rate_rps: float, number: int) -> Window:
        self.asked.append(rate_rps)
        sent = max(20, round(rate_rps * 20))
        share = min(1.0, max(0.0, self.share(rate_rps) - abs(self._dice.gauss(0, self._rows))))
        return Window(sent=sent, good=sum(self._dice.random() < share for _each in range(sent)))


@pytest.mark.parametrize("capacity_rps", [0.7, 12.0, 300.0])
@pytest.mark.parametrize("begin_rps", [0.1, 5.0, 2000.0])
def test_it_is_found_from_below_and_from_above(capacity_rps: float, begin_rps: float) -> None:
    found = highest(Service(capacity_rps), begin_rps, Limits())
    assert found.confirmed
    assert found.highest_rps is not None
    assert 0.6 * capacity_rps < found.highest_rps < 1.05 * capacity_rps


def test_it_hardly_ever_tells_a_load_that_breaks_the_slo() -> None:
    too_high = 0
    for seed in range(200):
        service = Service(20.0, seed=seed, rows=0.01)
        found = highest(service, 8.0, Limits())
        if found.highest_rps is not None and found.confirmed and service.share(found.highest_rps) < 0.94:
            too_high += 1
    assert too_high <= 6


def test_an_slo_that_no_load_can_meet_is_a_clear_answer() -> None:
    found = highest(Service(20.0, idle=0.5), 8.0, Limits())
    assert found.highest_rps is None
    assert "no load keeps the SLO" in found.why
    assert "95%" in found.why


def test_the_time_ends_the_search_and_the_answer_says_so() -> None:
    service = Service(20.0)
    found = highest(service, 8.0, Limits(), enough=lambda: len(service.asked) > 6)
    assert not found.confirmed
    assert len(service.asked) < 10


def test_nothing_sent_is_no_proof() -> None:
    assert judged([Window(sent=0, good=0)], Limits())[0] == "unsure"


def test_few_answers_are_no_proof() -> None:
    assert judged([Window(sent=10, good=10)], Limits())[0] == "unsure"
    assert judged([Window(sent=100, good=100)], Limits())[0] == "kept"
    assert judged([Window(sent=100, good=80)], Limits())[0] == "broken"


def test_a_window_in_which_nobody_asked_breaks_nothing() -> None:
    """At a low rate a window may pass without a request: the next one tells."""

    def seldom(rate_rps: float, number: int) -> Window:
        return Window(sent=0, good=0) if number == 0 else Window(sent=100, good=100 if rate_rps < 5 else 0)

    found = highest(seldom, 1.0, Limits(least_rps=1.0))
    assert found.highest_rps is not None
    assert found.confirmed


class Weak(Service):
    """Asked by a generator that is itself the limit from `most_rps` on."""

    most_rps = 3.0

    def __call__(self, rate_rps: float, number: int) -> Window:
        if rate_rps > self.most_rps:
            self.asked.append(rate_rps)
            raise ClientWasTheBottleneck("nothing is reported: late", fix="Give it more processes")
        return super().__call__(rate_rps, number)


@pytest.mark.parametrize("begin_rps", [1.0, 40.0])
def test_where_the_generator_is_the_limit_what_was_found_below_is_told_and_no_more(begin_rps: float) -> None:
    found = highest(Weak(20.0), begin_rps, Limits())
    assert found.confirmed
    assert found.highest_rps is not None
    assert 2.4 < found.highest_rps <= 3.0
    assert "the generator was the limit" in found.why
    assert "do not" not in found.why, "of that rate nothing is known"
    assert {each.verdict for each in found.rates if each.rate_rps > 3.0} == {"unseen"}


def test_a_generator_that_is_the_limit_everywhere_is_an_error_and_no_verdict_on_the_service() -> None:
    service = Weak(20.0)
    service.most_rps = 0.0
    with pytest.raises(ClientWasTheBottleneck, match="nothing is reported"):
        highest(service, 1.0, Limits())


def test_a_service_that_breaks_the_slo_wherever_it_could_be_seen() -> None:
    class Seldom(Weak):
        def __call__(self, rate_rps: float, number: int) -> Window:
            if rate_rps < 0.5:
                raise ClientWasTheBottleneck("nothing is reported: late")
            return super().__call__(rate_rps, number)

    found = highest(Seldom(20.0, idle=0.5), 1.0, Limits())
    assert found.highest_rps is None
    assert "no load keeps the SLO: at 0.5 requests/s" in found.why


def test_a_service_that_dies_leaves_what_was_measured_before() -> None:
    class Mortal(Service):
        def __call__(self, rate_rps: float, number: int) -> Window:
            if len(self.asked) >= 5:
                raise Unreachable("nothing answers there: refused")
            return super().__call__(rate_rps, number)

    found = highest(Mortal(200.0), 2.0, Limits())
    assert found.highest_rps is not None
    assert not found.confirmed
    assert "nothing answers there: refused" in found.why
    assert found.ended


def test_a_service_that_was_never_there_is_an_error() -> None:
    def nobody(rate_rps: float, number: int) -> Window:
        raise Unreachable("nothing answers there: refused")

    with pytest.raises(Unreachable, match="nothing answers"):
        highest(nobody, 2.0, Limits())


def test_a_time_that_ends_before_anything_is_sure_is_no_verdict_on_the_service() -> None:
    found = highest(Service(20.0, idle=1.0), 1.0, Limits(), enough=lambda: True)
    assert found.highest_rps is None
    assert "no load keeps" not in found.why
    assert "no load was surely seen to keep the SLO in so few answers" in found.why


@pytest.mark.parametrize(("left_s", "least_s", "most_s"), [(0.0, 60, 60), (300.0, 240, 300), (3600.0, 600, 600)])
def test_a_service_that_stands_still_holds_no_window_long_past_the_budget(
    left_s: float, least_s: float, most_s: float
) -> None:
    length = Lengths(tokens=8)
    looked = Looked(
        target=Target(url="http://127.0.0.1:1", model="m"), slo=Slo(ttft_ms=500), input_tokens=length,
        output_tokens=length, window_s=4.0, say=lambda _text: None, until_s=time.monotonic() + left_s,
    )  # fmt: skip
    assert least_s <= load_at(looked, 4.0, 0).timeout_s <= most_s
