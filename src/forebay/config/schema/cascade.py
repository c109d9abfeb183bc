"""A small model answers first, and what it must show for its answer to be given."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from forebay.config.schema.base import ModelName, Seconds, Section

MeanLogprob = Annotated[float, Field(ge=-20, le=0, allow_inf_nan=False, strict=False)]
Probability = Annotated[float, Field(gt=0, le=1, strict=False)]


class Confidence(Section):
    """What an answer of the first model must show, all of it; otherwise the model itself is asked."""

    mean_logprob: MeanLogprob | None = None
    """Least mean log-probability of the answer's tokens. Default: not looked at."""
    self_check: Probability | None = None
    """Least probability of yes when the first model is asked, in one more short call, whether its answer is right.
    Default: not asked."""
    valid_json: bool = True
    """Whether an answer to a call with `response_format` must be JSON, and valid under the call's schema."""


class Relaxed(Section):
    """What is enough instead while the model itself has no place free: what it does not set stays as it is."""

    mean_logprob: MeanLogprob | None = None
    """Least mean log-probability of the answer's tokens then."""
    self_check: Probability | None = None
    """Least probability of yes then."""


class CascadeLoad(Section):
    """When the first step is left out, and when less is enough."""

    waiting: Annotated[int, Field(ge=0)] = 8
    """With more calls than this waiting for the first model in a worker, it is left out."""
    wait: Seconds = 1.0
    """Longest that a call waits for a place at the first model."""
    longest: Seconds = 30.0
    """Longest that the first step may take in all; then its work is aborted and the call goes on."""
    saturated: Relaxed | None = None
    """Second bounds, for while every place of the model itself is taken. Answers say so. Default: none."""


class Cascade(Section):
    """The first model answers chat and completions that it can; others, and what it is not sure of, go on."""

    first: ModelName
    """The smaller model that is asked first, by its name in `models`."""
    confidence: Confidence = Confidence()
    load: CascadeLoad = CascadeLoad()
    sample_ratio: Annotated[float, Field(ge=0, le=1, strict=False)] = 0.0
    """Share of the first model's answers for which the model itself is asked too, in the background and at nobody's
    expense, to see how far both agree."""
