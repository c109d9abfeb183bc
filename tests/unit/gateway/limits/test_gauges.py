"""No window holds more than its cap, nothing is counted twice or forgotten early, whatever the clock does."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from forebay.gateway.limits.book import Book, Held, Need, Plan
from forebay.gateway.limits.gauges import Rate, Spend, day_of, month_ends_at, month_of
from forebay.gateway.limits.policy import Bounds, LimitsPolicy, Price

LIMITS = Bounds(
    requests_per_minute=5, tokens_per_minute=100, concurrency=3, nano_usd_per_day=900, nano_usd_per_month=1500
)
DAY_S = 86_400


class Caller(RuleBasedStateMachine):
    """One caller with every kind of limit, and a record of all it was let do, kept apart from the limiter's own."""

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.now, self.wall = 1000.0, 20_000.0 * DAY_S - 100
        self.latest = self.now
        policy = LimitsPolicy(key_default=LIMITS, prices={"m": Price(2, 3)})
        self.book = Book(policy, lambda: self.now, lambda: self.wall)
        plan = self.book.plan("k", "t", "m")
        assert isinstance(plan, Plan)
        self.plan = plan
        self.began: list[tuple[float, list[int]]] = []
        self.open = 0
        self.days, self.months = Counter[int](), Counter[int]()

    @rule(target=held, tokens=st.integers(0, 60), output=st.integers(0, 60))
    def ask(self, tokens: int, output: int) -> object:
        taken = self.book.take(self.plan, Need(tokens, output))
        if not isinstance(taken, Held):
            return None
        record = [tokens + output]
        self.began.append((self.now, record))
        self.open += 1
        day, month, cost = day_of(self.wall), month_of(self.wall), 2 * tokens + 3 * output
        self.days[day] += cost
        self.months[month] += cost
        return taken, record, (tokens, output, cost, day, month)

    @rule(call=consumes(held), share=st.floats(0, 1), again=st.booleans())
    def end(self, call: object, share: float, again: bool) -> None:
        if call is None:
            return
        taken, record, (tokens, output, cost, day, month) = call  # type: ignore[misc]
        used = int(output * share)
        for _ in range(1 + again):
            self.book.settle(taken, tokens, used)
        record[0] = tokens + used
        self.open -= 1
        saved = cost - 2 * tokens - 3 * used
        self.days[day] -= saved
        self.months[month] -= saved

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.999, 1.0, 29.5, 59.0, 59.999, 60.0, 61.0, 500.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.latest = max(self.latest, self.now)
        self.wall += seconds

    @rule(seconds=st.sampled_from([-3 * DAY_S, -3600, -1, 1, 3600, DAY_S, 40 * DAY_S, 3650 * DAY_S]))
    def somebody_sets_the_clock(self, seconds: int) -> None:
        if len({day_of(self.wall), day_of(self.wall + seconds), *self.days}) <= 4:
            self.wall += seconds

    @rule()
    def the_monotonic_clock_is_read_late(self) -> None:
        # By half a second at most: the clock itself never goes back, only what was read of it may be old.
        self.now = max(self.now - 0.5, self.latest - 0.5)

    @invariant()
    def no_minute_holds_more(self) -> None:
        minute = [record[0] for at, record in self.began if at > self.now - 60]
        assert len(minute) <= 5
        assert sum(minute) <= 100

    @invariant()
    def no_more_calls_run(self) -> None:
        running = self.book.limits["key", "k", "concurrency"].gauge
        assert running.used() == self.open <= 3

    @invariant()
    def money_is_counted_to_the_last_unit(self) -> None:
        assert all(spent <= 900 for spent in self.days.values())
        assert all(spent <= 1500 for spent in self.months.values())
        assert self.book.limits["key", "k", "nano_usd_per_day"].gauge.used() == self.days[day_of(self.wall)]
        assert self.book.limits["key", "k", "nano_usd_per_month"].gauge.used() == self.months[month_of(self.wall)]

    @invariant()
    def nothing_leaks(self) -> None:
        self.now += 1000
        for measure in ("requests_per_minute", "tokens_per_minute"):
            gauge = Rate(lambda: self.now)
            gauge._slots = dict(self.book.limits["key", "k", measure].gauge._slots)  # type: ignore[attr-defined]
            gauge.in_use = self.book.limits["key", "k", measure].gauge.in_use
            assert gauge.used() == 0
        self.now -= 1000


TestCaller = Caller.TestCase
TestCaller.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_refund_is_not_paid_twice_and_never_below_nothing() -> None:
    now = [0.0]
    gauge = Rate(lambda: now[0])
    stamp = gauge.add(10)
    gauge.settle(stamp, 10, 4)
    gauge.settle(stamp, 10, 4)
    assert gauge.used() == 0
    now[0] = 100
    gauge.settle(stamp, 10, 0)
    assert gauge.used() == 0


def test_what_the_engine_counted_beyond_the_estimate_is_owed() -> None:
    gauge = Rate(lambda: 5.0)
    gauge.settle(gauge.add(10), 10, 25)
    assert gauge.used() == 25


def test_a_call_over_midnight_is_charged_to_the_day_it_began() -> None:
    now = [DAY_S - 1.0]
    gauge = Spend(lambda: now[0], "day")
    stamp = gauge.add(10)
    now[0] = DAY_S + 1.0
    assert gauge.used() == 0
    gauge.settle(stamp, 10, 7)
    assert gauge.record() == {0: 7}
    assert gauge.used() == 0


def test_months_end_when_calendars_say() -> None:
    february_2028 = 1_834_617_600.0 + 17 * DAY_S
    assert month_of(month_ends_at(february_2028)) == month_of(february_2028) + 1
    assert month_of(month_ends_at(february_2028) - 1) == month_of(february_2028)


def test_many_keys_of_one_tenant_have_its_limit_once_and_another_tenant_has_its_own() -> None:
    book = Book(LimitsPolicy(tenant_default=Bounds(requests_per_minute=3)), lambda: 1.0, lambda: 1.0)
    plans = [book.plan(key, "t", "m") for key in ("a", "b", "c", "d")]
    taken = [isinstance(book.take(plan, Need(1, 1)), Held) for plan in plans if plan is not None]
    assert taken == [True, True, True, False]
    other = book.plan("e", "other", "m")
    assert other is not None
    assert isinstance(book.take(other, Need(1, 1)), Held)


def test_what_one_limit_refuses_is_taken_from_no_other() -> None:
    bounds = {"t": Bounds(requests_per_minute=5, concurrency=1)}
    book = Book(LimitsPolicy(tenants=bounds), lambda: 1.0, lambda: 1.0)
    plan = book.plan("a", "t", "m")
    assert plan is not None
    assert isinstance(book.take(plan, Need(1, 1)), Held)
    short = book.take(plan, Need(1, 1))
    assert isinstance(short, list)
    assert [limit.name[2] for limit, _units in short] == ["concurrency"]
    assert book.limits["tenant", "t", "requests_per_minute"].gauge.used() == 1


def test_what_was_given_back_is_not_waited_for() -> None:
    now = [0.0]
    gauge = Rate(lambda: now[0])
    gauge.add(1)
    now[0] = 30.5
    stamp = gauge.take(1, 5, now[0])
    assert stamp is not None
    assert gauge.reset_s() == 61
    gauge.settle(stamp, 1, 0)
    assert (gauge.used(), gauge.reset_s()) == (1, 31)
