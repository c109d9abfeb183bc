"""GPUs named where the hardware has none."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.load import Loaded
from forebay.core.errors import Finding
from forebay.lint.engines import vllm_engines
from forebay.lint.run import rules
from forebay.messages import _


@rules.add("no_accelerator")
def no_accelerator(loaded: Loaded) -> Iterator[Finding]:
    """`hardware: cpu` and `gpus` contradict one another."""
    if loaded.config.hardware != "cpu":
        return
    for served in vllm_engines(loaded):
        if served.engine.gpus:
            why = _("the hardware is cpu, yet the engine names GPUs")
            fix = _("Remove gpus, or set hardware to what the GPUs are")
            yield served.finding("no_accelerator", "error", (*served.path, "gpus"), why, fix)
