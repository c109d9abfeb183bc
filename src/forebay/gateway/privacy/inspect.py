"""What plug-ins of the operator's find in a call: in its request behind forebay's own search, in its answer before it.

A plug-in is asked about whole texts, since what finds names reads sentences. So it cannot look at streams: where one is
to look at answers, streams are refused. Whatever is not answered, in time and in full, goes nowhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from forebay.gateway.privacy.guard import NOT_READ, failed, refused, unreadable, withheld
from forebay.gateway.privacy.images import UNKNOWN, images_in
from forebay.gateway.privacy.plugin_link import ask
from forebay.gateway.privacy.turns import Turns, at_once
from forebay.gateway.privacy.walk import FREE, JSON_TEXT, TOKENS, UNREAD, is_image
from forebay.gateway.refusal import Refusal
from forebay.privacy.detector import DetectorFailed
from forebay.privacy.plugin import BadPlugin, asking, findings, readings
from forebay.privacy.redact import redact_found
from forebay.privacy.replace import Blocked, Replacer

if TYPE_CHECKING:
    from forebay.gateway.answer import WholeAnswer
    from forebay.gateway.call import Call
    from forebay.gateway.parts import Parts
    from forebay.gateway.privacy.guard import Guard
    from forebay.privacy.policy import Plugin
    from forebay.privacy.span import Span

# Where the protocol has words of its own, and names that somebody would miss.
_NO_TEXT = frozenset({
    "role", "type", "id", "object", "model", "finish_reason", "stop_reason", "status", "tool_call_id", "detail",
    "system_fingerprint", "service_tier", "media_type",
})  # fmt: skip
# A tool's parameters say them again and again.
_SCHEMA_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_SHORTEST = 2
_STEP_MEMBERS = 256


class _Place(msgspec.Struct, gc=False):
    """A text, and where it stands; `owners` are the protocol's objects around it, which may tell its tokens."""

    where: Any
    at: Any
    text: str
    owners: tuple[dict[str, Any], ...]


async def inspect_request(call: Call, fields: dict[str, Any], guard: Guard, parts: Parts) -> bool:
    """Whether plug-ins had something replaced in a request. Raises Refusal."""
    replacer = guard.replacer_of_request()
    try:
        if guard.readers:
            await _read(call, guard, images_in(fields), parts.turns)
        plain = {name: value for name, value in fields.items() if name not in NOT_READ}
        places = await parts.turns.take(call, _places(plain, unread=frozenset()), len(call.body))
        changed = await _replace(call, guard.finders, places, replacer)
    except Blocked as blocked:
        raise refused(blocked.kind) from None
    except BadPlugin as bad:
        raise _unknown(call, bad, parts) from None
    except DetectorFailed as error:
        raise failed(error) from None
    finally:
        guard.count(replacer, "input")
    fields.update(plain)
    return changed


async def shown(call: Call, answer: WholeAnswer, guard: Guard, parts: Parts) -> WholeAnswer:
    """An engine's whole answer without what plug-ins find in it. Raises Refusal."""
    finders, guard.unseen = guard.unseen, ()
    if not finders:
        return answer
    try:
        fields = orjson.loads(answer.body)
        places = await parts.turns.take(call, _places({"": fields}, unread=UNREAD))
        changed = await _replace(call, finders, places, guard.output)
    except Blocked as blocked:
        raise withheld(blocked) from None
    except BadPlugin as bad:
        raise _unknown(call, bad, parts) from None
    except orjson.JSONDecodeError as error:
        raise failed(error) from None
    return msgspec.structs.replace(answer, body=orjson.dumps(fields)) if changed else answer


async def _replace(call: Call, plugins: Sequence[Plugin], places: list[_Place], replacer: Replacer) -> bool:
    """One plug-in after another: each sees what the one before has left."""
    changed = False
    for plugin in plugins if places else ():
        found = await _found(call, plugin, [place.text for place in places])
        for place, spans in zip(places, found, strict=True):
            changed |= bool(spans) and _written(place, spans, replacer)
    return changed


async def _read(call: Call, guard: Guard, images: list[str], turns: Turns) -> None:
    """Refuse images in which something stands that may not pass: nothing can be masked in them. Raises Refusal."""
    if UNKNOWN in images:
        raise unreadable()
    for reader in guard.readers if images else ():
        body = await _through(call, ask(reader, "/read", asking(reader, "images", images), call.ledger.tenant))
        texts = readings(reader, images, body)
        kept = await turns.take(call, guard.kept_from_engines(texts))
        for finder in guard.finders if kept is None else ():
            kept = kept or at_once(guard.kept_from_engines(texts, await _found(call, finder, texts)))
        if kept is not None:
            raise refused(kept)


async def _found(call: Call, plugin: Plugin, texts: list[str]) -> list[list[Span]]:
    question = asking(plugin, "texts", texts)
    return findings(plugin, texts, await _through(call, ask(plugin, "/find", question, call.ledger.tenant)))


async def _through(call: Call, work: Coroutine[Any, Any, bytes]) -> bytes:
    """Have work done while the call waits; it ends with the call."""
    task = asyncio.get_running_loop().create_task(work)

    def told(done: asyncio.Task[bytes]) -> None:
        if not done.cancelled() and done.exception() is None:
            call.signal(task, done.result())
        elif not done.cancelled():
            error = done.exception()  # any but our own may quote what was sent
            call.fail(task, error if isinstance(error, BadPlugin) else BadPlugin(type(error).__name__))

    task.add_done_callback(told)
    try:
        answer: bytes = await call.wait(task)
    finally:
        task.cancel()
    return answer


def _places(value: Any, unread: frozenset[str]) -> Generator[None, None, list[_Place]]:
    """Every text in a JSON value that somebody may have written, a bounded number of members at a time."""
    places: list[_Place] = []
    for number, place in enumerate(_members(value, unread=unread), 1):
        if place is not None:
            places.append(place)
        if not number % _STEP_MEMBERS:
            yield
    return places


def _members(
    value: Any, owners: tuple[dict[str, Any], ...] = (), *, free: bool = False, unread: frozenset[str]
) -> Iterator[_Place | None]:
    """All there is in a JSON value, None for what is no text that somebody may have written.

    The outermost object owns none: in a request what it has by the names of tokens are switches.
    """
    for at, each in value.items() if type(value) is dict else enumerate(value):
        if type(each) is str and len(each) >= _SHORTEST and not _is_word(at, each, value, free=free):
            yield _Place(value, at, each, owners)
            continue
        yield None
        if type(each) is list and (free or at not in unread):
            yield from _members(each, owners, free=free, unread=unread)
        elif type(each) is dict and (free or at not in unread):
            below = free or at in FREE
            yield from _members(each, owners if below else (*owners, each), free=below, unread=unread)


def _is_word(at: Any, text: str, value: Any, *, free: bool) -> bool:
    """Whether a text is the protocol's, or an image."""
    if free:  # what looks like an image there is not one to the engine
        return at == "type" and text in _SCHEMA_TYPES
    return at in _NO_TEXT or (type(at) is str and is_image(at, text, value))


def _written(place: _Place, spans: list[Span], replacer: Replacer) -> bool:
    text = redact_found(place.text, spans, replacer, is_json=place.at in JSON_TEXT)
    if text == place.text:
        return False
    place.where[place.at] = place.text = text
    for owner in place.owners:
        for name in TOKENS:
            if owner.get(name) is not None:
                owner[name] = [] if type(owner[name]) is list else None
    return True


def _unknown(call: Call, bad: BadPlugin, parts: Parts) -> Refusal:
    parts.log.write(
        "error", "a plug-in of privacy failed", time.time(), request_id=call.ledger.request_id, reason=str(bad)
    )
    return failed(bad)
