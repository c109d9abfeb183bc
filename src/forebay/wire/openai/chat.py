"""/v1/chat/completions."""

from __future__ import annotations

from forebay.wire.openai.bounds import flag, text, whole
from forebay.wire.openai.content import MESSAGES, MESSAGES_EXPECT, TEMPLATE_OPTIONS_EXPECT, template_options
from forebay.wire.openai.sampling import FLAG, MAX_TOKENS, PLATFORM, SAMPLING
from forebay.wire.openai.shape import Field, Shape
from forebay.wire.openai.tools import TOOL_CHOICE, TOOL_CHOICE_EXPECT, TOOLS, TOOLS_EXPECT

TEMPLATE: dict[str, Field] = {
    "chat_template_kwargs": Field(template_options, TEMPLATE_OPTIONS_EXPECT),
    "add_generation_prompt": Field(flag, FLAG),
    "continue_final_message": Field(flag, FLAG),
}

CHAT = Shape(
    engine_path=b"/v1/chat/completions",
    fields=SAMPLING
    | TEMPLATE
    | {
        "messages": Field(MESSAGES, MESSAGES_EXPECT),
        "max_completion_tokens": MAX_TOKENS,
        "logprobs": Field(flag, FLAG),
        "top_logprobs": Field(whole(0, 20), "a whole number from 0 to 20"),
        "tools": Field(TOOLS, TOOLS_EXPECT),
        "tool_choice": Field(TOOL_CHOICE, TOOL_CHOICE_EXPECT),
        "parallel_tool_calls": Field(flag, FLAG),
        "reasoning_effort": Field(text(16), "a word", embedded=False),
        "include_reasoning": Field(flag, FLAG, embedded=False),
        "thinking_token_budget": Field(whole(0, 10_000_000), "a whole number from 0", since=(0, 19), embedded=False),
    },
    required=("model", "messages"),
    dropped=PLATFORM,
    streams=True,
    usage_option=True,
)
