"""Messages and their content: text, and images that the client sends along.

A part that names an address is refused: the engine would fetch it, from inside, for whoever asks. So are the parts that
an engine takes without a `type`, and `uuid`, under which one client's image would be another's.
"""

from __future__ import annotations

import re
from typing import Any

from forebay.wire.openai.bounds import LONG_TEXT, either, flag, items, record, text, word
from forebay.wire.openai.shape import Check

IMAGE_CHARACTERS = 12 * 1024 * 1024
"""An image of 9 MB in base64."""
MESSAGES_PARTS = 256
_MOST_MESSAGES = 10_000
_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}")


def image_url(value: Any) -> bool:
    """Whether `value` is an image within the text itself."""
    return type(value) is str and len(value) <= IMAGE_CHARACTERS and _IMAGE.fullmatch(value) is not None


_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_DETAIL = word("auto", "low", "high", "original")
_PARTS: dict[str, Check] = {
    "text": record({"type": LONG_TEXT, "text": LONG_TEXT}),
    "refusal": record({"type": LONG_TEXT, "refusal": LONG_TEXT}),
    "image_url": record({"type": LONG_TEXT, "image_url": record({"url": image_url}, {"detail": _DETAIL})}),
}


def typed(parts: dict[str, Check]) -> Check:
    """An object whose `type` names which of `parts` it is."""

    def check(value: Any) -> bool:
        kind = value.get("type") if type(value) is dict else None
        found = parts.get(kind) if type(kind) is str else None
        return found is not None and found(value)

    return check


CONTENT = either(LONG_TEXT, items(MESSAGES_PARTS, typed(_PARTS)))
TOOL_CALL = record(
    {"id": text(256), "type": word("function"), "function": record({"name": text(128), "arguments": LONG_TEXT})},
    {"index": lambda value: type(value) is int and 0 <= value < 512},
)
_MESSAGE = record(
    {"role": word(*_ROLES)},
    {
        "content": CONTENT,
        "name": text(128),
        "tool_calls": items(512, TOOL_CALL),
        "tool_call_id": text(256),
        "refusal": LONG_TEXT,
        "reasoning": LONG_TEXT,
        "reasoning_content": LONG_TEXT,
        # Clients that send an answer back whole send these, empty.
        "annotations": items(0, flag),
        "audio": lambda _value: False,
        "function_call": lambda _value: False,
    },
)


def messages(value: Any) -> bool:
    """A conversation. Most messages are a role and a text, which is looked at first: it is on every call."""
    if type(value) is not list or not 1 <= len(value) <= _MOST_MESSAGES:
        return False
    for message in value:
        if type(message) is dict and len(message) == 2 and type(message.get("content")) is str:
            role = message.get("role")
            if type(role) is not str or role not in _ROLES:
                return False
        elif not _MESSAGE(message):
            return False
    return True


MESSAGES: Check = messages
MESSAGES_EXPECT = (
    "a list of 1 to 10000 messages: a role, and content that is text or parts of type text or image_url; an image is a "
    "data: URL of at most 9 MB"
)


def holds_image(value: object) -> bool:
    """Whether an image is anywhere in messages or input. For models whose engines read text alone."""
    open_lists = [value]
    while open_lists:
        found = open_lists.pop()
        for item in found if type(found) is list else ():
            if type(item) is dict:
                if item.get("type") in _IMAGES:
                    return True
                open_lists.append(item.get("content"))
    return False


_IMAGES = ("image_url", "input_image", "image")
TEMPLATE_OPTIONS_RESERVED = {
    "chat_template", "tokenize", "messages", "conversation", "documents", "tools", "return_dict", "return_tensors",
}  # fmt: skip


TEMPLATE_OPTIONS_EXPECT = "an object of at most 16 scalars, none of them a template"


def template_options(value: Any) -> bool:
    """Switches of the model's chat template such as `enable_thinking`: scalars by name, none that replaces it."""
    return (
        type(value) is dict
        and len(value) <= 16
        and all(name.isidentifier() and len(name) <= 64 for name in value)
        and TEMPLATE_OPTIONS_RESERVED.isdisjoint(value)
        and all(type(part) in {bool, int, float} or text(256)(part) for part in value.values())
    )
