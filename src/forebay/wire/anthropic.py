"""Anthropic's Messages API: /v1/messages and /v1/messages/count_tokens, which vLLM and llama.cpp serve."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace as altered

from forebay.wire.openai.bounds import LONG_TEXT, either, flag, items, number, record, text, tree, whole, word
from forebay.wire.openai.content import (
    IMAGE_CHARACTERS,
    MESSAGES_PARTS,
    TEMPLATE_OPTIONS_EXPECT,
    image_url,
    template_options,
    typed,
)
from forebay.wire.openai.grammar import schema
from forebay.wire.openai.sampling import FLAG, MODEL, TOP_P
from forebay.wire.openai.shape import Check, Field, Shape
from forebay.wire.openai.tools import DESCRIPTION, NAME, TOOLS_EXPECT

_CACHE = {"cache_control": record({"type": word("ephemeral")}, {"ttl": word("5m", "1h")})}
_BASE64 = record(
    {
        "type": word("base64"),
        "media_type": word("image/png", "image/jpeg", "image/gif", "image/webp"),
        "data": text(IMAGE_CHARACTERS),
    }
)


def _source(value: Any) -> bool:
    """An image within the body: one that is named by an address would make the engine fetch it."""
    return _BASE64(value) and image_url(f"data:{value['media_type']};base64,{value['data']}")


_TEXT = record({"type": LONG_TEXT, "text": LONG_TEXT}, {**_CACHE, "citations": items(0, flag)})
_IMAGE = record({"type": LONG_TEXT, "source": _source}, _CACHE)
_SHOWN: dict[str, Check] = {"text": _TEXT, "image": _IMAGE}
_BLOCKS: dict[str, Check] = _SHOWN | {
    "tool_use": record({"type": LONG_TEXT, "id": text(256), "name": NAME, "input": tree(20_000)}, _CACHE),
    "tool_result": record(
        {"type": LONG_TEXT, "tool_use_id": text(256)},
        {"content": either(LONG_TEXT, items(MESSAGES_PARTS, typed(_SHOWN))), "is_error": flag, **_CACHE},
    ),
    "thinking": record({"type": LONG_TEXT, "thinking": LONG_TEXT}, {"signature": LONG_TEXT}),
    "redacted_thinking": record({"type": LONG_TEXT, "data": LONG_TEXT}),
}
_MESSAGE = record(
    {"role": word("user", "assistant"), "content": either(LONG_TEXT, items(MESSAGES_PARTS, typed(_BLOCKS)))}
)
_TOOL = record(
    {"name": NAME, "input_schema": schema},
    {"type": word("custom"), "description": DESCRIPTION, "strict": flag, **_CACHE},
)
_THINKING = either(
    record({"type": word("disabled", "adaptive")}),
    record({"type": word("enabled"), "budget_tokens": whole(1024, 10_000_000)}),
)
_OUTPUT = record(
    {},
    {
        "effort": word("low", "medium", "high", "xhigh", "max"),
        "format": record({"type": word("json_schema"), "schema": schema}),
    },
)

_ASKED: dict[str, Field] = {
    "model": MODEL,
    "messages": Field(
        items(10_000, _MESSAGE, at_least=1),
        "a list of 1 to 10000 messages of user or assistant, in text or blocks; an image is base64 of at most 9 MB",
    ),
    "system": Field(either(LONG_TEXT, items(MESSAGES_PARTS, typed({"text": _TEXT}))), "a string or blocks of text"),
    "tools": Field(items(512, _TOOL), TOOLS_EXPECT),
    "tool_choice": Field(
        record({"type": word("auto", "any", "tool", "none")}, {"name": NAME, "disable_parallel_tool_use": flag}),
        "an object whose type is auto, any, tool or none",
    ),
}
_THINKING_FIELD = Field(_THINKING, "enabled with budget_tokens from 1024, adaptive, or disabled", since=(0, 31))
_OUTPUT_FIELD = Field(_OUTPUT, "an object with effort and format", since=(0, 23), embedded=False)
_PLATFORM = frozenset({"metadata", "service_tier", "inference_geo"})

MESSAGES = Shape(
    engine_path=b"/v1/messages",
    since=(0, 12),
    fields=_ASKED
    | {
        "max_tokens": Field(whole(1, 10_000_000), "a whole number from 1"),
        "stream": Field(flag, FLAG),
        "temperature": Field(number(0, 1), "a number from 0 to 1"),
        "top_p": TOP_P,
        "top_k": Field(whole(-1, 1_000_000), "a whole number from -1"),
        "stop_sequences": Field(items(16, text(256)), "at most 16 strings of at most 256 characters"),
        "thinking": _THINKING_FIELD,
        "output_config": _OUTPUT_FIELD,
        "chat_template_kwargs": Field(template_options, TEMPLATE_OPTIONS_EXPECT, since=(0, 20)),
    },
    required=("model", "messages", "max_tokens"),
    dropped=_PLATFORM,
    streams=True,
)

COUNT_TOKENS = Shape(
    engine_path=b"/v1/messages/count_tokens",
    since=(0, 17),
    fields=_ASKED
    | {
        "thinking": altered(_THINKING_FIELD, since=(0, 32)),
        "output_config": altered(_OUTPUT_FIELD, since=(0, 32)),
    },
    required=("model", "messages"),
    dropped=_PLATFORM,
)
