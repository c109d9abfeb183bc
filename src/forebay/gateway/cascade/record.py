"""What one worker knows of its cascades: what answers cost, which are due to be compared, and how they are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forebay.observe import catalogue

if TYPE_CHECKING:
    from forebay.gateway.meter import Meter

HEADER = "x-forebay-cascade"
Counts = tuple[int, int]
"""Tokens of prompts and of answers."""


class Cascades:
    """`sampling` counts the comparisons under way."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._due: dict[str, float] = {}
        self._seconds: dict[str, float] = {}
        self._tokens: dict[str, int] = {}
        self.sampling = 0

    def ended(self, model: str, outcome: str, reason: str) -> None:
        """Count one call by what became of its first step."""
        self._meter.count(catalogue.CASCADE, model, outcome, reason)

    def first(self, model: str, tokens: Counts, held_s: float, *, took_s: float) -> None:
        """The first model has worked on a call, for nothing or not; `took_s` with waiting."""
        self._cost(model, "first", tokens, held_s)
        self._meter.observe(catalogue.CASCADE_FIRST, took_s, model)

    def asked(self, model: str, step: str, tokens: Counts, held_s: float) -> None:
        """The model itself has answered: for a client (`second`) or for a comparison (`sample`)."""
        self._cost(model, step, tokens, held_s)
        if tokens[1]:
            self._seconds[model] = self._seconds.get(model, 0.0) + held_s
            self._tokens[model] = self._tokens.get(model, 0) + tokens[1]

    def avoided(self, model: str, tokens: Counts) -> None:
        """The first model's answer was given: reckon what the model itself would have spent on one as long."""
        known = self._tokens.get(model, 0)
        self._cost(model, "avoided", tokens, tokens[1] * self._seconds[model] / known if known else 0.0)

    def compared(self, model: str, result: str, overlap: float | None = None) -> None:
        """Count one comparison; `overlap` where there was an answer to compare with."""
        self._meter.count(catalogue.CASCADE_SAMPLES, model, result)
        if overlap is not None:
            self._meter.observe(catalogue.CASCADE_AGREEMENT, overlap, model)

    def is_due(self, model: str, ratio: float) -> bool:
        """Whether the next answer is to be compared: of any hundred at 0.05, five."""
        due = self._due.get(model, 0.0) + ratio
        self._due[model] = due - 1.0 if due >= 1.0 else due
        return due >= 1.0

    def _cost(self, model: str, step: str, tokens: Counts, held_s: float) -> None:
        for kind, count in zip(("input", "output"), tokens, strict=True):
            self._meter.add(catalogue.CASCADE_TOKENS, count, model, step, kind)
        self._meter.add(catalogue.CASCADE_SECONDS, held_s, model, step)
