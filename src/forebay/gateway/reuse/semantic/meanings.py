"""Looking for a question that means the same and has an answer; what cannot be found out in time is a miss."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Protocol

import msgspec

from forebay.gateway.reuse.semantic.link import EmbedderLink
from forebay.gateway.reuse.semantic.near import NearQuestions
from forebay.gateway.reuse.semantic.question import Question, question_of
from forebay.observe import catalogue

if TYPE_CHECKING:
    from pathlib import Path

    from forebay.gateway.call import Call
    from forebay.gateway.meter import Meter
    from forebay.gateway.reuse.answers import Entry
    from forebay.gateway.reuse.plan import Plan
    from forebay.gateway.reuse.policy import SemanticPolicy
    from forebay.gateway.reuse.semantic.link import Answer
    from forebay.gateway.reuse.semantic.near import Known
    from forebay.gateway.snapshot import ModelRef


class Kept(Protocol):
    """Where answers lie."""

    def keeps(self, model: str, key: bytes) -> bool: ...

    def find(self, plan: Plan) -> Entry | None: ...


class Meanings:
    """One to a worker. `embedder` is the socket to ask at, None where nobody could answer."""

    def __init__(self, meter: Meter) -> None:
        self.embedder: Path | None = None
        self._meter = meter
        self._models: dict[str, NearQuestions] = {}
        self._link: EmbedderLink | None = None
        self._pepper = ""

    def update(self, models: Iterable[ModelRef], pepper: str) -> None:
        """Take the models of a new snapshot; what was known under another version is let go."""
        before, self._models = self._models, {}
        self._pepper = pepper
        for model in models:
            if model.cache is None or model.cache.semantic is None:
                continue
            version, most = model.cache.version, model.cache.semantic.questions
            kept = before.get(model.name)
            if kept is None or kept.version != version:
                kept = NearQuestions(version, most)
            kept.most = most
            kept.shrink()
            self._models[model.name] = kept
        if not self._models and self._link is not None:
            self._link.close()
            self._link = None

    def sweep(self, now: float) -> None:
        """What is looked at a few times a second."""
        if self._models and self.embedder is not None:
            if self._link is None:
                self._link = EmbedderLink(self.embedder)
            self._link.sweep(now)

    def read(self, plan: Plan) -> Plan:
        """`plan` with what of its call may be compared by meaning."""
        question = question_of(plan.hard, plan.hard[2], plan.fields, self._pepper)
        if isinstance(question, Question):
            return msgspec.structs.replace(plan, question=question)
        self._count(plan, question)
        return plan

    async def find(self, call: Call, plan: Plan, answers: Kept) -> tuple[Entry, float] | None:
        """The answer to the nearest question that is near enough, and how near it is."""
        question, policy = plan.question, plan.policy.semantic
        if question is None or policy is None or plan.fresh:
            return None
        known = self._known(plan, question, answers)
        if not known:
            self._count(plan, "miss")
            return None
        answer = await self._compared(call, question.text, tuple(text for _key, text in known), policy)
        if isinstance(answer, str):
            self._count(plan, answer)
            return None
        for similarity, (key, _text) in sorted(zip(answer, known, strict=True), reverse=True):
            if similarity < policy.threshold:
                break
            found = answers.find(msgspec.structs.replace(plan, key=key))
            if found is not None:
                self._count(plan, "hit")
                return found, similarity
        self._count(plan, "far")
        return None

    def _known(self, plan: Plan, question: Question, answers: Kept) -> tuple[Known, ...]:
        """The questions to compare with; those whose answer has gone are forgotten here."""
        near = self._models.get(plan.model)
        if near is None:
            return ()
        known = near.find(question.group)
        for key, _text in known:
            if not answers.keeps(plan.model, key):
                near.forget(question.group, key)
        return near.find(question.group)

    def note(self, plan: Plan) -> None:
        """This call's answer is kept from now on."""
        near = self._models.get(plan.model)
        if near is not None and plan.question is not None and near.version == plan.policy.version:
            near.note(plan.question.group, plan.key, plan.question.text)

    async def _compared(self, call: Call, text: str, others: tuple[str, ...], policy: SemanticPolicy) -> Answer:
        link = self._link
        if link is None:
            return "lost"
        link.compare(text, others, policy.deadline_s, partial(call.signal, link))
        answer: Answer = await call.wait(link)
        return answer

    def _count(self, plan: Plan, result: str) -> None:
        self._meter.count(catalogue.SEMANTIC, plan.model, result)
