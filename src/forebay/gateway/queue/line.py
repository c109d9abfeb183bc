"""The lines of all models of one worker: who joins, who leaves, who is next. Engines and the clock are passed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil
from typing import TypeVar

from forebay.gateway.queue.deadlines import Deadlines
from forebay.gateway.queue.model_line import ModelLine
from forebay.gateway.queue.policy import UNNAMED, QueueClass, QueuePolicy
from forebay.gateway.queue.ticket import Ticket
from forebay.gateway.refusal import Refusal

_LONGEST_RETRY_AFTER_S = 3600
Engine = TypeVar("Engine")
Place = Callable[[Ticket], tuple[Engine | None, bool]]
"""Finds an engine for a ticket; where there is none, whether another ticket might still find one."""


class Lines:
    """`waiting` counts who waits, `waiting_by` by class; `longest` may of a class without a bound of its own."""

    def __init__(self, policy: QueuePolicy, longest: int) -> None:
        self._lines: dict[str, ModelLine] = {}
        self._deadlines = Deadlines()
        self.waiting = 0
        self.waiting_by: dict[str, int] = {}
        self.use(policy, longest)

    def use(self, policy: QueuePolicy, longest: int) -> None:
        """Take a new policy; who waits stays, in its class where there still is one."""
        self._policy = policy
        self._classes = policy.classes or (QueueClass(name=UNNAMED),)
        self._bounds = {each.name: longest if each.calls is None else each.calls for each in self._classes}
        self._longest = longest
        for model, old in self._lines.items():
            new = self._lines[model] = ModelLine(self._classes, policy.default)
            new.rate = old.rate
            for ticket in old.drain():
                new.push(ticket, ticket.joined_at)

    def line(self, model: str) -> ModelLine | None:
        """The line of one model; None where nobody ever waited for it."""
        return self._lines.get(model)

    def models(self) -> tuple[str, ...]:
        return tuple(self._lines)

    def wait_for(self, model: str) -> bool:
        """Whether anybody waits for `model`."""
        line = self._lines.get(model)
        return line is not None and line.waiting > 0

    def join(self, ticket: Ticket, now: float, *, places: int, full_since: float) -> None:
        """Put a call in line. The model has `places`, 0 while no engine runs, and none was free since `full_since`.

        Raises Refusal for one that would wait in vain: `queue_full`, `wait_too_long`.
        """
        line = self._lines.get(ticket.model)
        if line is None:
            line = self._lines[ticket.model] = ModelLine(self._classes, self._policy.default)
        if places:
            line.rate.places = places
        if not line.waiting:
            line.rate.skip_to(full_since)
        self._check(ticket, line, now, foreseeable=places > 0)
        name = ticket.priority
        line.push(ticket, now)
        self.waiting += 1
        self.waiting_by[name] = self.waiting_by.get(name, 0) + 1
        self._deadlines.add(ticket, self.waiting)

    def leave(self, ticket: Ticket) -> None:
        """The call went; nothing to do where it was just being granted its place."""
        if ticket.line is not None:
            self._lines[ticket.model].withdraw(ticket)
            self._count_out(ticket)

    def rest(self, model: str, now: float) -> None:
        """No engine runs: that nobody is served says nothing of how fast they are."""
        self._lines[model].rate.skip_to(now)

    def expired(self, now: float) -> Iterator[tuple[Ticket, int]]:
        """Take out those whose deadline has come, each with when it is worth coming again."""
        while (ticket := self._deadlines.expired(now)) is not None:
            self.leave(ticket)
            yield ticket, _retry_after_s(self._lines[ticket.model].predicted_wait_s(ticket, now))

    def grants(
        self, now: float, place: Place[Engine], may_take: Callable[[str, str], bool] | None
    ) -> Iterator[tuple[Ticket, Engine]]:
        """Hand out places as long as there are any, to whom the law says. `may_take` asks for a model and a class."""
        for model, line in list(self._lines.items()):
            if line.waiting:
                for ticket, engine in _grants(line, now, place, _bound(may_take, model)):
                    self._count_out(ticket)
                    yield ticket, engine

    def _check(self, ticket: Ticket, line: ModelLine, now: float, *, foreseeable: bool) -> None:
        predicted_s = line.predicted_wait_s(ticket, now) if foreseeable else None
        if self.waiting_by.get(ticket.priority, 0) >= self._bounds.get(ticket.priority, self._longest):
            message = "Too many calls are waiting for this model."
            raise Refusal("queue_full", message, retry_after_s=_retry_after_s(predicted_s))
        patience_s = ticket.deadline - now
        if self._policy.reject_early and predicted_s is not None and predicted_s > patience_s:
            message = f"A place is foreseen in {predicted_s:.1f} s; this call may wait {max(0.0, patience_s):.1f} s."
            raise Refusal("wait_too_long", message, retry_after_s=_retry_after_s(predicted_s - patience_s))

    def _count_out(self, ticket: Ticket) -> None:
        self.waiting -= 1
        self.waiting_by[ticket.priority] -= 1


def _grants(
    line: ModelLine, now: float, place: Place[Engine], may_take: Callable[[str], bool] | None
) -> Iterator[tuple[Ticket, Engine]]:
    for passed_over in line.aside():
        if passed_over.line is None or (may_take is not None and not may_take(passed_over.priority)):
            continue  # it left while another was being served, or its class has no claim now
        engine, _more = place(passed_over)
        if engine is not None:
            line.take_aside(passed_over, now)
            yield passed_over, engine
    while (ticket := line.head(may_take)) is not None:
        engine, more = place(ticket)
        if engine is not None:
            line.take(ticket, now)
            yield ticket, engine
        elif not more or not line.pass_over(ticket):
            return


def _bound(may_take: Callable[[str, str], bool] | None, model: str) -> Callable[[str], bool] | None:
    return None if may_take is None else lambda name: may_take(model, name)


def _retry_after_s(seconds: float | None) -> int:
    """Whole seconds, at least one: when those that wait now will have been served, as far as that is known."""
    return (
        1 if seconds is None else int(min(max(1, ceil(min(seconds, _LONGEST_RETRY_AFTER_S))), _LONGEST_RETRY_AFTER_S))
    )
