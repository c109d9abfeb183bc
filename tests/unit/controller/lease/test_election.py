"""Never do two contenders lead at once, and no number is given twice: whatever clocks, connections and the place do."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from forebay.controller.lease.election import ACTS_RATIO, Election, Step, read

TTL_S = 5.0
SEATS = st.integers(0, 2)


class Place:
    """What swaps one record atomically; `run` is another one after each restart."""

    def __init__(self) -> None:
        self.text = b""
        self.run = 0
        self.history = [b""]

    def swap(self, step: Step) -> bytes:
        if step.wanted and self.text == step.expected:
            self.text = step.wanted
            self.history.append(self.text)
        return self.text


class Contender:
    """One process: its clock, which shows anything but runs right, and the message that is under way."""

    def __init__(self, name: str, offset_s: float, seen: int) -> None:
        self.election = Election(name, f"token of {name}", TTL_S, seen)
        self.offset_s = offset_s
        self.wall_ms = 0
        self.run = -1
        self.step: Step | None = None
        self.answer: bytes | None = None


class AnyCourse(RuleBasedStateMachine):
    """Contenders, suspended and started again at will, before a place that restarts, forgets and comes back older."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.place = Place()
        self.made = 0
        self.numbers: dict[int, str] = {}
        self.seats = [self.fresh(0.0, 0) for _ in range(3)]

    def fresh(self, offset_s: float, seen: int) -> Contender:
        self.made += 1
        return Contender(f"{self.made}", offset_s, seen)

    def clock(self, contender: Contender) -> float:
        return self.now_s + contender.offset_s

    @rule(seconds=st.sampled_from((0.01, 0.25, 1.0, 3.9, 4.1, 5.0, 5.1, 20.0)))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(seat=SEATS)
    def one_turn(self, seat: int) -> None:
        """Send, be answered, and hear of it at once: what happens nearly always."""
        self.sends(seat)
        self.is_answered(seat)
        self.hears(seat)

    @rule(turns=st.integers(4, 30), seats=st.sampled_from(((0,), (1,), (0, 1), (0, 1, 2))))
    def a_while(self, turns: int, seats: tuple[int, ...]) -> None:
        for _ in range(turns):
            for seat in seats:
                self.one_turn(seat)
                self.at_most_one_leads()
            self.now_s += 0.25

    @rule(seat=SEATS)
    def sends(self, seat: int) -> None:
        contender = self.seats[seat]
        if contender.run != self.place.run:
            contender.election.lost_touch()
            contender.run, contender.step, contender.answer = self.place.run, None, None
        if contender.step is None:
            contender.step = contender.election.step(self.clock(contender), contender.wall_ms)

    @rule(seat=SEATS)
    def is_answered(self, seat: int) -> None:
        contender = self.seats[seat]
        if contender.step is not None and contender.answer is None and contender.run == self.place.run:
            contender.answer = self.place.swap(contender.step)

    @rule(seat=SEATS)
    def hears(self, seat: int) -> None:
        contender = self.seats[seat]
        if contender.step is not None and contender.answer is not None:
            contender.election.heard(contender.step, contender.answer, self.clock(contender))
            contender.step = contender.answer = None

    @rule(seat=SEATS)
    def loses_its_connection(self, seat: int) -> None:
        """Also with an answer under way: it is never heard."""
        self.seats[seat].run = -1

    @rule(seat=SEATS, wall_ms=st.integers(0, 10**6))
    def the_clock_on_its_wall_jumps(self, seat: int, wall_ms: int) -> None:
        self.seats[seat].wall_ms = wall_ms

    @rule(seat=SEATS, offset_s=st.sampled_from((-1000.0, 0.0, 1000.0)))
    def is_started_again(self, seat: int, offset_s: float) -> None:
        """Another process with another clock; it has seen nothing."""
        self.seats[seat] = self.fresh(offset_s, 0)

    @rule(seat=SEATS)
    def lets_go(self, seat: int) -> None:
        contender = self.seats[seat]
        if contender.run == self.place.run and contender.step is None:
            step = contender.election.release(self.clock(contender))
            if step is not None:
                contender.election.heard(step, self.place.swap(step), self.clock(contender))

    @precondition(lambda self: self.may_forget)
    @rule(back=st.integers(1, 6))
    def the_place_restarts(self, back: int) -> None:
        """It holds what it held some writes ago, or nothing."""
        self.place.run += 1
        self.place.text = self.place.history[-back] if back <= len(self.place.history) else b""
        self.place.history.append(self.place.text)

    may_forget = True

    @invariant()
    def at_most_one_leads(self) -> None:
        leaders = [each.election for each in self.seats if each.election.leads(self.clock(each))]
        assert len(leaders) <= 1


class TheSamePlace(AnyCourse):
    """Where the place loses nothing, numbers only grow, whatever the clocks on the walls say."""

    may_forget = False

    @invariant()
    def no_number_is_given_twice(self) -> None:
        for contender in self.seats:
            election = contender.election
            if election.leads(self.clock(contender)):
                owner = election.found.holder if election.found is not None else ""
                assert self.numbers.setdefault(election.number, owner) == owner
                assert election.number == max(self.numbers)


TestAnyCourse = AnyCourse.TestCase
TestAnyCourse.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestTheSamePlace = TheSamePlace.TestCase
TestTheSamePlace.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def lead(place: Place, election: Election, begins_s: float, wall_ms: int = 0) -> float:
    """Let one contend alone until it leads; returns when it did."""
    now_s = begins_s
    while not election.leads(now_s):
        step = election.step(now_s, wall_ms)
        election.heard(step, place.swap(step), now_s)
        now_s += 0.25
        assert now_s < begins_s + 60
    return now_s - 0.25


def test_a_first_leader_waits_one_lease_because_another_may_act_that_the_place_has_forgotten() -> None:
    assert 5.0 <= lead(Place(), Election("a", "a", TTL_S), 0.0) <= 5.5


def test_a_leader_that_vanished_is_followed_within_its_lease_and_two_looks() -> None:
    place = Place()
    first, second = Election("a", "a", TTL_S), Election("b", "b", TTL_S)
    begun_s = lead(place, first, 0.0)
    look = second.step(begun_s, 0)
    second.heard(look, place.swap(look), begun_s)
    led_s = lead(place, second, begun_s)
    assert begun_s + TTL_S <= led_s <= begun_s + TTL_S + 0.5
    assert second.number > first.number


def test_a_leader_that_slept_past_its_lease_leads_no_more_and_never_again() -> None:
    place, election = Place(), Election("a", "a", TTL_S)
    begun_s = lead(place, election, 0.0)
    woken_s = begun_s + ACTS_RATIO * TTL_S
    assert election.leads(woken_s - 0.01)
    assert not election.leads(woken_s)
    for turn in range(100):
        step = election.step(woken_s + turn, 0)
        assert not step.wanted
        election.heard(step, place.swap(step), woken_s + turn)
    assert election.over(woken_s + 100)


def test_who_lets_go_is_followed_at_once_by_whoever_saw_it_lead() -> None:
    place = Place()
    first, second = Election("a", "a", TTL_S), Election("b", "b", TTL_S)
    now_s = lead(place, first, 0.0)
    look = second.step(now_s, 0)
    second.heard(look, place.swap(look), now_s)
    last = first.release(now_s)
    assert last is not None
    place.swap(last)
    assert lead(place, second, now_s + 0.25) <= now_s + 0.75


def test_a_place_that_has_forgotten_everything_is_told_again_by_the_leader_under_its_number() -> None:
    place, election = Place(), Election("a", "a", TTL_S)
    now_s = lead(place, election, 0.0, wall_ms=1000)
    place.text = b""
    election.lost_touch()
    for _ in range(2):
        step = election.step(now_s, 5000)
        election.heard(step, place.swap(step), now_s)
    assert election.leads(now_s + 3)
    found = read(place.text)
    assert found is not None
    assert (found.number, found.holder) == (1000, "a")


def test_after_a_loss_of_everything_the_number_still_grows() -> None:
    place = Place()
    lead(place, Election("a", "a", TTL_S), 0.0, wall_ms=1000)
    place.text = b""
    second = Election("b", "b", TTL_S)
    lead(place, second, 100.0, wall_ms=101_000)
    assert second.number == 101_000


def turn(place: Place, election: Election, now_s: float) -> None:
    step = election.step(now_s, 0)
    election.heard(step, place.swap(step), now_s)


def test_a_record_that_came_back_with_an_older_place_proves_no_silence() -> None:
    place = Place()
    first, second = Election("a", "a", TTL_S), Election("b", "b", TTL_S)
    now_s = lead(place, first, 0.0)
    old = place.text
    turn(place, second, now_s)
    for _ in range(20):
        now_s += 0.25
        turn(place, first, now_s)
    place.text = old
    second.lost_touch()
    for _ in range(2):
        turn(place, second, now_s)
    assert first.leads(now_s)
    assert not second.leads(now_s)


def test_a_lease_that_was_let_go_in_an_older_place_is_not_free() -> None:
    place = Place()
    first, second, third = (Election(name, name, TTL_S) for name in "abc")
    now_s = lead(place, first, 0.0)
    turn(place, second, now_s)
    last = first.release(now_s)
    assert last is not None
    old = place.swap(last)
    now_s = lead(place, second, now_s + 0.25)
    place.text = old
    for _ in range(2):
        turn(place, third, now_s)
    assert second.leads(now_s)
    assert not third.leads(now_s)
