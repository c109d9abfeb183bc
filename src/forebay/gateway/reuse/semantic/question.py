"""Which part of a call may be compared by meaning, and with which others it may be compared at all. Pure."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from forebay.gateway.reuse.identity import CHAT, canonical, key_of
from forebay.gateway.reuse.semantic import essence as words

Refused = Literal["shape", "language", "length", "code"]

# A call with any other field wants more than an answer in words: a schema, token probabilities, tools, a template.
_PLAIN = frozenset(
    {
        *("model", "messages", "user", "max_tokens", "stop", "seed", "temperature", "top_p", "top_k", "min_p"),
        *("presence_penalty", "frequency_penalty", "repetition_penalty"),
    }
)
_PLAIN_MESSAGE = frozenset({"role", "content"})


class Question(msgspec.Struct, frozen=True, gc=False):
    """A call's last user message. Calls with equal `group` differ in nothing but words that carry no meaning.

    The group is a key over the configuration, tenant, model, every parameter, the whole conversation before, and the
    words of the message that must agree.
    """

    text: str
    group: bytes


def question_of(hard: tuple[str, ...], route: str, fields: dict[str, Any], pepper: str) -> Question | Refused:
    """The question of one call, or why it has none that can be compared."""
    if route != CHAT:
        return "shape"
    plain = canonical(fields)
    text = _last_text(plain["messages"]) if plain.keys() <= _PLAIN else None
    if text is None:
        return "shape"
    carrying = words.essence(text)
    if isinstance(carrying, str):
        return carrying
    plain["messages"] = [*plain["messages"][:-1], list(carrying)]
    return Question(text, key_of((*hard, "semantic"), plain, pepper))


def _last_text(messages: list[dict[str, Any]]) -> str | None:
    """What the user said last; None where anybody said anything else than text."""
    if any(type(message.get("content")) is not str for message in messages):
        return None
    last = messages[-1]
    return last["content"] if last.get("role") == "user" and last.keys() <= _PLAIN_MESSAGE else None
