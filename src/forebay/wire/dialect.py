"""How an API speaks: the shape of its errors, whole and in a stream, where a stream is complete, what it counts."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import orjson

from forebay.wire.sse import event
from forebay.wire.usage import Counts, in_out_usage_in, usage_in


class Fault(msgspec.Struct, frozen=True):
    """An error before it is written down. `kind` is OpenAI's error type."""

    status: int
    kind: str
    code: str
    message: str
    param: str | None = None


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One API's way of speaking.

    `error` writes a whole answer's body, `error_event` a stream's last event. `is_complete`: whether events end as a
    complete stream does. `usage`: the token counts in a payload, given what an earlier event counted.
    """

    error: Callable[[Fault], bytes]
    error_event: Callable[[Fault], bytes]
    is_complete: Callable[[bytes], bool]
    usage: Callable[[bytes, Counts | None], Counts | None]


def _openai_error(fault: Fault) -> bytes:
    error = {"message": fault.message, "type": fault.kind, "param": fault.param, "code": fault.code}
    return orjson.dumps({"error": error})


def _openai_event(fault: Fault) -> bytes:
    return event(_openai_error(fault))


_DONE = (b"data: [DONE]\n\n", b"data: [DONE]\r\n\r\n")


def _ends_with_done(events: bytes) -> bool:
    return events.endswith(_DONE)


def _last_event_is(*names: bytes) -> Callable[[bytes], bool]:
    ending = re.compile(
        rb"(?:\A|\n\n|\r\n\r\n)event: (?:" + b"|".join(map(re.escape, names)) + rb")\r?\n"
        rb"data: ?[^\r\n]*\r?\n\r?\n\Z"
    )
    # Some releases of vLLM end every stream with [DONE].
    return lambda events: events.endswith(_DONE) or ending.search(events) is not None


def _responses_event(fault: Fault) -> bytes:
    # Clients raise on `error`, as for OpenAI's other routes; the rest is the event as the Responses API names it.
    payload = {
        "type": "error",
        "code": fault.code,
        "message": fault.message,
        "param": fault.param,
        "sequence_number": 0,
        "error": {"message": fault.message, "type": fault.kind, "param": fault.param, "code": fault.code},
    }
    return b"event: error\n" + event(orjson.dumps(payload))


_ANTHROPIC_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def _anthropic_error(fault: Fault) -> bytes:
    kind = _ANTHROPIC_KINDS.get(fault.status, "api_error" if fault.status >= 500 else "invalid_request_error")
    # `code` and `param` are not Anthropic's; its clients pass over what they do not know.
    error = {"type": kind, "message": fault.message, "code": fault.code, "param": fault.param}
    return orjson.dumps({"type": "error", "error": error})


def _anthropic_event(fault: Fault) -> bytes:
    return b"event: error\n" + event(_anthropic_error(fault))


OPENAI = Dialect(error=_openai_error, error_event=_openai_event, is_complete=_ends_with_done, usage=usage_in)
RESPONSES_API = Dialect(
    error=_openai_error,
    error_event=_responses_event,
    is_complete=_last_event_is(b"response.completed", b"response.incomplete", b"response.failed"),
    usage=in_out_usage_in,
)
ANTHROPIC = Dialect(
    error=_anthropic_error,
    error_event=_anthropic_event,
    is_complete=_last_event_is(b"message_stop"),
    usage=in_out_usage_in,
)
