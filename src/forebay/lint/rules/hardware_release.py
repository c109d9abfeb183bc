"""Releases of vLLM that are no longer built for the hardware."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.load import Loaded
from forebay.core.errors import Finding
from forebay.lint.engines import vllm_engines
from forebay.lint.run import rules
from forebay.messages import _


@rules.add("hardware_release")
def hardware_release(loaded: Loaded) -> Iterator[Finding]:
    """A V100 has no kernels in wheels that are built for CUDA 13."""
    facts = loaded.facts
    if facts is None or facts.newest_release is None:
        return
    for served in vllm_engines(loaded):
        if _number(served.engine.release) > _number(facts.newest_release):
            why = _("vLLM {release} is not built for {gpu} (compute capability {capability})")
            why = why.format(release=served.engine.release, gpu=facts.gpu, capability=facts.compute_capability)
            fix = _("Run {newest} or older, or a small model with kind: embedded, or newer hardware")
            fix = fix.format(newest=facts.newest_release)
            yield served.finding("hardware_release", "error", (*served.path, "release"), why, fix)


def _number(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))
