"""When two calls are the same call: the rule of what may be reused, and the key that only equals share. Pure."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import orjson

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
ROUTES = frozenset({CHAT, COMPLETIONS})

# How an answer travels, not what it says.
_TRANSPORT = frozenset({"stream", "stream_options"})
# Fields whose default no engine and no model's generation config changes: written or left out, they mean the same.
# Not top_p, top_k, min_p, repetition_penalty and temperature: a generation config may set those.
_DEFAULTS: dict[str, object] = {
    "n": 1,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "echo": False,
    "ignore_eos": False,
    "include_stop_str_in_output": False,
    "skip_special_tokens": True,
    "spaces_between_special_tokens": True,
    "return_token_ids": False,
    "add_generation_prompt": True,
    "continue_final_message": False,
    "min_tokens": 0,
}
_NUMBERS = frozenset({"temperature", "top_p", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty"})
_EMPTY: tuple[object, ...] = ([], {})
_EMPTY_MEANS_NONE = frozenset({"tools", "logit_bias", "stop", "bad_words", "stop_token_ids", "chat_template_kwargs"})


def is_deterministic(fields: dict[str, Any]) -> bool:
    """Whether asking again gives the same answer: temperature 0 or a seed. Absent, the temperature is 1."""
    temperature = fields.get("temperature")
    return (temperature is not None and temperature == 0) or fields.get("seed") is not None


def may_be_reused(fields: dict[str, Any]) -> bool:
    """Whether an answer may stand for another call at all, whoever asks for it.

    One choice, no tools (an answer that calls one has effects each time), and nothing that is fetched from elsewhere,
    since what lies there may change.
    """
    if (fields.get("n") or 1) != 1 or fields.get("tools"):
        return False
    messages = fields.get("messages")
    return messages is None or not any(map(_refers_elsewhere, messages))


def key_of(hard: tuple[str, ...], fields: dict[str, Any], pepper: str) -> bytes:
    """32 bytes that only the same question has, asked under the same `hard` parts: version, tenant, route, model.

    A list written as JSON: no two different lists read alike, whatever stands in a tenant's name. Keyed with the
    pepper, so that whoever reads the keys of a shared store cannot try out questions.
    """
    written = orjson.dumps([*hard, canonical(fields)], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(written, digest_size=32, key=_secret(pepper)).digest()


def canonical(fields: dict[str, Any]) -> dict[str, Any]:
    """`fields` with everything gone or alike that makes no difference to the answer; a prompt stays as it is."""
    kept = {}
    for name, value in fields.items():  # once through: to intersect sets of names costs more than all the rest
        if value is None or name in _TRANSPORT:
            continue
        if name in _DEFAULTS and value == _DEFAULTS[name]:
            continue
        if name in _EMPTY_MEANS_NONE and value in _EMPTY:
            continue
        kept[name] = float(value) if name in _NUMBERS else value
    if kept.get("logprobs") is False:  # 0 on completions asks for the chosen token's
        del kept["logprobs"]
    if "max_completion_tokens" in kept and "max_tokens" not in kept:
        kept["max_tokens"] = kept.pop("max_completion_tokens")
    if type(kept.get("stop")) is str:
        kept["stop"] = [kept["stop"]]
    return kept


def _refers_elsewhere(message: dict[str, Any]) -> bool:
    content = message.get("content")
    if type(content) is not list:
        return False
    return any(type(part) is not dict or not _is_inline(part) for part in content)


def _is_inline(part: dict[str, Any]) -> bool:
    if part.get("type") == "text":
        return True
    image = part.get("image_url")
    url = image.get("url") if type(image) is dict else image
    return part.get("type") == "image_url" and type(url) is str and url.startswith("data:")


@lru_cache(maxsize=4)
def _secret(pepper: str) -> bytes:
    return hashlib.blake2b(pepper.encode(), digest_size=32, person=b"forebay-reuse").digest()
