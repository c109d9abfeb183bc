"""/v1/tokenize and /v1/detokenize, which vLLM serves without /v1; llama.cpp has others of the same name."""

from __future__ import annotations

from forebay.wire.openai.bounds import LONG_TEXT, TOKEN, flag, items
from forebay.wire.openai.chat import TEMPLATE
from forebay.wire.openai.content import MESSAGES, MESSAGES_EXPECT
from forebay.wire.openai.sampling import FLAG, MODEL
from forebay.wire.openai.shape import Field, Shape
from forebay.wire.openai.tools import TOOLS, TOOLS_EXPECT

TOKENIZE = Shape(
    engine_path=b"/tokenize",
    embedded=False,
    fields=TEMPLATE
    | {
        "model": MODEL,
        "prompt": Field(LONG_TEXT, "a string"),
        "messages": Field(MESSAGES, MESSAGES_EXPECT),
        "tools": Field(TOOLS, TOOLS_EXPECT),
        "add_special_tokens": Field(flag, FLAG),
        "return_token_strs": Field(flag, FLAG),
    },
    groups=(("prompt",), ("messages",)),
)

DETOKENIZE = Shape(
    engine_path=b"/detokenize",
    embedded=False,
    fields={
        "model": MODEL,
        "tokens": Field(items(1_048_576, TOKEN), "a list of at most 1048576 token ids"),
    },
    required=("model", "tokens"),
)
