"""Eager execution left on."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.load import Loaded
from forebay.core.errors import Finding
from forebay.lint.engines import vllm_engines
from forebay.lint.run import rules
from forebay.messages import _


@rules.add("eager")
def eager(loaded: Loaded) -> Iterator[Finding]:
    """`enforce-eager` turns CUDA graphs off: right for finding a fault, costly for ever after."""
    if loaded.config.hardware == "cpu":
        return
    for served in vllm_engines(loaded):
        if served.args.get("enforce-eager") is True:
            why = _("enforce-eager turns CUDA graphs off; decoding slows down, most of all at small batches")
            yield served.finding("eager", "warning", served.arg("enforce-eager"), why, _("Remove it"))
