"""What one worker reuses: the answers it remembers and the generations that can be followed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from forebay.gateway.call import Call
from forebay.gateway.reuse.answers import Answers, Entry
from forebay.gateway.reuse.flight import Flight, Follower
from forebay.gateway.reuse.plan import Place, Plan
from forebay.gateway.reuse.semantic.meanings import Meanings
from forebay.gateway.reuse.shared import Found, SharedAnswers
from forebay.observe import catalogue
from forebay.wire.chunked import BadChunk, ChunkedDecoder
from forebay.wire.replay import CannotReplay, check_events, check_whole, events_of, whole_of

if TYPE_CHECKING:
    from forebay.gateway.call import Ledger
    from forebay.gateway.limits.policy import ValkeyRef
    from forebay.gateway.meter import Meter
    from forebay.gateway.snapshot import ModelRef

Generate = Callable[[Call], Coroutine[Any, Any, None]]


class Reuse:
    """One to a worker. Nothing in it outlives the policy that it was kept under."""

    def __init__(self, models: Iterable[ModelRef], pepper: str, meter: Meter, clock: Callable[[], float]) -> None:
        self._meter = meter
        self._clock = clock
        self._answers: dict[str, Answers] = {}
        self._flights: dict[Place, Flight] = {}
        self.shared: SharedAnswers | None = None
        self.meanings = Meanings(meter)
        self.update(models, pepper)

    def update(self, models: Iterable[ModelRef], pepper: str) -> None:
        """Take the models of a new snapshot; what was kept under another version is let go."""
        models = tuple(models)
        self.meanings.update(models, pepper)
        before, self._answers = self._answers, {}
        ref: ValkeyRef | None = None
        for model in models:
            if model.cache is None or not model.cache.exact:
                continue
            kept = before.get(model.name)
            if kept is None or kept.version != model.cache.version:
                kept = Answers(model.cache.version, model.cache.memory_bytes, self._clock)
            kept.memory_bytes = model.cache.memory_bytes
            kept.shrink()
            self._answers[model.name] = kept
            ref = model.cache.shared or ref
        self._share(ref, pepper)

    def _share(self, ref: ValkeyRef | None, pepper: str) -> None:
        if self.shared is not None and self.shared.ref != ref:
            self.shared.close()
            self.shared = None
        if self.shared is None and ref is not None:
            self.shared = SharedAnswers(ref, pepper, partial(self._meter.count, catalogue.CACHE_GARBLED))

    def sweep(self, now: float) -> None:
        """What is looked at a few times a second."""
        if self._answers:
            self._meter.gauge(catalogue.CACHE_BYTES, self.held_bytes())
        self.meanings.sweep(now)
        if self.shared is not None:
            self.shared.sweep(now)

    def held_bytes(self) -> int:
        return sum(answers.held_bytes for answers in self._answers.values())

    def find(self, plan: Plan) -> Entry | None:
        """What was answered before, in the form that is asked for."""
        answers = self._answers.get(plan.model)
        if answers is None or plan.fresh:
            return None
        found = answers.get(plan.key, streamed=plan.streamed)
        if found is not None:
            return found
        other = answers.get(plan.key, streamed=not plan.streamed)
        if other is None:
            return None
        try:
            body = events_of(other.body) if plan.streamed else whole_of(other.body, other.usage)
        except CannotReplay:
            return None
        converted = Entry(body, other.usage, plan.streamed, other.cascade)
        answers.put(plan.key, converted, answers.expiry(plan.key, streamed=not plan.streamed))
        return converted

    def keeps(self, model: str, key: bytes) -> bool:
        """Whether there is an answer under `key`, in whatever form."""
        answers, now = self._answers.get(model), self._clock()
        return answers is not None and any(answers.expiry(key, streamed=form) > now for form in (True, False))

    async def fetch(self, call: Call, plan: Plan) -> Entry | None:
        """What another worker has answered, or this one before it was started anew; remembered from now on."""
        shared, answers = self.shared, self._answers.get(plan.model)
        if shared is None or not shared.connected or answers is None or plan.policy.shared is None or plan.fresh:
            return None
        if plan.flight in self._flights:
            return None
        shared.fetch(plan.key, streamed=plan.streamed, done=partial(call.signal, shared))
        found: Found | None = await call.wait(shared)
        if found is None:
            return None
        answers.put(plan.key, found[0], self._clock() + min(found[1], plan.policy.ttl_s))
        return self.find(plan)

    def board(self, call: Call, plan: Plan, generate: Generate, chunk_s: float) -> tuple[Follower, bool]:
        """Follow the generation of an equal call, or start one; returns whether it was there before."""
        flight = self._flights.get(plan.flight) if plan.policy.single_flight and not plan.fresh else None
        if flight is not None and flight.joinable:
            return Follower(call, flight, self._clock), True

        def landed(flight: Flight) -> None:
            if self._flights.get(plan.flight) is flight:
                del self._flights[plan.flight]
            self._keep(plan, flight)

        own = Call(call.client, call.head, b"", msgspec.structs.replace(call.ledger))
        own.deadline, own.want = call.deadline, call.want
        flight = Flight(own, plan.policy.answer_bytes, chunk_s, landed)
        if plan.policy.single_flight:
            self._flights[plan.flight] = flight
        follower = Follower(call, flight, self._clock)
        flight.launch(generate(own))
        return follower, False

    def _keep(self, plan: Plan, flight: Flight) -> None:
        answers = self._answers.get(plan.model)
        ledger = flight.call.ledger
        if answers is None or answers.version != plan.policy.version or flight.failure is not None:
            return
        if ledger.status != 200 or ledger.code or ledger.cancelled or ledger.cascade.endswith("saturated"):
            return  # nothing that failed, nor what was good enough for a moment alone
        if ledger.engine in plan.avoid:
            return  # the other release's
        entry = None
        if flight.bytes <= plan.policy.answer_bytes:
            entry = _entry(flight, ledger)
        if entry is None:
            self._meter.count(catalogue.CACHE, plan.model, "not_kept")
            return
        answers.replace(plan.key, entry, self._clock() + plan.policy.ttl_s)
        self.meanings.note(plan)
        if self.shared is not None and plan.policy.shared is not None:
            self.shared.keep(plan.key, entry, plan.policy.ttl_s)


def _entry(flight: Flight, ledger: Ledger) -> Entry | None:
    """What can be given again; None for an answer that was cut, aborted, or is more than text."""
    try:
        if not flight.streamed:
            body = b"".join(flight.pieces)
            return Entry(body, check_whole(body), streamed=False, cascade=ledger.cascade)
        decoder = ChunkedDecoder()
        payload = decoder.feed(b"".join(flight.pieces))
        if not decoder.done:
            return None
        events, usage = check_events(payload)
    except (CannotReplay, BadChunk):
        return None
    return Entry(events, usage or _usage(ledger), streamed=True, cascade=ledger.cascade)


def _usage(ledger: Ledger) -> bytes:
    """The engine's counts, of which the client's stream had none."""
    if not ledger.input_tokens and not ledger.output_tokens:
        return b""
    counts = {"prompt_tokens": ledger.input_tokens, "completion_tokens": ledger.output_tokens}
    return orjson.dumps(counts | {"total_tokens": sum(counts.values())})
