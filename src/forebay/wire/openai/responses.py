"""/v1/responses, without what an engine would have to remember, fetch or run."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace as altered

from forebay.wire.openai.bounds import LONG_TEXT, TOKEN, either, flag, items, record, text, tree, whole, word
from forebay.wire.openai.content import MESSAGES_PARTS, TEMPLATE_OPTIONS_EXPECT, image_url, template_options, typed
from forebay.wire.openai.sampling import (
    FLAG,
    LOGIT_BIAS,
    MAX_TOKENS,
    MODEL,
    PENALTY,
    PLATFORM,
    SEED,
    STOP,
    STREAM,
    STRUCTURED_OUTPUTS,
    TEMPERATURE,
    TOP_K,
    TOP_P,
)
from forebay.wire.openai.shape import Check, Field, Shape
from forebay.wire.openai.tools import (
    FLAT_TOOL_CHOICE,
    FLAT_TOOLS,
    RESPONSE_FORMAT_EXPECT,
    TEXT_FORMAT,
    TOOL_CHOICE_EXPECT,
    TOOLS_EXPECT,
)

_STATUS = word("in_progress", "completed", "incomplete")
_SAID = {"id": text(256), "status": _STATUS}
_ANY = tree(2_000)
_PARTS: dict[str, Check] = {
    "input_text": record({"type": LONG_TEXT, "text": LONG_TEXT}),
    "output_text": record({"type": LONG_TEXT, "text": LONG_TEXT}, {"annotations": _ANY, "logprobs": _ANY}),
    "refusal": record({"type": LONG_TEXT, "refusal": LONG_TEXT}),
    "input_image": record(
        {"type": LONG_TEXT, "image_url": image_url}, {"detail": word("auto", "low", "high", "original")}
    ),
}
_MESSAGE = record(
    {
        "role": word("system", "developer", "user", "assistant"),
        "content": either(LONG_TEXT, items(MESSAGES_PARTS, typed(_PARTS))),
    },
    {"type": word("message"), "phase": text(32), **_SAID},
)
_ITEMS: dict[str, Check] = {
    "message": _MESSAGE,
    "function_call": record(
        {"type": LONG_TEXT, "call_id": text(256), "name": text(128), "arguments": LONG_TEXT}, _SAID
    ),
    "function_call_output": record({"type": LONG_TEXT, "call_id": text(256), "output": LONG_TEXT}, _SAID),
    "reasoning": record(
        {"type": LONG_TEXT}, {"summary": _ANY, "content": _ANY, "encrypted_content": LONG_TEXT, **_SAID}
    ),
}
_TYPED_ITEM = typed(_ITEMS)


def _item(value: Any) -> bool:
    return _MESSAGE(value) if type(value) is dict and "type" not in value else _TYPED_ITEM(value)


def _never(_value: Any) -> bool:
    return False


RESPONSES = Shape(
    engine_path=b"/v1/responses",
    fields={
        "model": MODEL,
        "input": Field(
            either(LONG_TEXT, items(10_000, _item, at_least=1)),
            "a string, or a list of 1 to 10000 items: message, function_call, function_call_output or reasoning; "
            "an image is a data: URL of at most 9 MB",
        ),
        "instructions": Field(LONG_TEXT, "a string"),
        "stream": STREAM,
        "max_output_tokens": MAX_TOKENS,
        "temperature": TEMPERATURE,
        "top_p": TOP_P,
        "text": Field(
            record({}, {"format": TEXT_FORMAT, "verbosity": word("low", "medium", "high")}),
            RESPONSE_FORMAT_EXPECT,
            embedded=False,
        ),
        "tools": Field(FLAT_TOOLS, TOOLS_EXPECT),
        "tool_choice": Field(FLAT_TOOL_CHOICE, TOOL_CHOICE_EXPECT),
        "parallel_tool_calls": Field(flag, FLAG),
        "max_tool_calls": Field(whole(1, 1_000), "a whole number from 1 to 1000", embedded=False),
        "reasoning": Field(
            record({}, {"effort": text(16), "summary": text(16), "generate_summary": text(16)}),
            "an object with effort",
            embedded=False,
        ),
        "include": Field(
            items(2, word("reasoning.encrypted_content", "message.output_text.logprobs")),
            "reasoning.encrypted_content or message.output_text.logprobs",
            embedded=False,
        ),
        "top_logprobs": Field(whole(0, 20), "a whole number from 0 to 20", embedded=False),
        "truncation": Field(word("auto", "disabled"), "auto or disabled", embedded=False),
        "background": Field(lambda value: value is False, "false: forebay keeps no answers"),
        "previous_response_id": Field(_never, "left out: forebay keeps no answers; send the conversation as input"),
        # vLLM's own.
        "logit_bias": altered(LOGIT_BIAS, since=(0, 13), embedded=False),
        "top_k": altered(TOP_K, since=(0, 13)),
        "include_stop_str_in_output": Field(flag, FLAG, since=(0, 15), embedded=False),
        "skip_special_tokens": Field(flag, FLAG, since=(0, 15), embedded=False),
        "seed": altered(SEED, since=(0, 16)),
        "stop": altered(STOP, since=(0, 16)),
        "ignore_eos": Field(flag, FLAG, since=(0, 16)),
        "structured_outputs": altered(STRUCTURED_OUTPUTS, since=(0, 17)),
        "presence_penalty": altered(PENALTY, since=(0, 20)),
        "frequency_penalty": altered(PENALTY, since=(0, 20)),
        "chat_template_kwargs": Field(template_options, TEMPLATE_OPTIONS_EXPECT, since=(0, 22)),
        "min_p": altered(TOP_P, since=(0, 32)),
        "stop_token_ids": Field(items(64, TOKEN), "at most 64 token ids", since=(0, 32), embedded=False),
    },
    required=("model", "input"),
    dropped=PLATFORM | {"stream_options"},
    streams=True,
)
