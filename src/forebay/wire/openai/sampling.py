"""How tokens are drawn: fields that chat and completions share."""

from __future__ import annotations

from typing import Any

from forebay.wire.openai.bounds import TOKEN, either, flag, items, number, text, token_bias, whole
from forebay.wire.openai.shape import Field
from forebay.wire.openai.tools import (
    RESPONSE_FORMAT_EXPECT,
    STRUCTURED_OUTPUTS_EXPECT,
    response_format,
    structured_outputs,
)


def _stream_options(value: Any) -> bool:
    return (
        type(value) is dict
        and value.keys() <= {"include_usage", "include_obfuscation"}
        and all(map(flag, value.values()))
    )


FLAG = "true or false"
MODEL = Field(text(128), "the name of a model")
STREAM = Field(flag, FLAG)
MAX_TOKENS = Field(whole(1, 10_000_000), "a whole number from 1")
STOP = Field(either(text(256), items(16, text(256))), "a string or at most 16 strings of at most 256 characters")
TEMPERATURE = Field(number(0, 2), "a number from 0 to 2")
TOP_P = Field(number(0, 1), "a number from 0 to 1")
TOP_K = Field(whole(-1, 1_000_000), "a whole number from -1")
PENALTY = Field(number(-2, 2), "a number from -2 to 2")
SEED = Field(whole(-(2**63), 2**63 - 1), "a 64-bit whole number")
LOGIT_BIAS = Field(token_bias, "an object of at most 1024 numbers from -100 to 100 by token id")
STRUCTURED_OUTPUTS = Field(structured_outputs, STRUCTURED_OUTPUTS_EXPECT, embedded=False)

SAMPLING: dict[str, Field] = {
    "model": MODEL,
    "stream": STREAM,
    "stream_options": Field(_stream_options, "an object with include_usage"),
    "temperature": TEMPERATURE,
    "top_p": TOP_P,
    "n": Field(whole(1, 16), "a whole number from 1 to 16"),
    "max_tokens": MAX_TOKENS,
    "stop": STOP,
    "presence_penalty": PENALTY,
    "frequency_penalty": PENALTY,
    "logit_bias": LOGIT_BIAS,
    "seed": SEED,
    "response_format": Field(response_format, RESPONSE_FORMAT_EXPECT),
    # What vLLM adds to OpenAI's sampling, some of it llama.cpp too.
    "structured_outputs": STRUCTURED_OUTPUTS,
    "top_k": TOP_K,
    "min_p": TOP_P,
    "repetition_penalty": Field(number(0.01, 10), "a number from 0.01 to 10", embedded=False),
    "min_tokens": Field(whole(0, 10_000_000), "a whole number from 0", embedded=False),
    "ignore_eos": Field(flag, FLAG),
    "skip_special_tokens": Field(flag, FLAG, embedded=False),
    "spaces_between_special_tokens": Field(flag, FLAG, embedded=False),
    "include_stop_str_in_output": Field(flag, FLAG, embedded=False),
    "stop_token_ids": Field(items(64, TOKEN), "at most 64 token ids", embedded=False),
    "bad_words": Field(items(64, text(256)), "at most 64 strings of at most 256 characters", embedded=False),
    "return_token_ids": Field(flag, FLAG, embedded=False),
}

PLATFORM = frozenset(
    {
        "metadata",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
        "verbosity",
    }
)
