"""Reads what an engine says, event by event, as far as a measurement needs it."""

from __future__ import annotations

import msgspec

_ABSENT = msgspec.Raw()
_NOTHING = (b"", b"null")
_MOST_TOKENS = 1 << 32  # what is beyond is no count of tokens


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: msgspec.Raw = _ABSENT

    @property
    def text(self) -> str:
        return self.content or self.reasoning_content or self.reasoning or ""


class _Choice(msgspec.Struct, gc=False):
    text: str | None = None
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class _Error(msgspec.Struct, gc=False):
    code: msgspec.Raw = _ABSENT
    type: str | None = None


class _Response(msgspec.Struct, gc=False):
    usage: _Usage | None = None
    status: str | None = None


class Event(msgspec.Struct, gc=False):
    """An event of a stream, or a whole answer, of any of the three routes."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: msgspec.Raw = _ABSENT
    type: str = ""
    delta: str | None = None
    response: _Response | None = None
    output: msgspec.Raw = _ABSENT
    status: str | None = None

    @property
    def text(self) -> str:
        """What it adds to the answer; a call of a tool counts as text too."""
        if not self.choices:
            return self.delta if self.delta and self.type.endswith(".delta") else ""
        choice = self.choices[0]
        part = choice.delta or choice.message
        if part is None:
            return choice.text or ""
        return part.text or ("tool" if said(part.tool_calls) else "")

    @property
    def finished(self) -> bool:
        """Whether it says that the answer is whole."""
        if self.choices:
            return self.choices[0].finish_reason is not None
        # A whole answer of /v1/responses says it of itself.
        return self.type in {"response.completed", "response.incomplete"} or said(self.output)

    @property
    def tokens(self) -> tuple[int, int] | None:
        """Prompt and answer, as the engine counts them; None where it does not, or names what cannot be a count."""
        usage = self.usage or (self.response.usage if self.response is not None else None)
        if usage is None:
            return None
        first = usage.prompt_tokens if usage.prompt_tokens is not None else usage.input_tokens
        second = usage.completion_tokens if usage.completion_tokens is not None else usage.output_tokens
        if first is None or second is None or min(first, second) < 0 or max(first, second) > _MOST_TOKENS:
            return None
        return first, second


EVENT = msgspec.json.Decoder(Event)
_ERROR = msgspec.json.Decoder(_Error)


def said(raw: msgspec.Raw) -> bool:
    """Whether a field that may hold anything holds something."""
    return bytes(raw) not in _NOTHING


def error_code(raw: bytes) -> str:
    """The code of an error object, or of a body that holds one; empty where there is none to read."""
    try:
        inner = EVENT.decode(raw).error
        found = _ERROR.decode(inner if said(inner) else raw)
        code = msgspec.json.decode(found.code) if said(found.code) else None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    return str(code) if isinstance(code, str) and code else (found.type or "")
