"""What is asked: the body parsed once, checked against the route's allow-list, and made into what an engine gets."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from forebay.gateway.refusal import Refusal
from forebay.gateway.snapshot import EngineRef, ModelRef
from forebay.gateway.view import View
from forebay.wire.json_body import BadBody, parse_object
from forebay.wire.openai import BadField, Shape, check_fields
from forebay.wire.request import RequestHead

_MEDIA_TYPES = (b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8")
_INCLUDE_USAGE = b',"stream_options":{"include_usage":true}}'


class Asked(msgspec.Struct, frozen=True):
    """A checked request. `body` is what the policy saw, byte for byte or written again from what was parsed.

    `recorded`: its stream's tokens are noted, so that it can go on at another engine.
    """

    model: ModelRef
    stream: bool
    keep_usage: bool
    body: bytes
    fields: dict[str, Any]
    recorded: bool = False


def screen(head: RequestHead, body: bytes, shape: Shape, view: View) -> Asked:
    """Check a body; raises Refusal for the first thing that is wrong with it."""
    _check_media_type(head)
    try:
        fields, canonical = parse_object(body)
        changed = check_fields(fields, shape)
    except BadBody as error:
        raise Refusal("invalid_json", str(error)) from None
    except BadField as error:
        raise Refusal(error.code, error.message, param=error.field[:64]) from None
    model = view.models.get(fields["model"])
    if model is None:
        message = f"The model {fields['model']!r} does not exist; GET /v1/models lists those that do."
        raise Refusal("model_not_found", message, param="model")
    _check_context(fields, model)
    if fields["model"] != model.name:
        fields["model"] = model.name
        changed = True
    stream = fields.get("stream") is True
    keep_usage = False
    if stream:
        # Tokens are metered from the engine's own count, so it is always asked for; a client that did not ask for it
        # does not get the event.
        options = fields.get("stream_options") or {}
        keep_usage = options.get("include_usage") is True
        if not keep_usage:
            if canonical and not changed and "stream_options" not in fields:
                return Asked(model, stream, keep_usage, body[:-1] + _INCLUDE_USAGE, fields)
            fields["stream_options"] = {**options, "include_usage": True}
            changed = True
    elif fields.pop("stream_options", None) is not None:
        changed = True  # engines refuse it without `stream`
    if changed or not canonical:
        body = orjson.dumps(fields)
    return Asked(model, stream, keep_usage, body, fields)


def request_for(engine: EngineRef, path: bytes, asked: Asked, request_id: str) -> bytes:
    """The request as an engine gets it: headers of our own making alone, nothing of the client's."""
    body = asked.body
    if engine.served_name is not None and engine.served_name != asked.model.name:
        body = orjson.dumps({**asked.fields, "model": engine.served_name, **_usage_option(asked)})
    if asked.recorded and engine.continues and "return_token_ids" not in asked.fields:
        body = body[:-1] + b',"return_token_ids":true}'
    return post(engine, path, body, request_id)


def post(engine: EngineRef, path: bytes, body: bytes, request_id: str) -> bytes:
    """One whole request to an engine."""
    authorization = (
        b"authorization: Bearer %b\r\n" % engine.authorization.encode() if engine.authorization is not None else b""
    )
    return (
        b"POST %b HTTP/1.1\r\nhost: %b:%d\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
        b"x-request-id: %b\r\n%b\r\n%b"
    ) % (path, engine.host.encode(), engine.port, len(body), request_id.encode(), authorization, body)


def _usage_option(asked: Asked) -> dict[str, Any]:
    return {"stream_options": {"include_usage": True}} if asked.stream else {}


def _check_media_type(head: RequestHead) -> None:
    if head.content_type.lower() not in _MEDIA_TYPES:
        raise Refusal("unsupported_media_type", "Send application/json in UTF-8.")
    if head.content_encoding and head.content_encoding.lower() != b"identity":
        raise Refusal("unsupported_media_type", "Compressed bodies are not accepted.")


def _check_context(fields: dict[str, Any], model: ModelRef) -> None:
    limit = model.context_tokens
    if limit is None:
        return
    for name in ("max_tokens", "max_completion_tokens"):
        asked = fields.get(name)
        if asked is not None and asked > limit:
            raise Refusal("context_exceeded", f"{name} is {asked}; the model's context is {limit} tokens.", param=name)
