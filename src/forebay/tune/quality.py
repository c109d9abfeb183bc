"""The quality gate: a faster engine that answers otherwise is not kept.

A fixed set of prompts is answered greedily, with log-probabilities. Answers must be the same, or differ only where the
baseline itself hardly preferred its token: other kernels add numbers in another order, and a near tie falls either way.
Where a change lowers precision, the bound on how far log-probabilities may drift is wider. An operator's own set, with
answers that count as right, has a floor of accuracy instead.
"""

from __future__ import annotations

import http.client
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec

from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.tune.engine import ask
from forebay.tune.trial import Answers

DRIFT_NATS = {"same": 0.05, "precision": 0.20}
"""Mean drift of log-probabilities that is borne: rounding in bfloat16 gives about 0.01, FP8 weights 0.02 to 0.1."""
_TIE_NATS = {"same": 0.5, "precision": 1.5}
"""By how much the baseline may have preferred a token over the one that is chosen now."""
_MOST_BROKEN = 0.25
_ANSWER_TOKENS = 24
_TOP = 5
_PATIENCE_S = 300.0
"""All prompts are asked at once: an engine of two places on a busy processor takes minutes."""
_LEAST_PATIENCE_S = 1.0

PROMPTS = (
    "The capital of France is",
    "Water boils at a temperature of",
    "Q: What is 12 times 12?\nA:",
    "def fibonacci(n):\n    ",
    "Translate to German: The house is green.\nGerman:",
    "The three primary colours are red,",
    "List the days of the week: Monday, Tuesday,",
    "Once upon a time there was a small engine that",
)

Token = tuple[str, float, dict[str, float]]


class Labelled(msgspec.Struct, frozen=True):
    """A prompt of the operator's, and texts of which one must be in the answer."""

    prompt: str
    accept: list[str]
    max_tokens: int = 64


def labelled(path: Path) -> tuple[Labelled, ...]:
    """The operator's set, a JSON object a line; UsageError names the line that is none."""
    try:
        lines = [line for line in path.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise UsageError(_("the labelled set cannot be read"), where=str(path), fix=str(error)) from error
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(msgspec.json.decode(line, type=Labelled))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            fix = _('Write {"prompt": "…", "accept": ["…"]} on each line')
            raise UsageError(str(error), where=f"{path}:{number}", fix=fix) from error
    if not found:
        raise UsageError(_("the labelled set is empty"), where=str(path))
    return tuple(found)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asked: an engine of this machine, or the gateway in front of it, which wants a key.

    `until_s`: the moment of the monotonic clock beyond which no answer is waited for.
    """

    port: int
    model: str
    key: str = ""
    until_s: float = math.inf

    @property
    def patience_s(self) -> float:
        """How long one answer is waited for."""
        return min(_PATIENCE_S, max(_LEAST_PATIENCE_S, self.until_s - time.monotonic()))


def heard(whom: Asked, own: Sequence[Labelled]) -> Answers:
    """Ask everything; http.client.HTTPException or OSError where there is no answer.

    A gateway is asked one question after another: how many calls may wait is what is tuned.
    """
    with ThreadPoolExecutor(1 if whom.key else 8) as pool:
        told = list(pool.map(lambda prompt: _complete(whom, prompt, _ANSWER_TOKENS), PROMPTS))
        right = list(pool.map(lambda each: _is_right(whom, each), own))
    return Answers(
        texts=tuple(text for text, _tokens in told),
        tokens=tuple(tokens for _text, tokens in told),
        accuracy=fmean(right) if right else None,
    )


def judged(answers: Answers, baseline: Answers | None, *, precision: bool, floor: float | None) -> Answers:
    """The same answers with the verdict on them."""
    if floor is not None and answers.accuracy is not None and answers.accuracy < floor:
        why = f"{answers.accuracy:.1%} of the labelled answers are right, {floor:.1%} are asked"
        return msgspec.structs.replace(answers, passed=False, why=why)
    if baseline is None:
        return answers
    kind = "precision" if precision else "same"
    same = fmean(a == b for a, b in zip(answers.texts, baseline.texts, strict=True))
    drifts, breaks = _compared(baseline.tokens, answers.tokens, _TIE_NATS[kind])
    drift = fmean(drifts) if drifts else None
    passed, why = True, ""
    if drift is not None and drift > DRIFT_NATS[kind]:
        passed, why = False, f"log-probabilities drift by {drift:.3f} nats, {DRIFT_NATS[kind]:g} are borne"
    elif breaks > _MOST_BROKEN * len(PROMPTS):
        passed, why = False, f"{breaks} of {len(PROMPTS)} answers turn away where there was no near tie"
    elif drift is None and same < 1 - _MOST_BROKEN:
        passed, why = False, f"{1 - same:.0%} of the answers differ, and the engine tells no log-probabilities"
    return msgspec.structs.replace(answers, same_share=same, drift_nats=drift, passed=passed, why=why)


def _compared(
    first: Sequence[Sequence[Token]], second: Sequence[Sequence[Token]], tie_nats: float
) -> tuple[list[float], int]:
    """Drifts of log-probabilities over what answers have in common, and how many part without a near tie."""
    drifts: list[float] = []
    breaks = 0
    for ours, theirs in zip(first, second, strict=True):
        for (text, logprob, top), (other, now, now_top) in zip(ours, theirs, strict=False):
            if text == other:
                drifts.append(abs(logprob - now))
                continue
            # What the baseline thought of the new token; where it is not among its first, they were all better.
            before = top.get(other, min(top.values(), default=logprob))
            after = now_top.get(text, min(now_top.values(), default=now))
            breaks += min(logprob - before, now - after) > tie_nats
            break
    return drifts, breaks


def _complete(whom: Asked, prompt: str, tokens: int) -> tuple[str, tuple[Token, ...]]:
    body = {"model": whom.model, "prompt": prompt, "max_tokens": tokens, "temperature": 0, "logprobs": _TOP}
    status, content = ask(whom.port, "POST", "/v1/completions", body, whom.patience_s, key=whom.key)
    if status != 200:
        raise http.client.HTTPException(f"status {status}: {content[:200]!r}")
    choice: Any = msgspec.json.decode(content)["choices"][0]
    return choice["text"], _tokens(choice.get("logprobs"))


def _tokens(logprobs: Any) -> tuple[Token, ...]:
    """vLLM's form of completions, or llama.cpp's; nothing where the engine tells none."""
    if not isinstance(logprobs, dict):
        return ()
    if isinstance(logprobs.get("content"), list):
        return tuple(
            (each["token"], each["logprob"], {top["token"]: top["logprob"] for top in each.get("top_logprobs", [])})
            for each in logprobs["content"]
        )
    tops = logprobs.get("top_logprobs") or [{}] * len(logprobs.get("tokens", []))
    return tuple(
        (token, logprob, dict(top or {}))
        for token, logprob, top in zip(logprobs["tokens"], logprobs["token_logprobs"], tops, strict=False)
        if logprob is not None
    )


def _is_right(whom: Asked, asked: Labelled) -> bool:
    text, _tokens_told = _complete(whom, asked.prompt, asked.max_tokens)
    return any(each.casefold() in text.casefold() for each in asked.accept)
