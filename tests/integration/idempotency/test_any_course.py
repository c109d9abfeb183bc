"""Any course of workers that claim, answer, fail, freeze and die, over the real stores: never two for one key.

Only what the stores have written is taken for granted. The clock is the test's own.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from forebay.gateway.idempotency.claim import Claim, Said
from forebay.gateway.idempotency.local import LEASE_S, Table
from forebay.gateway.idempotency.policy import IdempotencyPolicy
from forebay.gateway.idempotency.script import CLAIMS
from forebay.testing.valkey import ValkeyServer

POLICY = IdempotencyPolicy(keep_s=10**6, answer_bytes=1000, memory_bytes=200, keys=5)
KEYS, BODIES = 6, 2
_count = itertools.count()


class Kept(Protocol):
    """A store at a moment that the test names."""

    def claim(self, claim: Claim, now: float) -> Said: ...
    def finish(self, claim: Claim, answer: bytes, now: float) -> None: ...
    def free(self, claim: Claim) -> None: ...
    def renew(self, claims: list[tuple[bytes, bytes]], now: float) -> None: ...


class InValkey:
    """The real script in a real Valkey."""

    def __init__(self, server: ValkeyServer) -> None:
        self.server = server
        self.prefix = f"{{forebay}}:{next(_count)}:"
        server.ask("SET", self.prefix + "since", "1")
        self.claims: dict[bytes, Claim] = {}
        self.now = 0.0

    def run(self, what: str, claim: Claim, answer: bytes = b"") -> Said:
        prefix = self.prefix
        keys = [prefix + "since", prefix + claim.id.decode(), prefix + "of", prefix + "answers", prefix + "held"]
        numbers = [int(self.now * 1000), int(LEASE_S * 1000), int(POLICY.keep_s * 1000)]
        values = [what, *map(str, numbers), claim.id, claim.token, claim.fingerprint, str(POLICY.keys)]
        said = self.server.ask("EVAL", CLAIMS, str(len(keys)), *keys, *values, str(POLICY.memory_bytes), answer)
        assert isinstance(said, list), said
        word, *rest = [each for each in said if isinstance(each, bytes)]
        return Said(word.decode(), b"".join(rest))

    def claim(self, claim: Claim, now: float) -> Said:
        self.now = now
        self.claims[claim.token] = claim
        return self.run("claim", claim)

    def finish(self, claim: Claim, answer: bytes, now: float) -> None:
        self.now = now
        self.run("finish", claim, answer)

    def free(self, claim: Claim) -> None:
        self.run("free", claim)

    def renew(self, claims: list[tuple[bytes, bytes]], now: float) -> None:
        self.now = now
        for _identity, token in claims:
            self.run("renew", self.claims[token])


class Course(RuleBasedStateMachine):
    """`begun` are claims whose call may be generating, of workers that live or froze; `over` what keys came to."""

    store: Kept

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000.0
        self.begun: dict[bytes, Claim] = {}
        self.renewed: dict[bytes, float] = {}
        self.alive: set[bytes] = set()
        self.over: dict[bytes, tuple[Claim, bytes]] = {}

    @rule(key=st.integers(0, KEYS - 1), body=st.integers(0, BODIES - 1))
    def claim(self, key: int, body: int) -> None:
        token = b"t%d" % next(_count)
        claim = Claim(b"k%d" % key, b"tenant", b"f%d" % body, token, None)  # type: ignore[arg-type]
        said = self.store.claim(claim, self.now)
        held = self.begun.get(claim.id) or self.over.get(claim.id, (None,))[0]
        if held is None:
            full = len(self.begun) + len(self.over) >= POLICY.keys
            assert said.word == ("full" if full else "new")
            if not full:
                self.begun[claim.id] = claim
                self.renewed[claim.id] = self.now
                self.alive.add(claim.id)
        elif held.fingerprint != claim.fingerprint:
            assert said.word == "mismatch"
        elif claim.id in self.begun:
            late = self.now - self.renewed[claim.id] > LEASE_S
            assert said.word == ("undecided" if late else "running")
        elif said.word == "answered":
            assert said.answer == self.over[claim.id][1], "only what was answered is given again"
        else:
            assert said.word == "finished"

    @precondition(lambda self: self.begun)
    @rule(which=st.integers(0, 10), size=st.integers(0, 120))
    def answered(self, which: int, size: int) -> None:
        """Also by a worker that was frozen for longer than its lease, and goes on."""
        claim = list(self.begun.values())[which % len(self.begun)]
        answer = claim.token.ljust(size, b".") if size else b""
        self.store.finish(claim, answer, self.now)
        del self.begun[claim.id]
        self.over[claim.id] = (claim, answer)

    @precondition(lambda self: self.begun)
    @rule(which=st.integers(0, 10))
    def failed(self, which: int) -> None:
        claim = list(self.begun.values())[which % len(self.begun)]
        self.store.free(claim)
        del self.begun[claim.id]

    @precondition(lambda self: self.over)
    @rule(which=st.integers(0, 10), freed=st.booleans())
    def told_twice(self, which: int, freed: bool) -> None:
        """The end of a call that could not be told comes again; what is over stays as it is."""
        claim, _answer = list(self.over.values())[which % len(self.over)]
        if freed:
            self.store.free(claim)
        else:
            self.store.finish(claim, b"another", self.now)
        self.store.renew([(claim.id, claim.token)], self.now)

    @rule(which=st.integers(0, 10))
    def dies(self, which: int) -> None:
        if self.begun:
            self.alive.discard(list(self.begun)[which % len(self.begun)])

    @rule()
    def renews(self) -> None:
        living = [claim for claim in self.begun.values() if claim.id in self.alive]
        self.store.renew([(claim.id, claim.token) for claim in living], self.now)
        self.renewed |= {claim.id: self.now for claim in living}

    @rule(seconds=st.sampled_from([0.5, 1.0, LEASE_S, LEASE_S + 1, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> ValkeyServer:
    return ValkeyServer(tmp_path_factory.mktemp("valkey"))


def test_any_course_over_valkey(server: ValkeyServer) -> None:
    with server:

        class OverValkey(Course):
            def __init__(self) -> None:
                super().__init__()
                self.store = InValkey(server)

        run_state_machine_as_test(OverValkey, settings=settings(max_examples=40, stateful_step_count=40, deadline=None))


def test_any_course_over_a_file(tmp_path: Path) -> None:
    class OverFile(Course):
        def __init__(self) -> None:
            super().__init__()
            self.table = Table(tmp_path / f"{next(_count)}.db", POLICY)
            self.store = self.table

        def teardown(self) -> None:
            self.table.close()

        @rule()
        def tidies(self) -> None:
            self.table.tidy(self.now)

    run_state_machine_as_test(OverFile, settings=settings(max_examples=40, stateful_step_count=40, deadline=None))
