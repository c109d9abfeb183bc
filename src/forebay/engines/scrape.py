"""Reads an engine's metrics page into what routing, draining and health need. Pure: text in, values out."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from prometheus_client.parser import text_string_to_metric_families

_RUNNING = {"vllm:num_requests_running", "llamacpp:requests_processing"}
_WAITING = {"vllm:num_requests_waiting", "llamacpp:requests_deferred"}
# llama.cpp counts the tokens of a call when it ends, its decoding steps as they happen; vLLM counts a prompt's tokens
# when its prefill ends, its iterations as they happen. A long prompt or answer must not look like a stall.
_PROGRESS = {
    "llamacpp:tokens_predicted_total",
    "llamacpp:n_decode_total",
    "llamacpp:prompt_tokens_total",
    "vllm:generation_tokens_total",
    "vllm:prompt_tokens_total",
    "vllm:iteration_tokens_total_count",
}
_KV_USAGE = {"vllm:kv_cache_usage_perc", "llamacpp:kv_cache_usage_ratio"}
_WANTED = tuple(sorted(_RUNNING | _WAITING | _PROGRESS | _KV_USAGE))


class EngineLoad(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine says about its work; None is unknown, never zero.

    `progress` only ever grows while the engine does anything at all: prompts read, steps taken, tokens written.
    """

    running: int | None = None
    waiting: int | None = None
    progress: float | None = None
    kv_usage_ratio: float | None = None

    @property
    def held(self) -> int | None:
        """Calls in the engine, running or waiting; None where it does not say."""
        if self.running is None and self.waiting is None:
            return None
        return (self.running or 0) + (self.waiting or 0)


def parse(page: str) -> EngineLoad | None:
    """The load that the page tells of; None where it holds nothing that is known or cannot be read."""
    try:
        samples = list(_samples(page))
    except (ValueError, KeyError, IndexError):  # what the parser raises on a damaged page
        return None
    if not samples:
        return None
    usage = [value for name, value in samples if name in _KV_USAGE]
    running, waiting = _sum(samples, _RUNNING), _sum(samples, _WAITING)
    return EngineLoad(
        running=None if running is None else int(running),
        waiting=None if waiting is None else int(waiting),
        progress=_sum(samples, _PROGRESS),
        kv_usage_ratio=max(usage) if usage else None,
    )


def _samples(page: str) -> Iterator[tuple[str, float]]:
    # A vLLM page has thousands of histogram lines: only the few that matter reach the parser.
    lines = (line for line in page.splitlines() if line.startswith(_WANTED))
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            if sample.name in _WANTED and sample.value == sample.value:
                yield sample.name, sample.value


def _sum(samples: list[tuple[str, float]], names: set[str]) -> float | None:
    """Over all of the engine's own ranks, which label their lines."""
    values = [value for name, value in samples if name in names]
    return sum(values) if values else None
