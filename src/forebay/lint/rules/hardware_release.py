"""Releases of vLLM that are no longer built for the hardware."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _


@engine_rules.add("hardware_release")
def hardware_release(served: Served) -> Iterator[Finding]:
    """A V100 has no kernels in wheels that are built for CUDA 13."""
    facts = served.facts
    if facts is None or facts.newest_release is None or served.number <= _number(facts.newest_release):
        return
    why = _("vLLM {release} is not built for {gpu} (compute capability {capability})")
    why = why.format(release=served.release, gpu=facts.gpu, capability=facts.compute_capability)
    fix = _("Run {newest} or older, or a small model with kind: embedded, or newer hardware")
    yield served.finding("hardware_release", "error", "release", why, fix.format(newest=facts.newest_release))


def _number(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))
