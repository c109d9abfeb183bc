"""Callers who use nothing any more are forgotten, and by that nobody ever gets more."""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from forebay.gateway.limits.book import Book, Held, Need
from forebay.gateway.limits.gauges import day_of
from forebay.gateway.limits.policy import Bounds, LimitsPolicy, Price, ValkeyRef

DAY_S = 86_400
CALLS, TOKENS, RUNNING, MONEY = 4, 100, 3, 500
POLICY = LimitsPolicy(
    key_default=Bounds(requests_per_minute=CALLS, tokens_per_minute=TOKENS, concurrency=RUNNING),
    tenant_default=Bounds(requests_per_minute=2 * CALLS, nano_usd_per_day=MONEY),
    prices={"m": Price(1, 1)},
)
CALLERS = [("a", "one"), ("b", "one"), ("c", "two")]


class Callers(RuleBasedStateMachine):
    """Three callers of two tenants, forgotten at any time, and a record of what they were let do."""

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.book = Book(POLICY, lambda: self.now, lambda: 20_000.0 * DAY_S + self.now)
        self.began: dict[str, list[float]] = defaultdict(list)
        self.used: dict[str, list[tuple[float, list[int]]]] = defaultdict(list)
        self.running: Counter[str] = Counter()
        self.spent: Counter[tuple[str, int]] = Counter()

    @rule(target=held, who=st.sampled_from(CALLERS), tokens=st.integers(0, 60))
    def ask(self, who: tuple[str, str], tokens: int) -> object:
        plan = self.book.plan(*who, "m")
        assert plan is not None
        taken = self.book.take(plan, Need(0, tokens))
        if not isinstance(taken, Held):
            return None
        record, day = [tokens], day_of(self.now)
        for each in who:
            self.began[each].append(self.now)
        self.used[who[0]].append((self.now, record))
        self.running[who[0]] += 1
        self.spent[who[1], day] += tokens
        return taken, record, who, day

    @rule(call=consumes(held), used=st.integers(0, 80))
    def end(self, call: object, used: int) -> None:
        """An engine may count more than was estimated: that is owed, and counted from now on."""
        if call is not None:
            taken, record, who, day = call  # type: ignore[misc]
            self.book.settle(taken, 0, used)
            more, record[0] = used - record[0], min(used, record[0])
            self.running[who[0]] -= 1
            self.spent[who[1], day] += more
            if more > 0:
                self.used[who[0]].append((self.now, [more]))

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 30.0, 61.0, 130.0, 3600.0, 1.0 * DAY_S, 3.0 * DAY_S]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def forget(self) -> None:
        for _ in range(3):
            self.book.forget(self.now)

    @invariant()
    def nobody_gets_more(self) -> None:
        for who, tenant in CALLERS:
            assert self.book.plan(who, tenant, "m") is not None
            limits = self.book.limits
            for name, most in ((who, CALLS), (tenant, 2 * CALLS)):
                assert sum(at > self.now - 60 for at in self.began[name]) <= most
            lately = sum(record[0] for at, record in self.used[who] if at > self.now - 60)
            assert limits["key", who, "tokens_per_minute"].gauge.used() >= lately
            assert limits["key", who, "concurrency"].gauge.used() == self.running[who] <= RUNNING
            today = self.spent[tenant, day_of(self.now)]
            assert limits["tenant", tenant, "nano_usd_per_day"].gauge.used() == today

    def teardown(self) -> None:
        """When all have ended and a few days are over, nothing is left of anybody."""
        if self.running.total() == 0:
            self.now += 4.0 * DAY_S
            for _ in range(3):
                self.book.forget(self.now)
            assert self.book.limits == {}


TestCallers = Callers.TestCase
TestCallers.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_stream_of_new_callers_is_held_as_long_as_they_count() -> None:
    now = [1000.0]
    book = Book(POLICY, lambda: now[0], lambda: now[0])
    most = 0
    for second in range(600):
        now[0] += 1.0
        for number in range(10):
            plan = book.plan(f"{second}-{number}", "t", "m")
            assert plan is not None
            taken = book.take(plan, Need(0, 0))
            if isinstance(taken, Held):
                book.settle(taken, 0, 0)
        for _ in range(4):
            book.forget(now[0])
        most = max(most, len(book.limits))
    assert most < 600 * 10, "three limits each, of 6,000 callers"


def test_money_of_a_caller_who_did_not_come_again_is_still_recorded() -> None:
    """A worker that starts twice must not forget what was spent before the first time."""
    first = Book(POLICY, lambda: 1.0, lambda: 20_000.0 * DAY_S)
    first.restore({"tenant:one:nano_usd_per_day": {20_000: 400}, "tenant:two:nano_usd_per_day": {19_000: 400}})
    plan = first.plan("c", "two", "m")
    assert plan is not None
    assert isinstance(first.take(plan, Need(0, 10)), Held)
    assert first.spent()["tenant:one:nano_usd_per_day"] == {20_000: 400}
    again = Book(POLICY, lambda: 1.0, lambda: 20_000.0 * DAY_S)
    again.restore(first.spent())
    plan = again.plan("a", "one", "m")
    assert plan is not None
    assert isinstance(again.take(plan, Need(0, 101)), list)


def test_nothing_is_forgotten_while_the_authority_is_lost() -> None:
    """What was held of it then is all that may be used; a new limit would have a share."""
    now = [1.0]
    policy = msgspec.structs.replace(POLICY, valkey=ValkeyRef(host="127.0.0.1", port=1))
    book = Book(policy, lambda: now[0], lambda: now[0])
    book.plan("a", "one", "m")
    held = set(book.limits)
    book.alone = True
    now[0] += 10.0 * DAY_S
    book.forget(now[0])
    assert set(book.limits) == held
    book.alone = False
    for _ in range(2):
        book.forget(now[0])
    assert book.limits == {}
