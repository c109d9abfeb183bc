"""Invariant: whatever an engine refuses with, a client reads one short line of it: never nothing, no trace, no path and
no address of the inside.
"""

from __future__ import annotations

import re

from forebay.wire.engine_error import engine_says

_ADDRESS = re.compile(r"https?://\w|\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b")


def check(body: bytes) -> None:
    said = engine_says(body)
    assert 0 < len(said.message) <= 1001
    assert "\n" not in said.message
    assert "Traceback (most recent" not in said.message
    assert not _ADDRESS.search(said.message), said.message
    assert said.param is None or len(said.param) <= 64
