"""Eager execution left on."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _


@engine_rules.add("eager")
def eager(served: Served) -> Iterator[Finding]:
    """`enforce-eager` turns CUDA graphs off: right for finding a fault, costly for ever after."""
    if served.hardware != "cpu" and served.is_on("enforce-eager"):
        why = _("enforce-eager turns CUDA graphs off; decoding slows down, most of all at small batches")
        yield served.finding("eager", "warning", "enforce-eager", why, _("Remove it"))
