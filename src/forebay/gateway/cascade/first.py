"""The first model at work on one call: asked, judged, perhaps asked about its answer, and settled for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import orjson

from forebay.gateway.cascade.ask import Place, ask_once
from forebay.gateway.cascade.eligible import prepared, wants_json
from forebay.gateway.cascade.policy import Bounds, CascadePolicy
from forebay.gateway.cascade.sample import has_no_place
from forebay.gateway.cascade.self_check import check_asked, sureness
from forebay.gateway.cascade.structured import fits
from forebay.gateway.cascade.verdict import Shown, shown_by, verdict
from forebay.gateway.refusal import Refusal
from forebay.wire.replay import CannotReplay, events_of, with_usage

if TYPE_CHECKING:
    from forebay.gateway.call import Call
    from forebay.gateway.limits.book import Held
    from forebay.gateway.parts import Parts
    from forebay.gateway.screen import Asked
    from forebay.gateway.view import View


_NULL = msgspec.Raw(b"null")
_encode = msgspec.json.Encoder().encode
_fields_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_choices_of = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


class NotGood(Exception):
    """The first model's answer is not given; `outcome` and `reason` are bounded words."""

    def __init__(self, outcome: str, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


class Good(msgspec.Struct, frozen=True):
    """An answer that is given. `body` is as the client gets it, JSON or events; `reason` is `saturated` or empty."""

    model: str
    text: str
    body: bytes
    tokens: tuple[int, int]
    reason: str


class First:
    """One call's first step. `settle` is due whatever comes of `answer`; `answered`: there was an answer to judge."""

    def __init__(self, call: Call, asked: Asked, small: Asked, view: View, parts: Parts) -> None:
        self._call = call
        self._asked = asked
        self._small = prepared(small, call.ledger, view.pepper)
        self._view = view
        self._parts = parts
        self._place = Place()
        self.answered = False
        self._began_at = parts.clock()
        self._held: Held | None = None
        self._until = 0.0

    async def answer(self, policy: CascadePolicy) -> Good:
        """Ask and judge. Raises NotGood, and what `ask_once` raises."""
        self._reserve()
        call, small = self._call, self._small
        call.ledger.priority, wait_s = self._view.standings.of(call.ledger.tenant, call.head, flex=self._asked.flex)
        self._until = self._began_at + min(wait_s, policy.wait_s)
        self._place.until = self._began_at + policy.longest_s
        body = await self._ask(small)
        self.answered = True
        shown = shown_by(body)
        if shown is None:
            raise NotGood("escalated", "failed")
        tokens = small.route.dialect.usage(body, None) or (0, 0)
        written = _as_asked(body, self._asked)
        relaxed = await self._judge(shown, policy)
        return Good(small.model.name, shown.text, written, tokens, "saturated" if relaxed else "")

    def settle(self) -> None:
        """Count what the first model has done, and give back what was taken of its limits."""
        ledger, parts = self._call.ledger, self._parts
        tokens = ledger.first_input_tokens, ledger.first_output_tokens
        if self._held is not None and parts.limits is not None:
            parts.limits.book.settle(self._held, *tokens)
        if self._place.held_s:
            took_s = parts.clock() - self._began_at
            parts.cascades.first(self._asked.model.name, tokens, self._place.held_s, took_s=took_s)

    def _reserve(self) -> None:
        """The first model's own limits hold for this too; the caller's are taken for the model that was asked for."""
        limits = self._parts.limits
        if limits is not None:
            try:
                self._held = limits.take_of_model(self._small, len(self._small.body))
            except Refusal:
                raise NotGood("skipped", "limited") from None

    async def _ask(self, asked: Asked) -> bytes:
        """The body of a good answer; its tokens are the first model's, whatever becomes of it."""
        answer = await ask_once(self._call, asked, self._until, self._place, self._view, self._parts)
        if answer.status != 200:
            raise NotGood("escalated", "failed")
        ledger = self._call.ledger
        input_tokens, output_tokens = asked.route.dialect.usage(answer.body, None) or (0, 0)
        ledger.first_input_tokens += input_tokens
        ledger.first_output_tokens += output_tokens
        return answer.body

    async def _judge(self, shown: Shown, policy: CascadePolicy) -> bool:
        """Whether only the second bounds were met; raises NotGood where neither were."""
        bounds, relaxed = policy.bounds, False
        reason = verdict(shown, bounds)
        if reason == "uncertain" and policy.saturated is not None and self._saturated():
            bounds, relaxed = policy.saturated, True
            reason = verdict(shown, bounds)
        if not reason and policy.valid_json and wants_json(self._asked.fields):
            reason = "" if fits(shown.text, self._asked.fields["response_format"]) else "schema"
        if reason:
            raise NotGood("escalated", reason)
        if bounds.self_check is None:
            return relaxed
        return await self._check(shown.text, policy, bounds) or relaxed

    async def _check(self, text: str, policy: CascadePolicy, bounds: Bounds) -> bool:
        """Ask the first model about its answer; whether only the second bound was met."""
        small = self._small
        asked = check_asked(small, text, self._view.offers[small.model.name].get(small.route.endpoint))
        if asked is None:
            raise NotGood("escalated", "no_evidence")
        self._until = max(self._until, self._parts.clock() + policy.wait_s)
        sure = sureness(await self._ask(prepared(asked, self._call.ledger, self._view.pepper)))
        if sure is None:
            raise NotGood("escalated", "no_evidence")
        if sure >= (bounds.self_check or 0.0):
            return False
        least = policy.saturated.self_check if policy.saturated is not None else None
        if least is not None and sure >= least and self._saturated():
            return True
        raise NotGood("escalated", "doubted")

    def _saturated(self) -> bool:
        return has_no_place(self._asked.model.name, self._parts)


def _as_asked(body: bytes, asked: Asked) -> bytes:
    """The answer under the name that was asked for and without what only forebay asked for; streamed if need be.

    What stays is not looked into: log-probabilities are most of an answer's bytes, and building them its price.
    """
    answer = _fields_of(body)
    answer["model"] = msgspec.Raw(orjson.dumps(asked.model.name))
    choices = _choices_of(answer["choices"])
    for choice in choices:
        if "logprobs" in choice:
            choice["logprobs"] = _NULL
    answer["choices"] = msgspec.Raw(_encode(choices))
    whole = _encode(answer)
    if not asked.stream:
        return whole
    usage = bytes(answer.get("usage", _NULL))
    try:
        events = events_of(whole)
        return with_usage(events, usage) if asked.keep_usage and usage != b"null" else events
    except CannotReplay:
        raise NotGood("escalated", "not_text") from None
