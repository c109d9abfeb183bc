"""Who is next: classes by weight, tenants alike, each in order of arrival; nobody starves, none gains by leaving."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.gateway.queue.steady_service import CLASSES, Service, policy

from forebay.gateway.queue.policy import QueueClass


def test_calls_of_one_tenant_are_served_in_order_of_arrival() -> None:
    service = Service(policy())
    tickets = [service.join(tokens=tokens) for tokens in (500, 1, 90, 7, 7)]
    service.run(1000)
    assert service.granted == tickets


def test_a_tenant_with_one_call_does_not_wait_behind_another_s_thousand() -> None:
    service = Service(policy())
    for _ in range(1000):
        service.join("busy")
    service.run(3)
    late = service.join("rare")
    service.run(5.5)
    assert late in service.granted


def test_a_higher_class_goes_before_a_lower_one_that_came_first() -> None:
    service = Service(policy(*CLASSES))
    for _ in range(10):
        service.join(name="batch")
    service.run(0.5)
    late = service.join(name="interactive")
    service.run(1.5)
    assert service.granted[-1] is late


def test_the_lowest_class_progresses_under_any_load_of_the_highest() -> None:
    service = Service(policy(*CLASSES))
    for _ in range(100):
        service.join(name="batch")
    for _ in range(3400):
        service.join(name="interactive")
    service.run(170)
    assert 9 <= sum(ticket.priority == "batch" for ticket in service.granted) <= 11


def test_a_class_alone_gets_everything() -> None:
    service = Service(policy(*CLASSES))
    tickets = [service.join(name="batch") for _ in range(50)]
    service.run(49.5)
    assert service.granted == tickets


def test_idling_saves_nothing_up() -> None:
    service = Service(policy())
    for _ in range(200):
        service.join("steady")
    service.run(50.5)
    for _ in range(50):
        service.join("returned")
    service.run(90.5)
    after = Counter(ticket.tenant for ticket in service.granted[51:])
    assert abs(after["steady"] - after["returned"]) <= 1


def test_coming_back_with_one_call_at_a_time_gains_nothing() -> None:
    service = Service(policy())
    for _ in range(500):
        service.join("steady")
    mine = service.join("sly", tokens=1000)
    for second in range(1, 100):
        service.run(second)
        if mine in service.waited_s:
            mine = service.join("sly", tokens=1000)
    tokens = Counter[str]()
    for ticket in service.granted:
        tokens[ticket.tenant] += ticket.cost_tokens
    assert tokens["sly"] <= tokens["steady"] + 1100


def test_leaving_and_coming_back_gains_nothing() -> None:
    service = Service(policy())
    first = service.join("sly")
    service.join("steady")
    service.serve()
    assert service.granted == [first]
    for _ in range(10):
        service.join("steady")
        service.lines.leave(service.join("sly"))
    mine = service.join("sly")
    service.run(2.5)
    assert service.granted.index(mine) == 2  # after the call of `steady` that is owed, as if it had not left


tenants = st.sampled_from(["a", "b", "c"])
sizes = st.integers(1, 5000)


@given(st.lists(st.tuples(tenants, sizes), min_size=2, max_size=80), st.integers(1, 60))
def test_between_tenants_that_wait_the_difference_is_one_call_of_each_at_most(
    calls: list[tuple[str, int]], grants: int
) -> None:
    service = Service(policy())
    for tenant, tokens in calls:
        service.join(tenant, tokens=tokens)
    largest = {tenant: max(tokens for name, tokens in calls if name == tenant) for tenant, _ in calls}
    waiting, got = Counter(tenant for tenant, _ in calls), Counter[str]()
    service.serve()
    while len(service.granted) < min(grants, len(calls)):
        service.finish_one()
        service.serve()
    for ticket in service.granted[:grants]:
        waiting[ticket.tenant] -= 1
        got[ticket.tenant] += ticket.cost_tokens
        keep_waiting = [tenant for tenant in largest if waiting[tenant] > 0]
        for one in keep_waiting:
            for other in keep_waiting:
                assert abs(got[one] - got[other]) <= largest[one] + largest[other]


names = st.sampled_from([each.name for each in CLASSES])


@given(st.lists(st.tuples(names, sizes), min_size=2, max_size=80))
@settings(max_examples=60)
def test_between_classes_that_wait_shares_differ_by_one_call_of_each_at_most(calls: list[tuple[str, int]]) -> None:
    service = Service(policy(*CLASSES))
    for name, tokens in calls:
        service.join(name=name, tokens=tokens)
    weights = {each.name: each.weight for each in CLASSES}
    largest = {name: max(tokens for other, tokens in calls if other == name) / weights[name] for name, _ in calls}
    waiting, got = Counter(name for name, _ in calls), Counter[str]()
    service.run(1e6)
    for ticket in service.granted:
        waiting[ticket.priority] -= 1
        got[ticket.priority] += ticket.cost_tokens
        keep_waiting = [name for name in largest if waiting[name] > 0]
        for one in keep_waiting:
            for other in keep_waiting:
                difference = abs(got[one] / weights[one] - got[other] / weights[other])
                assert difference <= largest[one] + largest[other] + 1e-6


def test_reserved_places_are_kept_for_their_class_and_no_others() -> None:
    kept = policy(QueueClass(name="high", reserved_ratio=0.25), QueueClass(name="low", reserved_ratio=0.25))
    service = Service(kept, places=8)
    for _ in range(20):
        service.join(name="low")
    service.serve()
    assert service.held == {"low": 6}
    for _ in range(20):
        service.join(name="high")
    service.serve()
    assert service.held == {"low": 6, "high": 2}
    service.run(100)
    assert len(service.granted) == 40


@given(st.lists(st.tuples(names, st.integers(1, 900)), max_size=60), st.integers(1, 12))
@settings(max_examples=60)
def test_with_any_reserve_every_call_is_served_and_no_place_beyond_the_rule_is_taken(
    calls: list[tuple[str, int]], places: int
) -> None:
    reserved = {"interactive": 0.3, "standard": 0.1, "batch": 0.2}
    classes = [QueueClass(name=each.name, weight=each.weight, reserved_ratio=reserved[each.name]) for each in CLASSES]
    service = Service(policy(*classes), places=places)
    for name, tokens in calls:
        service.join(name=name, tokens=tokens)
    service.serve()
    while service.running:
        for name, own_ratio in reserved.items():
            others = (int(ratio * places) - service.held[each] for each, ratio in reserved.items() if each != name)
            kept = sum(max(0, unfilled) for unfilled in others)
            assert service.held[name] <= max(int(own_ratio * places), places - kept)
        service.finish_one()
        service.serve()
    assert len(service.granted) == len(calls)


def test_a_class_gains_nothing_from_places_it_could_not_have_had() -> None:
    high, low, other = QueueClass(name="high", weight=4, reserved_ratio=0.5), QueueClass(name="low"), "other"
    service = Service(policy(high, low, QueueClass(name=other)), places=4)
    for _ in range(2):
        service.join(name=other, tokens=10_000)
    service.serve()
    for _ in range(300):
        service.join(name="low")
    for _ in range(1000):
        service.join(name="high")
    service.run(99.5)  # the two kept places turn over, the others are held: the low class could have had none
    before = len(service.granted)
    service.run(120.5)
    shares = Counter(ticket.priority for ticket in service.granted[before:])
    assert shares["low"] <= sum(shares.values()) / 5 + 4


def test_a_class_that_idled_saved_nothing_up() -> None:
    service = Service(policy(QueueClass(name="one"), QueueClass(name="other")))
    for _ in range(200):
        service.join(name="one")
    service.run(50.5)
    for _ in range(50):
        service.join(name="other")
    service.run(90.5)
    after = Counter(ticket.priority for ticket in service.granted[51:])
    assert abs(after["one"] - after["other"]) <= 1


def test_when_classes_are_given_up_everybody_goes_in_order_of_arrival() -> None:
    service = Service(policy(*CLASSES))
    tickets = []
    for number in range(12):
        service.now = number / 100
        tickets.append(service.join(name=CLASSES[-1 - number % 3].name))
    service.lines.use(policy(), 100)
    service.run(1000)
    assert service.granted == tickets
