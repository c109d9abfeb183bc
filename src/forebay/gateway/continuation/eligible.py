"""Which calls may be continued, and what the next engine is asked. Pure."""

from __future__ import annotations

from typing import Any

from forebay.gateway.continuation.record import Record

CHAT, COMPLETIONS = b"/v1/chat/completions", b"/v1/completions"
_DEFAULT_COMPLETION_TOKENS = 16
# What a completion takes as a chat does, with the same meaning at any position of the answer.
_CARRIED = (
    "cache_salt",
    "ignore_eos",
    "include_stop_str_in_output",
    "logit_bias",
    "min_p",
    "priority",
    "skip_special_tokens",
    "spaces_between_special_tokens",
    "stop",
    "stop_token_ids",
    "temperature",
    "top_k",
    "top_p",
)
# Each of these depends on what was generated before in a way that an engine cannot take up in the middle: parsers and
# grammars have a state, penalties and bad words look at the answer alone, a seed counts from the first token.
_NEUTRAL: dict[str, tuple[object, ...]] = {
    "add_generation_prompt": (True,),
    "bad_words": ([],),
    "best_of": (1,),
    "continue_final_message": (False,),
    "echo": (False,),
    "frequency_penalty": (0,),
    "logprobs": (False,),
    "n": (1,),
    "presence_penalty": (0,),
    "prompt_logprobs": (),
    "repetition_penalty": (1,),
    "response_format": ({"type": "text"},),
    "seed": (),
    "structured_outputs": (),
    "suffix": ("",),
    "tool_choice": ("none",),
    "tools": ([],),
    "top_logprobs": (0,),
    "use_beam_search": (False,),
}


def may_continue(fields: dict[str, Any], path: bytes) -> bool:
    """Whether a streamed call is of a kind whose stream another engine can take up exactly."""
    if path == CHAT:
        if not all(_is_text(message) for message in fields["messages"]):
            return False
    elif path != COMPLETIONS or not _is_one_prompt(fields["prompt"]):
        return False
    if path == COMPLETIONS and fields.get("logprobs") is not None:  # here 0 asks for them
        return False
    if fields.get("stop") and fields.get("include_stop_str_in_output"):
        return False  # text that was sent may hold the beginning of a stop string, which the next engine does not know
    return all(value is None or value in _NEUTRAL[name] for name, value in fields.items() if name in _NEUTRAL)


def is_sampled(fields: dict[str, Any]) -> bool:
    """Whether the same tokens would be chosen again: only greedy decoding promises that."""
    return fields.get("temperature") != 0


def new_record(fields: dict[str, Any]) -> Record:
    """An empty record for one call."""
    return Record(held_chars(fields), shows_ids=fields.get("return_token_ids") is True)


def held_chars(fields: dict[str, Any]) -> int:
    """How far an engine's text stays behind its tokens, because a stop string may have begun."""
    stop = fields.get("stop") or ()
    longest = max(map(len, [stop] if isinstance(stop, str) else stop), default=0)
    return 0 if fields.get("include_stop_str_in_output") else max(0, longest - 1)


def answer_tokens(fields: dict[str, Any], path: bytes) -> int | None:
    """The most tokens that the client asked for; None is as many as fit."""
    if path == COMPLETIONS:
        asked: int | None = fields.get("max_tokens", _DEFAULT_COMPLETION_TOKENS)
        return asked
    completion: int | None = fields.get("max_completion_tokens")
    return completion if completion is not None else fields.get("max_tokens")


def completion_fields(
    fields: dict[str, Any], path: bytes, model: str, prompt_ids: list[int], kept_ids: list[int]
) -> dict[str, Any]:
    """The body that asks for the rest: prompt and kept tokens as one prompt of token ids."""
    limit = answer_tokens(fields, path)
    carried = {name: fields[name] for name in _CARRIED if fields.get(name) is not None}
    return {
        **carried,
        "model": model,
        "prompt": prompt_ids + kept_ids,
        "max_tokens": None if limit is None else limit - len(kept_ids),
        "min_tokens": max(0, (fields.get("min_tokens") or 0) - len(kept_ids)),
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_token_ids": True,
    }


def _is_text(message: dict[str, Any]) -> bool:
    """Images and sounds are in no token id."""
    content = message.get("content")
    if isinstance(content, list):
        return all(isinstance(part, dict) and part.get("type") == "text" for part in content)
    return True


def _is_one_prompt(prompt: object) -> bool:
    return isinstance(prompt, str) or (isinstance(prompt, list) and all(type(each) is int for each in prompt))
