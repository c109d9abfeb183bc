"""Which routes and fields the engines of a model serve: worked out once a snapshot, looked up once a call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from forebay.gateway.routes import ROUTES
from forebay.gateway.snapshot import EngineRef
from forebay.wire.openai import OLDEST, BadField, Shape
from forebay.wire.openai.content import holds_image

NOBODY: frozenset[str] = frozenset()
# What only one kind of vLLM's runners serves; the rest (tokens) all do.
_WRITING = {
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1/messages/count_tokens",
}
_READING = {"/v1/embeddings", "/v1/rerank", "/v1/score", "/v1/classify"}
_NOT_BY_TASK = {"embed": {"/v1/classify"}, "classify": {"/v1/embeddings"}}


class Offer(msgspec.Struct, frozen=True):
    """One route of one model.

    `shape` lacks the fields that none of its engines takes. `unable` are the engines that do not serve the route,
    `partly` by field those that would ignore it: a call with that field goes to the others. `textual` are the engines
    that read no images, `able` how many serve the route. `is_partial`: some engine cannot serve some call.
    """

    shape: Shape
    unable: frozenset[str] = NOBODY
    partly: dict[str, frozenset[str]] = {}
    textual: frozenset[str] = NOBODY
    able: int = 0
    is_partial: bool = False

    def unable_for(self, fields: dict[str, Any]) -> frozenset[str]:
        """The engines that cannot serve a call of these fields. Raises BadField where no engine is left."""
        unable = self.unable
        for name in self.partly.keys() & fields.keys():
            if fields[name] is not None:
                unable |= self.partly[name]
                self._check_left(unable, name, f"No engine of this model takes {name} with the rest.")
        for name in ("messages", "input"):
            if self.textual and holds_image(fields.get(name)):
                unable |= self.textual
                self._check_left(unable, name, "No engine of this model reads images.")
        return unable

    def _check_left(self, unable: frozenset[str], field: str, message: str) -> None:
        if len(unable - self.unable) == self.able:
            raise BadField(field, message, "not_supported")


def offers_of(engines: Iterable[EngineRef]) -> dict[str, Offer]:
    """What `engines`, all of one model, serve, by endpoint; a model without engines yet is taken to serve all."""
    engines = tuple(engines)
    offers = {}
    for route in ROUTES.values():
        shape = route.shape
        if shape is not None:
            able = [engine for engine in engines if _serves(engine, route.endpoint, shape)]
            if able or not engines:
                offers[route.endpoint] = _offer(shape, engines, able)
    return offers


def _offer(shape: Shape, engines: tuple[EngineRef, ...], able: list[EngineRef]) -> Offer:
    ignoring = {
        name: frozenset(engine.name for engine in able if not _takes(engine, field.embedded, field.since))
        for name, field in shape.fields.items()
    }
    nobody = frozenset(name for name, names in ignoring.items() if able and len(names) == len(able))
    unable = frozenset(engine.name for engine in engines if engine not in able)
    partly = {name: names for name, names in ignoring.items() if names and name not in nobody}
    textual = frozenset(engine.name for engine in able if engine.kind == "embedded")
    return Offer(shape.narrowed(nobody), unable, partly, textual, len(able), bool(unable or partly or textual))


def _serves(engine: EngineRef, endpoint: str, shape: Shape) -> bool:
    if engine.task == "generate" and endpoint in _READING:
        return False
    if engine.task not in {"", "generate"} and endpoint in _WRITING:
        return False
    if endpoint in _NOT_BY_TASK.get(engine.task, ()):
        return False
    return _takes(engine, shape.embedded, shape.since)


def _takes(engine: EngineRef, embedded: bool, since: tuple[int, int]) -> bool:
    """Whether an engine has what llama.cpp has (`embedded`) and vLLM since a release; other servers are believed."""
    if engine.kind == "embedded":
        return embedded
    if engine.kind == "vllm" and engine.release:
        return since <= OLDEST or _release(engine.release) >= since
    return True


def _release(text: str) -> tuple[int, int]:
    major, minor, *_ = text.split(".")
    return int(major), int(minor)
