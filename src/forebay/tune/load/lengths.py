"""Draws lengths in tokens from what a load asks for."""

from __future__ import annotations

import math
from random import Random

from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.tune.load.workload import Lengths

_FORMS = "512, uniform:LEAST:MOST, normal:MEAN:DEVIATION, lognormal:MEDIAN:SIGMA, empirical:10,20,30"


def draw(lengths: Lengths, chance: Random) -> int:
    """One length, at least 1."""
    if lengths.shape == "fixed":
        return lengths.tokens
    if lengths.shape == "uniform":
        return chance.randint(lengths.least, lengths.most)
    if lengths.shape == "empirical":
        return chance.choice(lengths.values)
    drawn = chance.gauss(0.0, lengths.deviation)
    value = lengths.tokens + drawn if lengths.shape == "normal" else lengths.tokens * math.exp(drawn)
    return max(lengths.least, min(lengths.most, round(value)))


def parse(text: str) -> Lengths:
    """Lengths as a person writes them; UsageError names the forms."""
    shape, _colon, rest = text.partition(":")
    try:
        if not rest:
            return Lengths(tokens=int(text))
        if shape == "empirical":
            return Lengths(shape="empirical", values=tuple(int(each) for each in rest.split(",")))
        first, second = rest.split(":")
        if shape == "uniform":
            return Lengths(shape="uniform", least=int(first), most=int(second))
        if shape == "normal":
            return Lengths(shape="normal", tokens=int(first), deviation=float(second))
        if shape == "lognormal":
            return Lengths(shape="lognormal", tokens=int(first), deviation=float(second))
    except ValueError:
        pass
    raise UsageError(
        _("{text!r} is no length in tokens").format(text=text), fix=_("Write {forms}").format(forms=_FORMS)
    )
