"""What cannot be served in time is refused at once, and what is refused is told truly when to come again."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.gateway.queue.steady_service import CLASSES, Service, policy

from forebay.gateway.queue.deadlines import Deadlines
from forebay.gateway.queue.policy import QueueClass
from forebay.gateway.queue.rate import ServiceRate
from forebay.gateway.queue.ticket import Line, Ticket
from forebay.gateway.refusal import Refusal


def under_load(service: Service, calls: int, every_s: float, tokens: int = 100) -> list[tuple[Ticket, float | None]]:
    """Calls that come at an even pace, each with the wait that was foreseen for it."""
    seen = []
    for _ in range(calls):
        service.run(service.now + every_s)
        probe = Ticket(None, "m", 0.0)
        probe.tenant, probe.cost_tokens = "t", tokens
        line = service.lines.line("m")
        foreseen = line.predicted_wait_s(probe, service.now) if line is not None and line.waiting else None
        seen.append((service.arrive(tokens), foreseen))
    service.run(service.now + 1e5)
    return seen


@given(st.integers(1, 12), st.floats(0.3, 0.9), st.integers(10, 2000))
@settings(max_examples=40, deadline=None)
def test_under_steady_service_the_wait_is_foreseen_within_two_service_times_and_a_tenth(
    places: int, pace: float, tokens: int
) -> None:
    service = Service(policy(), places)
    service_s = tokens / service.tokens_s
    seen = under_load(service, 30 * places, pace * service_s / places, tokens)
    foreseen = [(ticket, predicted) for ticket, predicted in seen if predicted is not None]
    assert len(foreseen) > places
    for ticket, predicted in foreseen:
        assert abs(predicted - service.waited_s[ticket]) <= 2 * service_s + 0.1 * service.waited_s[ticket]


def test_a_class_is_told_its_own_wait() -> None:
    service = Service(policy(*CLASSES))
    for _ in range(40):
        service.join(name="batch")
        service.join(name="standard")
    service.run(20.5)
    waits = {}
    for each in CLASSES:
        probe = Ticket(None, "m", 0.0)
        probe.tenant, probe.priority, probe.cost_tokens = "t", each.name, 100
        waits[each.name] = service.lines.line("m").predicted_wait_s(probe, service.now)
    late = {name: service.join(name=name) for name in waits}
    service.run(1000)
    for name, ticket in late.items():
        assert waits[name] == pytest.approx(service.waited_s[ticket], abs=4.0), name
    assert waits["interactive"] < waits["standard"] < waits["batch"]


def test_a_call_that_would_wait_too_long_is_refused_and_told_when_to_come() -> None:
    service = Service(policy())
    for _ in range(30):
        service.join(wait_s=1000)
    service.run(10.5)  # 20 wait, one is served a second
    with pytest.raises(Refusal) as caught:
        service.join(wait_s=5)
    assert caught.value.code == "wait_too_long"
    assert 13 <= caught.value.retry_after_s <= 19
    service.join(wait_s=25)
    service.run(service.now + caught.value.retry_after_s + 3)
    service.join(wait_s=5)


def test_what_a_tenant_has_had_does_not_count_as_waiting() -> None:
    service = Service(policy())
    for _ in range(10):
        service.join("served")
    for _ in range(40):
        service.join("busy")
    service.run(20.5)
    probe = Ticket(None, "m", 0.0)
    probe.tenant, probe.cost_tokens = "served", 100
    line = service.lines.line("m")
    assert line is not None
    foreseen_s = line.predicted_wait_s(probe, service.now)
    mine = service.join("served")
    service.run(1000)
    assert foreseen_s == pytest.approx(service.waited_s[mine], abs=3)


def test_nothing_is_refused_for_what_is_not_known() -> None:
    service = Service(policy())
    for _ in range(50):
        service.join(wait_s=0.001)


def test_without_early_rejection_everybody_waits() -> None:
    service = Service(policy(reject_early=False))
    for _ in range(30):
        service.join(wait_s=1000)
    service.run(10.5)
    service.join(wait_s=1)


def test_a_full_class_is_told_when_it_will_have_been_served_and_leaves_room_for_others() -> None:
    service = Service(policy(QueueClass(name="high"), QueueClass(name="low", calls=20)))
    for _ in range(20):
        service.join(name="low")
    service.run(10.5)
    for _ in range(11):
        service.join(name="low")
    with pytest.raises(Refusal) as caught:
        service.join(name="low")
    assert caught.value.code == "queue_full"
    assert 19 <= caught.value.retry_after_s <= 23
    service.join(name="high")


def test_the_rate_sinks_while_nothing_is_served_and_rests_while_nobody_waits() -> None:
    rate = ServiceRate()
    for second in range(1, 61):
        rate.granted(100, float(second))
    assert rate.tokens_s(60.0) == pytest.approx(100, rel=0.02)
    assert rate.tokens_s(90.0) < 40
    rate.skip_to(1000.0)
    assert rate.tokens_s(1000.0) == pytest.approx(100, rel=0.02)


def test_the_rate_follows_a_service_that_becomes_slower() -> None:
    rate = ServiceRate()
    for number in range(1000):
        rate.granted(100, number / 100)
    for number in range(750):
        rate.granted(100, 10 + number / 25)
    assert rate.tokens_s(40.0) == pytest.approx(2500, rel=0.25)


def test_calls_that_come_and_leave_leave_nothing_behind() -> None:
    service = Service(policy(*CLASSES))
    stays = [service.join(f"t{number % 50}", "batch") for number in range(100)]

    def come_and_go(calls: int) -> None:
        for number in range(calls):
            service.lines.leave(service.join(f"t{number % 50}", "interactive", wait_s=3600))

    come_and_go(2000)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    come_and_go(20_000)
    grown_bytes = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown_bytes < 200_000
    assert service.lines.waiting == len(stays)


def test_deadlines_of_those_who_left_are_dropped_in_bulk() -> None:
    deadlines, line = Deadlines(), Line()
    for number in range(10_000):
        ticket = Ticket(None, "m", 1e9 + number)
        deadlines.add(ticket, waiting=0)
    assert len(deadlines) <= 65
    ticket.line = line
    assert deadlines.expired(2e9) is ticket
