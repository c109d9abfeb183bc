"""Any number of workers, one real Valkey running the real script, a clock of the test's own: the limit holds.

Workers vanish, freeze, lose answers and repeat statements; only Valkey's memory is taken for granted.
"""

from __future__ import annotations

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from forebay.gateway.limits.book import Book, Held, Need, Plan
from forebay.gateway.limits.lease import Limit, Statement
from forebay.gateway.limits.policy import Bounds, LimitsPolicy, Price, ValkeyRef
from forebay.gateway.limits.script import STATE
from forebay.testing.valkey import ValkeyServer

LEASE_S = 3.0
LIMITS = Bounds(requests_per_minute=9, tokens_per_minute=200, concurrency=4, nano_usd_per_day=600)
POLICY = LimitsPolicy(
    tenant_default=LIMITS, prices={"m": Price(1, 1)}, shares=3, valkey=ValkeyRef(host="127.0.0.1", port=1)
)
_runs = itertools.count()
_workers = itertools.count()
SERVER: list[ValkeyServer] = []


class Worker:
    """A real book before a real Valkey; what lies between them is the test."""

    def __init__(self, fleet: Fleet) -> None:
        self.name = f"w{next(_workers)}"
        self.fleet = fleet
        self.book = Book(POLICY, lambda: fleet.now, lambda: fleet.now)
        self.sequence = 0
        self.running: list[tuple[Held, list[int]]] = []

    @property
    def plan(self) -> Plan:
        plan = self.book.plan("k", "t", "m")
        assert isinstance(plan, Plan)
        return plan

    def state(self, *, answer_lost: bool = False) -> None:
        limits = list(self.book.limits.values())
        said = [(each, statement) for each in limits if (statement := each.statement(self.fleet.prefix, joining=False))]
        if said:
            self.send(said, answer_lost=answer_lost)

    def send(self, said: list[tuple[Limit, Statement]], *, answer_lost: bool) -> None:
        self.sequence += 1
        sent_at = self.fleet.now
        answer = self.fleet.run(self.name, self.sequence, [statement for _limit, statement in said])
        if answer_lost:
            return
        for index, (limit, statement) in enumerate(said):
            limit.granted(statement, answer[2 + 2 * index], answer[3 + 2 * index], self.fleet.now, sent_at + LEASE_S)

    def ask(self, need: Need) -> Held | None:
        for _ in range(3):
            taken = self.book.take(self.plan, need)
            if isinstance(taken, Held):
                return taken
            for limit, units in taken:
                limit.asked += units
            self.state()
            for limit, units in taken:
                limit.asked -= units
        return None


class Fleet(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000.0
        self.prefix = f"{{forebay}}:{next(_runs)}:"
        self.run("nobody", 1, [])
        self.now += LEASE_S + 1  # it has just begun: it gives nothing away until every worker could have spoken
        self.workers = [Worker(self) for _ in range(3)]
        self.requests: list[tuple[float, list[int]]] = []
        self.spent = 0

    def run(self, worker: str, sequence: int, statements: list[Statement]) -> list[int]:
        numbers = [[each.limit, each.floor, each.want, each.kept, int(each.keep_s * 1000)] for each in statements]
        keys = [self.prefix + "since", *(each.key for each in statements)]
        values = [int(self.now * 1000), worker, sequence, int(LEASE_S * 1000), *itertools.chain(*numbers)]
        answer = SERVER[0].ask("EVAL", STATE, str(len(keys)), *keys, *map(str, values))
        assert isinstance(answer, list), answer
        return answer  # type: ignore[return-value]

    @rule(which=st.integers(0, 2), tokens=st.integers(0, 60))
    def ask(self, which: int, tokens: int) -> None:
        worker = self.workers[which]
        held = worker.ask(Need(0, tokens))
        if held is not None:
            record = [tokens]
            self.requests.append((self.now, record))
            self.spent += tokens
            worker.running.append((held, record))

    @precondition(lambda self: any(worker.running for worker in self.workers))
    @rule(which=st.integers(0, 2), share=st.floats(0, 1), again=st.booleans())
    def end(self, which: int, share: float, again: bool) -> None:
        worker = self.workers[which]
        if worker.running:
            held, record = worker.running.pop(0)
            used = int(record[0] * share)
            for _ in range(1 + again):
                worker.book.settle(held, 0, used)
            self.spent -= record[0] - used
            record[0] = used

    @rule(which=st.integers(0, 2), lost=st.booleans())
    def renew(self, which: int, lost: bool) -> None:
        self.workers[which].state(answer_lost=lost)

    @rule(which=st.integers(0, 2))
    def a_worker_forgets_who_is_idle(self, which: int) -> None:
        for _ in range(2):
            self.workers[which].book.forget(self.now)

    @rule(which=st.integers(0, 2))
    def an_old_statement_arrives_late(self, which: int) -> None:
        worker = self.workers[which]
        limits = worker.plan.own_tokens
        stale = [Statement(self.prefix + ":".join(each.name) + ":", each.limit, 0, 0, 0, 0) for each in limits]
        self.run(worker.name, 0, stale)

    @rule(which=st.integers(0, 2))
    def a_worker_is_killed(self, which: int) -> None:
        """Its calls end with it: the engines see their connections close. What it had not reported is forgotten."""
        worker = self.workers[which]
        worker.state()
        for held, record in worker.running:
            worker.book.settle(held, 0, 0)
            self.spent -= record[0]
        self.workers[which] = Worker(self)

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 2.9, 3.1, 30.0, 61.5, 130.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def the_limits_hold(self) -> None:
        minute = [record[0] for at, record in self.requests if at > self.now - 60]
        assert len(minute) <= 9
        assert sum(minute) <= 200
        assert self.spent <= 600

    def teardown(self) -> None:
        """When all have ended and a lease and a minute are over, everything can be had again: nothing has leaked."""
        for worker in self.workers:
            for held, record in worker.running:
                worker.book.settle(held, 0, record[0])
            worker.running = []
            worker.state()
        self.now += LEASE_S + 62
        for worker in self.workers:
            worker.state()
        one = self.workers[0]
        assert all(isinstance(one.ask(Need(0, 0)), Held) for _ in range(4))
        assert one.ask(Need(0, 0)) is None


def test_a_fleet_never_exceeds_a_limit_and_leaks_nothing(valkey: ValkeyServer) -> None:
    SERVER[:] = [valkey]
    machine = Fleet.TestCase
    machine.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
    machine("runTest").runTest()


def test_concurrency_is_free_again_when_a_dead_workers_lease_ends(valkey: ValkeyServer) -> None:
    SERVER[:] = [valkey]
    fleet = Fleet()
    dead, alive = fleet.workers[0], fleet.workers[1]
    assert all(isinstance(dead.ask(Need(0, 1)), Held) for _ in range(4))
    assert alive.ask(Need(0, 1)) is None
    fleet.now += LEASE_S + 0.1
    assert isinstance(alive.ask(Need(0, 1)), Held)
