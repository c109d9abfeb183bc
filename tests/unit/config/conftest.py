"""A configuration written for one test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write forebay.yaml and return its path."""

    def to_file(text: str) -> Path:
        path = tmp_path / "forebay.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file
