"""/v1/completions."""

from __future__ import annotations

from msgspec.structs import replace as altered

from forebay.wire.openai.bounds import LONG_TEXT, TOKENS, either, flag, items, text, whole
from forebay.wire.openai.sampling import FLAG, PLATFORM, SAMPLING
from forebay.wire.openai.shape import Field, Shape

PROMPT = either(LONG_TEXT, items(1024, LONG_TEXT, at_least=1), TOKENS, items(1024, TOKENS, at_least=1))

COMPLETIONS = Shape(
    engine_path=b"/v1/completions",
    fields=SAMPLING
    | {
        "prompt": Field(PROMPT, "a string, a list of strings, or token ids"),
        "bad_words": altered(SAMPLING["bad_words"], since=(0, 26)),
        "logprobs": Field(whole(0, 20), "a whole number from 0 to 20"),
        "echo": Field(flag, FLAG, embedded=False),
        "suffix": Field(text(65_536), "a string", embedded=False),
        "thinking_token_budget": Field(whole(0, 10_000_000), "a whole number from 0", since=(0, 22), embedded=False),
    },
    required=("model", "prompt"),
    dropped=PLATFORM,
    streams=True,
    usage_option=True,
)
