"""Golden files: what a renderer wrote, read and accepted by a person."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path


def golden(file: Path, made: str) -> None:
    """Compare with the file; FOREBAY_GOLDEN=write accepts a change after reading it."""
    release = version("forebay")
    made = made.replace(f'"version":"{release}"', '"version":"VERSION"').replace(
        f"forebay:{release}", "forebay:VERSION"
    )
    if os.environ.get("FOREBAY_GOLDEN") == "write":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(made)
    assert made == file.read_text()
