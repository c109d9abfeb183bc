"""Simulated answers of a baseline and a canary, with effects that are planted in the canary alone."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import msgspec

from forebay.release.judge.observation import Observation, Side, stratum


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with the canary; the default is nothing. `common` is how strongly both swing together."""

    name: str
    ttft_factor: float = 1.0
    itl_factor: float = 1.0
    length_factor: float = 1.0
    error_ratio: float = 0.001
    tail_ratio: float = 0.0
    common: float = 0.0
    bursts: float = 0.0


EFFECTS = (
    Effect(name="identical"),
    Effect(name="identical, load swings for both", common=0.4),
    Effect(name="identical, each has slow moments of its own", bursts=0.3),
    Effect(name="first token 5 % later (tolerated)", ttft_factor=1.05),
    Effect(name="first token 25 % later", ttft_factor=1.25),
    Effect(name="first token 50 % later", ttft_factor=1.5),
    Effect(name="every tenth first token 5 times as late", tail_ratio=0.1),
    Effect(name="tokens 20 % slower", itl_factor=1.2),
    Effect(name="5 % errors", error_ratio=0.05),
    Effect(name="2 % errors", error_ratio=0.02),
    Effect(name="answers 40 % longer", length_factor=1.4),
)
_TTFT_S, _ITL_S, _TOKENS = 0.08, 0.012, 120.0
_SWING_CALLS = 150


def traffic(effect: Effect, calls: int, seed: int) -> Iterator[Observation]:
    """`calls` observations of each side, in the order in which they end.

    Log-normal times (deviations 0.35 and 0.15), prompts between 32 and 8,192 tokens, a third of them in the cache.
    """
    chance = random.Random(seed)  # noqa: S311  a simulation
    slow = {"baseline": 0.0, "canary": 0.0}
    for index in range(2 * calls):
        side: Side = "canary" if chance.random() < 0.5 else "baseline"
        swing = effect.common * math.sin(2 * math.pi * index / _SWING_CALLS)
        # A slow moment lasts about ten calls of a side and belongs to that side alone.
        slow[side] = 0.9 * slow[side] + effect.bursts * math.sqrt(1 - 0.81) * chance.gauss(0, 1)
        yield _call(effect, side, swing + slow[side], chance)


def _call(effect: Effect, side: Side, swing: float, chance: random.Random) -> Observation:
    planted = side == "canary"
    prompt = int(2 ** chance.uniform(5, 13))
    where = stratum(prompt, prompt if chance.random() < 1 / 3 else 0)
    if chance.random() < (effect.error_ratio if planted else 0.001):
        return Observation(side=side, stratum=where, ok=False)
    ttft_s = _TTFT_S * (0.3 if where[1] else 1.0) * (1 + prompt / 2048) * math.exp(chance.gauss(swing, 0.35))
    if planted:
        ttft_s *= effect.ttft_factor * (5 if chance.random() < effect.tail_ratio else 1)
    itl_s = _ITL_S * math.exp(chance.gauss(0.5 * swing, 0.15)) * (effect.itl_factor if planted else 1)
    tokens = _TOKENS * math.exp(chance.gauss(0, 0.6)) * (effect.length_factor if planted else 1)
    cut = tokens > 400
    return Observation(
        side=side,
        stratum=where,
        ok=True,
        ttft_s=ttft_s,
        itl_s=itl_s,
        output_tokens=max(1, int(min(tokens, 400))),
        finish="length" if cut else "stop",
    )
