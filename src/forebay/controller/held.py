"""The calls that all gateway workers together have at an engine, from their counter pages."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from forebay.gateway.siblings import Siblings


@cache
def calls_held(folder: Path) -> Callable[[str], int]:
    """A reader for the pages in `folder`; one for each, since it keeps them mapped."""
    siblings = Siblings(folder, os.getpid())

    def held(engine: str) -> int:
        siblings.refresh()
        return siblings.outstanding(engine)

    return held
