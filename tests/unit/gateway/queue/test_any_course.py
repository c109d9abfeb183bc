"""Whatever happens in whatever order, no call is lost, none is granted twice, none comes before its turn."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from forebay.gateway.queue.line import Lines
from forebay.gateway.queue.model_line import MOST_ASIDE
from forebay.gateway.queue.policy import QueueClass, QueuePolicy
from forebay.gateway.queue.reserve import Reserve
from forebay.gateway.queue.ticket import Ticket
from forebay.gateway.refusal import Refusal

HIGH = QueueClass(name="high", weight=8, reserved_ratio=0.25)
LOW = QueueClass(name="low", weight=1, calls=12)
POLICIES = (
    QueuePolicy(),
    QueuePolicy(classes=(HIGH, LOW), default="low"),
    QueuePolicy(classes=(QueueClass(name="high", calls=5), QueueClass(name="mid"), LOW), default="mid"),
    QueuePolicy(classes=(HIGH, LOW), default="low", reject_early=False),
)
ENGINES = ("e1", "e2")
PLACES = 2
MODELS = ("m", "n")
LONGEST = 20


class AnyCourse(RuleBasedStateMachine):
    """Two models with two engines each; calls join, leave, expire, end; engines come and go; policies change."""

    def __init__(self) -> None:
        super().__init__()
        self.policy = POLICIES[1]
        self.lines = Lines(self.policy, LONGEST)
        self.now = 0.0
        self.waiting: list[Ticket] = []
        self.running: list[tuple[Ticket, str]] = []
        self.ended: set[Ticket] = set()
        self.down: set[tuple[str, str]] = set()

    @rule(
        model=st.sampled_from(MODELS),
        tenant=st.sampled_from("abc"),
        name=st.sampled_from(["high", "low", "mid", ""]),
        tokens=st.integers(1, 1000),
        wait_s=st.sampled_from([0.0, 1.0, 5.0, 1000.0]),
        avoid=st.sets(st.sampled_from(ENGINES), max_size=1),
    )
    def joins(self, model: str, tenant: str, name: str, tokens: int, wait_s: float, avoid: set[str]) -> None:
        ticket = Ticket(self, model, self.now + wait_s, avoid=avoid)
        ticket.tenant, ticket.priority, ticket.cost_tokens = tenant, name, tokens
        refusal = self._join(ticket)
        if refusal is None:
            self.waiting.append(ticket)
        else:
            assert refusal.code in {"queue_full", "wait_too_long"}
            assert 1 <= refusal.retry_after_s <= 3600
            assert ticket.line is None

    @rule(at=st.integers(0, 1000))
    def leaves(self, at: int) -> None:
        if self.waiting:
            ticket = self.waiting.pop(at % len(self.waiting))
            self.lines.leave(ticket)
            self.lines.leave(ticket)  # told twice, it is gone once
            self.ended.add(ticket)

    @rule()
    def is_served(self) -> None:
        reserve = Reserve(self.policy.classes)

        def may_take(model: str, name: str) -> bool:
            held = Counter(ticket.priority for ticket, _ in self.running if ticket.model == model)
            free, total = self._room(model)
            return reserve.may_take(name, held.__getitem__, free, total)

        for ticket, engine in self.lines.grants(self.now, self._place, may_take if reserve else None):
            assert ticket in self.waiting, "granted twice, or after it left"
            self._check_turn(ticket)
            self.waiting.remove(ticket)
            self.running.append((ticket, engine))

    @rule(at=st.integers(0, 1000))
    def ends(self, at: int) -> None:
        if self.running:
            self.ended.add(self.running.pop(at % len(self.running))[0])

    @rule(seconds=st.sampled_from([0.01, 0.5, 2.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for ticket, retry_after_s in self.lines.expired(self.now):
            assert ticket.deadline <= self.now
            assert 1 <= retry_after_s <= 3600
            self.waiting.remove(ticket)
            self.ended.add(ticket)
        assert not [ticket for ticket in self.waiting if ticket.deadline <= self.now]

    @rule(policy=st.sampled_from(POLICIES))
    def policy_changes(self, policy: QueuePolicy) -> None:
        self.policy = policy
        self.lines.use(policy, LONGEST)

    @rule(model=st.sampled_from(MODELS), engine=st.sampled_from(ENGINES))
    def engine_comes_or_goes(self, model: str, engine: str) -> None:
        self.down ^= {(model, engine)}

    @invariant()
    def everybody_is_somewhere(self) -> None:
        assert self.lines.waiting == len(self.waiting)
        by_class = Counter(ticket.priority for ticket in self.waiting)
        assert {name: calls for name, calls in self.lines.waiting_by.items() if calls} == dict(by_class)
        assert all(ticket.line is not None and ticket in ticket.line for ticket in self.waiting)
        assert all(ticket.line is None for ticket in self.ended)

    @invariant()
    def no_engine_holds_more_than_its_places(self) -> None:
        held = Counter((ticket.model, engine) for ticket, engine in self.running)
        assert all(calls <= PLACES for calls in held.values())

    def teardown(self) -> None:
        """Engines that come back and calls that end serve everybody that still waits."""
        self.down.clear()
        for _ in range(10 * LONGEST):
            self.is_served()
            self.running.clear()
        assert not self.waiting
        assert not self.lines.waiting

    def _join(self, ticket: Ticket) -> Refusal | None:
        try:
            self.lines.join(ticket, self.now, places=self._room(ticket.model)[1], full_since=self.now - 0.5)
        except Refusal as refusal:
            return refusal
        return None

    def _room(self, model: str) -> tuple[int, int]:
        up = [engine for engine in ENGINES if (model, engine) not in self.down]
        taken = sum(ticket.model == model and engine in up for ticket, engine in self.running)
        return PLACES * len(up) - taken, PLACES * len(up)

    def _place(self, ticket: Ticket) -> tuple[str | None, bool]:
        for engine in ENGINES:
            taken = sum(each.model == ticket.model and at == engine for each, at in self.running)
            if (ticket.model, engine) not in self.down and engine not in ticket.avoid and taken < PLACES:
                return engine, True
        return None, self._room(ticket.model)[0] > 0

    def _check_turn(self, ticket: Ticket) -> None:
        """Of one tenant in one class nobody is passed who could have gone where this call goes."""
        names = [each.name for each in self.policy.classes] or [""]
        line = ticket.priority if ticket.priority in names else self.policy.default
        before = [
            each
            for each in self.waiting[: self.waiting.index(ticket)]
            if (each.model, each.tenant) == (ticket.model, ticket.tenant)
            and (each.priority if each.priority in names else self.policy.default) == line
            and each.joined_at < ticket.joined_at
            and not each.avoid
        ]
        assert len(before) <= MOST_ASIDE
        if not ticket.avoid:
            assert not before


AnyCourse.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestAnyCourse = AnyCourse.TestCase
