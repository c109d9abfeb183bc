"""What plug-ins of the operator's find in a call: in its request behind forebay's own search, in its answer before it.

A plug-in is asked about whole texts, since what finds names reads sentences. So it cannot look at streams: where one is
to look at answers, streams are refused. Whatever is not answered, in time and in full, goes nowhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from forebay.gateway.privacy.guard import NOT_READ, failed, refused, unreadable, withheld
from forebay.gateway.privacy.images import UNKNOWN, images_in
from forebay.gateway.privacy.plugin_link import ask
from forebay.gateway.privacy.walk import JSON_TEXT, TOKENS, UNREAD, is_image
from forebay.gateway.refusal import Refusal
from forebay.privacy.plugin import BadPlugin, asking, findings, readings
from forebay.privacy.redact import redact_found
from forebay.privacy.replace import Blocked, Replacer
from forebay.privacy.search import spans_of

if TYPE_CHECKING:
    from forebay.gateway.answer import WholeAnswer
    from forebay.gateway.call import Call
    from forebay.gateway.parts import Parts
    from forebay.gateway.privacy.guard import Guard
    from forebay.privacy.policy import Plugin
    from forebay.privacy.span import Span

# Words of the protocol, and names that somebody would miss.
_NO_TEXT = UNREAD | {
    "role", "type", "id", "object", "model", "finish_reason", "stop_reason", "status", "tool_call_id", "detail",
    "system_fingerprint", "service_tier", "media_type",
}  # fmt: skip
_SHORTEST = 2
_REFUSED = 400


class _Place(msgspec.Struct, gc=False):
    """A text, and where it stands; `owners` are the objects around it, which may tell its tokens."""

    where: Any
    at: Any
    text: str
    owners: tuple[dict[str, Any], ...]


async def inspect_request(call: Call, fields: dict[str, Any], guard: Guard, parts: Parts) -> bool:
    """Whether plug-ins had something replaced in a request. Raises Refusal."""
    replacer = guard.replacer_of_request()
    try:
        if guard.readers:
            await _read(call, guard, images_in(fields))
        plain = {name: value for name, value in fields.items() if name not in NOT_READ}
        places = list(_texts(plain))
        changed = await _replace(call, guard.finders, places, replacer)
    except Blocked as blocked:
        raise refused(blocked.kind) from None
    except BadPlugin as bad:
        raise _unknown(call, bad, parts) from None
    finally:
        guard.count(replacer, "input")
    fields.update(plain)
    return changed


async def shown(call: Call, answer: WholeAnswer, guard: Guard, parts: Parts) -> WholeAnswer:
    """An engine's whole answer without what plug-ins find in it. Raises Refusal."""
    finders, guard.unseen = guard.unseen, ()
    if not finders or answer.status >= _REFUSED:
        return answer
    try:
        fields = orjson.loads(answer.body)
        changed = await _replace(call, finders, list(_texts({"": fields})), guard.output)
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


async def _read(call: Call, guard: Guard, images: list[str]) -> None:
    """Refuse images in which something stands that may not pass: nothing can be masked in them. Raises Refusal."""
    if UNKNOWN in images:
        raise unreadable()
    for reader in guard.readers if images else ():
        body = await _through(call, ask(reader, "/read", asking(reader, "images", images)))
        texts = readings(reader, images, body)
        kinds = [span.type for text in texts for span in spans_of(text, guard.detector)]
        for finder in guard.finders:
            kinds += [span.type for spans in await _found(call, finder, texts) for span in spans]
        for kind in kinds:
            if guard.action_in_request(kind) != "allow":
                raise refused(kind)


async def _found(call: Call, plugin: Plugin, texts: list[str]) -> list[list[Span]]:
    return findings(plugin, texts, await _through(call, ask(plugin, "/find", asking(plugin, "texts", texts))))


async def _through(call: Call, work: Coroutine[Any, Any, bytes]) -> bytes:
    """Have work done while the call waits; it ends with the call."""
    task = asyncio.get_running_loop().create_task(work)

    def told(done: asyncio.Task[bytes]) -> None:
        if not done.cancelled() and done.exception() is None:
            call.signal(task, done.result())
        elif not done.cancelled():
            call.fail(task, BadPlugin(str(done.exception())))

    task.add_done_callback(told)
    try:
        answer: bytes = await call.wait(task)
    finally:
        task.cancel()
    return answer


def _texts(value: Any, owners: tuple[dict[str, Any], ...] = ()) -> Iterator[_Place]:
    """Every text in a JSON value that somebody may have written."""
    if type(value) is dict:
        owners = (*owners, value)
    for at, each in value.items() if type(value) is dict else enumerate(value):
        if at in _NO_TEXT or (type(at) is str and type(each) is str and is_image(at, each, value)):
            continue
        if type(each) is str and len(each) >= _SHORTEST:
            yield _Place(value, at, each, owners)
        elif type(each) in {dict, list}:
            yield from _texts(each, owners)


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
