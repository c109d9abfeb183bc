"""What is asked: the body parsed once, checked against the route's allow-list, and made into what an engine gets."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from forebay.gateway.refusal import Refusal
from forebay.gateway.routes import Route
from forebay.gateway.snapshot import EngineRef, ModelRef
from forebay.gateway.support import NOBODY
from forebay.gateway.view import View
from forebay.gateway.wants import session_of, subject_of
from forebay.wire.json_body import BadBody, parse_object
from forebay.wire.media_type import JSON
from forebay.wire.openai import BadField, check_fields
from forebay.wire.request import RequestHead

if TYPE_CHECKING:
    from forebay.gateway.privacy.guard import Guard

_MEDIA_TYPES = (b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8")
_INCLUDE_USAGE = b',"stream_options":{"include_usage":true}}'


class Asked(msgspec.Struct, frozen=True):
    """A checked request. `body` is what the policy saw, byte for byte or written again from what was parsed.

    `unable` are the model's engines that cannot serve this call. `subject` is the person that the call is for, where it
    names one and the audit log or a consent wants to know. `recorded`: its stream's tokens are noted, so that it
    can go on at another engine. `salt` keeps prefixes apart in an engine's cache; empty where all may share them.
    `guard` is what its answer is searched by, if by anything. `region`: engines elsewhere never see it.
    """

    model: ModelRef
    stream: bool
    keep_usage: bool
    body: bytes
    fields: dict[str, Any]
    route: Route
    unable: frozenset[str] = NOBODY
    recorded: bool = False
    session: str = ""
    salt: str = ""
    flex: bool = False
    subject: str = ""
    guard: Guard | None = None
    region: str = ""


def screen(head: RequestHead, body: bytes, route: Route, view: View) -> Asked:
    """Check a body; raises Refusal for the first thing that is wrong with it."""
    if head.content_type != JSON or head.content_encoding:
        _check_media_type(head)
    try:
        fields, canonical = parse_object(body)
        session = session_of(head, fields) if view.sessions else ""  # before fields of OpenAI's platform are dropped
        subject = subject_of(fields) if view.subjects else ""
        flex = (
            "service_tier" in fields and fields["service_tier"] == "flex"
        )  # goes no further, but says that the call may wait
        name = fields.get("model")
        model = view.models.get(name) if type(name) is str else None
        if model is None:
            raise _unknown_model(fields, route)
        offer = view.offers[model.name].get(route.endpoint)
        if offer is None:
            raise _not_served(model, route)
        changed = check_fields(fields, offer.shape)
        unable = offer.unable_for(fields) if offer.is_partial else NOBODY
    except BadBody as error:
        raise Refusal("invalid_json", str(error)) from None
    except BadField as error:
        raise Refusal(error.code, error.message, param=error.field[:64]) from None
    _check_context(fields, model)
    if "n" in fields or "prompt" in fields:
        _check_choices(fields, view.policy.choices)
    if name != model.name:
        fields["model"] = model.name
        changed = True
    stream = fields.get("stream") is True
    as_it_came = b"" if changed or not canonical else body
    written, keep_usage = _for_engine(fields, as_it_came, stream=stream, usage_option=offer.shape.usage_option)
    return Asked(model, stream, keep_usage, written, fields, route, unable, False, session, "", flex, subject)


def _for_engine(fields: dict[str, Any], as_it_came: bytes, *, stream: bool, usage_option: bool) -> tuple[bytes, bool]:
    """What engines get of `fields`, and whether the client gets a stream's usage.

    `as_it_came` are the bytes that `fields` were read from, empty where they differ by now. Tokens are metered from
    the engine's own count, so it is always asked for; a client that did not ask for it does not get the event.
    """
    if not usage_option:
        return as_it_came or orjson.dumps(fields), True
    options = fields.get("stream_options")
    if not stream:
        if options is None:
            return as_it_came or orjson.dumps(fields), False
        del fields["stream_options"]  # engines refuse it without `stream`
        return orjson.dumps(fields), False
    if options is not None and options.get("include_usage") is True:
        return as_it_came or orjson.dumps(fields), True
    if as_it_came and "stream_options" not in fields:
        return as_it_came[:-1] + _INCLUDE_USAGE, False
    fields["stream_options"] = {**(options or {}), "include_usage": True}
    return orjson.dumps(fields), False


def _unknown_model(fields: dict[str, Any], route: Route) -> Refusal:
    """Why there is no model to a body. Raises BadField where the body does not name one at all."""
    if route.shape is not None:
        check_fields(dict(fields), route.shape)
    message = f"The model {fields['model']!r} does not exist; GET /v1/models lists those that do."
    return Refusal("model_not_found", message, param="model")


def _not_served(model: ModelRef, route: Route) -> Refusal:
    return Refusal("not_supported", f"No engine of the model {model.name!r} serves {route.endpoint}.", param="model")


def request_for(engine: EngineRef, asked: Asked, request_id: str) -> bytes:
    """The request as an engine gets it: headers of our own making alone, nothing of the client's."""
    body = asked.body
    if engine.served_name is not None and engine.served_name != asked.model.name and asked.model.adapter_of is None:
        body = orjson.dumps({**asked.fields, "model": engine.served_name, **_usage_option(asked)})
    if asked.recorded and engine.continues and "return_token_ids" not in asked.fields:
        body = body[:-1] + b',"return_token_ids":true}'
    return post(engine, asked.route.engine_path, salted(engine, asked, body) if asked.salt else body, request_id)


def salted(engine: EngineRef, asked: Asked, body: bytes) -> bytes:
    """`body` with the salt of its caller, for an engine that knows the field."""
    return body[:-1] + b',"cache_salt":"%b"}' % asked.salt.encode() if asked.salt and engine.salted else body


def post(engine: EngineRef, path: bytes, body: bytes, request_id: str) -> bytes:
    """One whole request to an engine."""
    begun = _begun(path, engine.host, engine.port, engine.authorization)
    return b"%b%d\r\nx-request-id: %b\r\n\r\n%b" % (begun, len(body), request_id.encode(), body)


@lru_cache(maxsize=1024)
def _begun(path: bytes, host: str, port: int, authorization: str | None) -> bytes:
    """A request's head as far as it is the same for all calls of one route to one engine."""
    named = b"[%b]" % host.encode() if ":" in host else host.encode()
    key = b"authorization: %b\r\n" % authorization.encode() if authorization is not None else b""
    return b"POST %b HTTP/1.1\r\nhost: %b:%d\r\ncontent-type: application/json\r\n%bcontent-length: " % (
        path,
        named,
        port,
        key,
    )


def _usage_option(asked: Asked) -> dict[str, Any]:
    return {"stream_options": {"include_usage": True}} if asked.stream and asked.route.usage_option else {}


def _check_media_type(head: RequestHead) -> None:
    if head.content_type.lower() not in _MEDIA_TYPES:
        raise Refusal("unsupported_media_type", "Send application/json in UTF-8.")
    if head.content_encoding and head.content_encoding.lower() != b"identity":
        raise Refusal("unsupported_media_type", "Compressed bodies are not accepted.")


def _check_context(fields: dict[str, Any], model: ModelRef) -> None:
    limit = model.context_tokens
    if limit is None:
        return
    for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
        if name in fields and (asked := fields[name]) is not None and asked > limit:
            raise Refusal("context_exceeded", f"{name} is {asked}; the model's context is {limit} tokens.", param=name)


def _check_choices(fields: dict[str, Any], most: int) -> None:
    """Prompts and choices each have a bound of their own; it is their product that an engine has to answer."""
    prompt, choices = fields.get("prompt"), fields.get("n") or 1
    if type(prompt) is list and prompt and type(prompt[0]) is not int:
        choices *= len(prompt)
    if choices > most:
        message = f"Prompts times n is {choices}; one call may ask for {most} answers."
        raise Refusal("invalid_value", message, param="n" if type(prompt) is not list else "prompt")
