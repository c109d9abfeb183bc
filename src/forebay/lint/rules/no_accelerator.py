"""GPUs named where the hardware has none."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _


@engine_rules.add("no_accelerator")
def no_accelerator(served: Served) -> Iterator[Finding]:
    """`hardware: cpu` and `gpus` contradict one another."""
    if served.hardware == "cpu" and served.gpus:
        why = _("the hardware is cpu, yet the engine names GPUs")
        fix = _("Remove gpus, or set hardware to what the GPUs are")
        yield served.finding("no_accelerator", "error", "gpus", why, fix)
