"""Asks both sides of a rollout its quality probes, at the engines themselves: no caller waits or pays for it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from forebay.controller.http import Address, ask
from forebay.engines.spec import EngineSpec
from forebay.release.rollout.probes import Asked
from forebay.release.rollout.state import Probe

_ANSWER_S = 120.0
Sides = tuple[tuple[EngineSpec, int], tuple[EngineSpec, int]]
"""Canary and baseline of a model, each with its port."""


async def ask_all(probes: tuple[Probe, ...], sides: Mapping[str, Sides]) -> dict[str, list[Asked]]:
    """By model; one after another, so that nobody's calls are slowed down."""
    found: dict[str, list[Asked]] = {model: [] for model in sides}
    for probe in probes:
        for model in [probe.model] if probe.model else list(sides):
            if model in sides:
                canary, baseline = sides[model]
                found[model].append(Asked(probe, await _answer(probe, *canary), await _answer(probe, *baseline)))
    return found


async def _answer(probe: Probe, spec: EngineSpec, port: int) -> str | None:
    fields = {
        "model": spec.served_name or spec.model,
        "messages": [{"role": "user", "content": probe.prompt}],
        "temperature": 0,
        "max_tokens": probe.max_tokens,
    }
    headers = {"Authorization": spec.authorization} if spec.authorization else {}
    body = msgspec.json.encode(fields)
    answer = await ask(
        Address(spec.host, port, spec.tls), "/v1/chat/completions", timeout_s=_ANSWER_S, body=body, headers=headers
    )  # fmt: skip
    if answer.status != 200:
        return None
    try:
        text = msgspec.json.decode(answer.body)["choices"][0]["message"]["content"]
    except (msgspec.DecodeError, KeyError, IndexError, TypeError):
        return None
    return text if isinstance(text, str) else ""
