"""OpenAI's request shapes: which body fields an engine may see, and within what bounds.

An allow-list per route, because an engine acts on fields that no client should hold (`cache_salt`, `priority`,
`kv_transfer_params`, `chat_template` …). Fields of OpenAI's own platform are taken and dropped, so that unmodified
clients work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

Check = Callable[[Any], bool]


class BadField(ValueError):
    """A field of the body that is unknown, forbidden or out of bounds."""

    def __init__(self, field: str, message: str, code: str = "invalid_value") -> None:
        super().__init__(message)
        self.field = field
        self.message = message
        self.code = code


class Shape(msgspec.Struct, frozen=True):
    """What one route's body may hold: checks by field, what must be there, what is dropped."""

    fields: dict[str, tuple[Check, str]]
    required: tuple[str, ...]
    dropped: frozenset[str]


def check_fields(body: dict[str, Any], shape: Shape) -> bool:
    """Check every field of `body`, removing those that go no further; returns whether any was removed.

    Raises BadField for the first that does not fit.
    """
    fields = shape.fields
    removed: list[str] = []
    for name, value in body.items():
        known = fields.get(name)
        if known is None:
            if name not in shape.dropped:
                raise BadField(name, f"The field {name[:64]!r} is not accepted on this route.", "unknown_field")
            removed.append(name)
        elif value is not None and not known[0](value):
            raise BadField(name, f"{name} must be {known[1]}.")
    for name in shape.required:
        if body.get(name) is None:
            raise BadField(name, f"{name} is missing.", "missing_field")
    for name in removed:
        del body[name]
    return bool(removed)


def _flag(value: Any) -> bool:
    return value is True or value is False


def _text(limit: int) -> Check:
    return lambda value: type(value) is str and len(value) <= limit


def _whole(low: int, high: int) -> Check:
    return lambda value: type(value) is int and low <= value <= high


def _number(low: float, high: float) -> Check:
    return lambda value: type(value) in {int, float} and low <= value <= high


def _items(limit: int, item: Check, *, at_least: int = 0) -> Check:
    return lambda value: type(value) is list and at_least <= len(value) <= limit and all(map(item, value))


def _object(limit: int) -> Check:
    return lambda value: type(value) is dict and len(value) <= limit and _depth_within(value, 32)


def _either(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


def _depth_within(value: object, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        below: list[object] = []
        for item in level:
            if type(item) is dict:
                below.extend(item.values())
            elif type(item) is list:
                below.extend(item)
        if not below:
            return True
        level = below
    return False


def _message(value: Any) -> bool:
    return type(value) is dict and type(value.get("role")) is str and len(value) <= 16


def _logit_bias(value: Any) -> bool:
    return type(value) is dict and len(value) <= 1024 and all(map(_number(-100, 100), value.values()))


def _stream_options(value: Any) -> bool:
    return (
        type(value) is dict
        and value.keys() <= {"include_usage", "include_obfuscation"}
        and all(map(_flag, value.values()))
    )


_TOKENS = _items(1_048_576, _whole(0, 2**31 - 1), at_least=1)
_PROMPT_TEXT = _text(16 * 1024 * 1024)
_MAX_TOKENS = (_whole(1, 10_000_000), "a whole number from 1")
_STOP = _either(_text(256), _items(16, _text(256)))

_SAMPLING: dict[str, tuple[Check, str]] = {
    "model": (_text(128), "the name of a model"),
    "stream": (_flag, "true or false"),
    "stream_options": (_stream_options, "an object with include_usage"),
    "temperature": (_number(0, 2), "a number from 0 to 2"),
    "top_p": (_number(0, 1), "a number from 0 to 1"),
    "n": (_whole(1, 16), "a whole number from 1 to 16"),
    "max_tokens": _MAX_TOKENS,
    "stop": (_STOP, "a string or at most 16 strings of at most 256 characters"),
    "presence_penalty": (_number(-2, 2), "a number from -2 to 2"),
    "frequency_penalty": (_number(-2, 2), "a number from -2 to 2"),
    "logit_bias": (_logit_bias, "an object of at most 1024 numbers from -100 to 100"),
    "seed": (_whole(-(2**63), 2**63 - 1), "a 64-bit whole number"),
    # What vLLM and llama.cpp add to OpenAI's sampling, harmless to others.
    "top_k": (_whole(-1, 1_000_000), "a whole number from -1"),
    "min_p": (_number(0, 1), "a number from 0 to 1"),
    "repetition_penalty": (_number(0.01, 10), "a number from 0.01 to 10"),
    "min_tokens": (_whole(0, 10_000_000), "a whole number from 0"),
    "ignore_eos": (_flag, "true or false"),
    "skip_special_tokens": (_flag, "true or false"),
    "spaces_between_special_tokens": (_flag, "true or false"),
    "include_stop_str_in_output": (_flag, "true or false"),
    "stop_token_ids": (_items(64, _whole(0, 2**31 - 1)), "at most 64 token ids"),
    "bad_words": (_items(64, _text(256)), "at most 64 strings of at most 256 characters"),
    "return_token_ids": (_flag, "true or false"),
}

_PLATFORM = frozenset(
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

CHAT = Shape(
    _SAMPLING
    | {
        "messages": (_items(10_000, _message, at_least=1), "a list of 1 to 10000 messages, each with a role"),
        "max_completion_tokens": _MAX_TOKENS,
        "logprobs": (_flag, "true or false"),
        "top_logprobs": (_whole(0, 20), "a whole number from 0 to 20"),
        "tools": (_items(512, _object(8)), "a list of at most 512 tools"),
        "tool_choice": (_either(_text(16), _object(4)), "a word or an object"),
        "parallel_tool_calls": (_flag, "true or false"),
        "response_format": (_object(4), "an object"),
        "reasoning_effort": (_text(16), "a word"),
        "chat_template_kwargs": (_object(16), "an object of at most 16 keys"),
        "add_generation_prompt": (_flag, "true or false"),
        "continue_final_message": (_flag, "true or false"),
    },
    ("model", "messages"),
    _PLATFORM,
)

COMPLETIONS = Shape(
    _SAMPLING
    | {
        "prompt": (
            _either(_PROMPT_TEXT, _items(1024, _PROMPT_TEXT, at_least=1), _TOKENS, _items(1024, _TOKENS, at_least=1)),
            "a string, a list of strings, or token ids",
        ),
        "logprobs": (_whole(0, 20), "a whole number from 0 to 20"),
        "echo": (_flag, "true or false"),
        "suffix": (_text(65_536), "a string"),
    },
    ("model", "prompt"),
    _PLATFORM,
)
