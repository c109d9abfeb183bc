"""Whether an answer of the first model is good enough: what it shows against what is asked of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, isfinite
from typing import Any

import msgspec

from forebay.gateway.cascade.policy import Bounds

_YES, _NO = "yes", "no"


class _Token(msgspec.Struct):
    logprob: float | None = None
    token: str = ""
    top_logprobs: list[_Token] | None = None


class _Logprobs(msgspec.Struct):
    """`content` is chat's and llama.cpp's, the other two are those of completions."""

    content: list[_Token] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None


class _Message(msgspec.Struct):
    content: str | None = None
    tool_calls: list[Any] | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    finish_reason: str | None = None
    message: _Message | None = None
    text: str | None = None
    logprobs: _Logprobs | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]


class Shown(msgspec.Struct, frozen=True):
    """What an answer shows of itself. `mean_logprob` is None where the engine told none.

    `odds` are the likeliest first tokens, each with its log-probability.
    """

    text: str
    finished: bool
    mean_logprob: float | None
    odds: tuple[tuple[str, float], ...] = ()


_decode = msgspec.json.Decoder(_Answer).decode


def shown_by(body: bytes) -> Shown | None:
    """Read a whole answer; None for what is no answer of one choice."""
    try:
        choices = _decode(body).choices
    except (msgspec.DecodeError, RecursionError):
        return None
    if len(choices) != 1:
        return None
    choice = choices[0]
    message = choice.message
    text = (message.content if message is not None else choice.text) or ""
    plain = message is None or not (message.tool_calls or message.refusal)
    told = choice.logprobs
    return Shown(text, choice.finish_reason == "stop" and plain, _mean(told), _odds(told))


def verdict(shown: Shown, bounds: Bounds) -> str:
    """Why the answer is not good enough, a bounded word; empty where it is, as far as it shows by itself."""
    if not shown.finished:
        return "unfinished"
    if not shown.text.strip():
        return "empty"
    if bounds.mean_logprob is not None:
        if shown.mean_logprob is None:
            return "no_evidence"
        if shown.mean_logprob < bounds.mean_logprob:
            return "uncertain"
    return ""


def yes_probability(odds: Sequence[tuple[str, float]]) -> float | None:
    """The probability of yes against no among a first token's candidates; None where neither is among them."""
    said = {_YES: 0.0, _NO: 0.0}
    for token, logprob in odds:
        word = token.strip().lower()
        if word in said:
            said[word] += exp(min(logprob, 0.0))
    total = sum(said.values())
    return said[_YES] / total if total > 0 else None


def _mean(told: _Logprobs | None) -> float | None:
    """The mean over all tokens; one that is missing or no number leaves nothing to judge by."""
    if told is None:
        return None
    found = told.token_logprobs if told.content is None else [token.logprob for token in told.content]
    if not found:
        return None
    numbers = [value for value in found if value is not None and isfinite(value)]
    return sum(numbers) / len(numbers) if len(numbers) == len(found) else None


def _odds(told: _Logprobs | None) -> tuple[tuple[str, float], ...]:
    if told is None:
        return ()
    if told.content:
        first = told.content[0]
        candidates = first.top_logprobs or [first]
        return tuple((each.token, each.logprob) for each in candidates if each.logprob is not None)
    likeliest = told.top_logprobs[0] if told.top_logprobs else None
    return tuple(likeliest.items()) if likeliest else ()
