"""Long conversations cut to a budget: whole turns leave, the oldest first. Pure."""

from __future__ import annotations

from typing import Any

# What a chat template puts around a message, and what an image or a sound is taken for.
_MESSAGE_TOKENS = 4
_PART_TOKENS = 1000
_KEPT_ROLES = frozenset({"system", "developer"})


def trimmed(messages: list[dict[str, Any]], budget_tokens: int) -> list[dict[str, Any]]:
    """`messages` within the budget by estimate; the same list where they are within it already.

    A turn is a user's message and everything up to the next one, so a tool's result never loses the call it answers.
    System messages and the last turn always stay, even if they alone exceed the budget.
    """
    sizes = [estimated_tokens(message) for message in messages]
    total = sum(sizes)
    if total <= budget_tokens:
        return messages
    starts = [index for index, message in enumerate(messages) if message.get("role") == "user"]
    gone: set[int] = set()
    first = 0
    for start in starts:
        if total <= budget_tokens:
            break
        turn = [index for index in range(first, start) if messages[index].get("role") not in _KEPT_ROLES]
        gone.update(turn)
        total -= sum(sizes[index] for index in turn)
        first = start
    return [message for index, message in enumerate(messages) if index not in gone]


def estimated_tokens(message: dict[str, Any]) -> int:
    """About what a message costs: four ASCII characters are a token, every other character is one.

    High for Chinese and code by up to a half, low for rare words; the gateway holds no tokenizer.
    """
    tokens = _MESSAGE_TOKENS + sum(_text_tokens(str(call)) for call in message.get("tool_calls") or ())
    content = message.get("content")
    if type(content) is str:
        return tokens + _text_tokens(content)
    if type(content) is list:
        return tokens + sum(map(_part_tokens, content))
    return tokens


def _part_tokens(part: object) -> int:
    text = part.get("text") if type(part) is dict else None
    return _text_tokens(text) if type(text) is str else _PART_TOKENS


def _text_tokens(text: str) -> int:
    wide_bytes = len(text.encode(errors="replace")) - len(text) if not text.isascii() else 0
    wide = (wide_bytes + 1) // 2  # most characters beyond ASCII that are not Latin take three bytes
    return wide + (len(text) - wide + 3) // 4
