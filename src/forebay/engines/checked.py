"""Command lines of engines whose weights are checked before they start."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from forebay.engines import verified
from forebay.engines.spec import EngineSpec

SEEN = "={seen}"


def checked_here(spec: EngineSpec, argv: tuple[str, ...], folder: str) -> tuple[str, ...]:
    """For a machine that has forebay; what was read is remembered in `folder`."""
    if not spec.weights_sha256:
        return argv
    name = hashlib.sha256(f"{spec.weights_sha256}:{spec.weights}".encode()).hexdigest()[:16]
    known = f"{folder}/{name}.weights"
    return (sys.executable, "-m", "forebay.engines.verified", spec.weights_sha256, spec.weights, known, "--", *argv)


def checked_anywhere(spec: EngineSpec, argv: tuple[str, ...]) -> tuple[str, ...]:
    """For an image that has Python and perhaps nothing of ours; SEEN stands for what was told the time before."""
    if not spec.weights_sha256:
        return argv
    source = Path(verified.__file__).read_text(encoding="utf-8")
    return ("python3", "-c", source, spec.weights_sha256, spec.weights, SEEN, "--", *argv)
