"""Guessing tokens ahead and checking several in one step."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.setting import Change
from forebay.tune.stage import Situation, stages

_FEW = 32


@stages.add("speculation")
def speculation(at: Situation) -> Iterator[Change]:
    """By n-grams of the prompt: needs no second model; pays where few sequences run and answers repeat prompts."""
    if not at.space.is_vllm or not at.space.has("speculative-config") or "speculative-config" in at.setting.args:
        return
    if at.setting.args.get("load-format") == "dummy":
        return  # random weights repeat themselves: guesses would hit as they never do
    if at.objective.concurrency > 4 * _FEW and "bandwidth" not in at.causes:
        return  # a full batch has no arithmetic to spare for guesses
    guess = {"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 4}
    why = "several tokens a step where the answer repeats the prompt"
    gain = 1.1 if at.concurrency <= _FEW else 1.004
    args = {"speculative-config": guess}
    yield Change(stage="speculation", name="n-gram speculation", why=why, args=args, gain=gain)
