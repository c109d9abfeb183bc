"""A process beside this one, for what workers read of one another."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def other_pid() -> Iterator[int]:
    """A process that lives until the tests are over: pages of dead ones count for nothing."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process.pid
    process.communicate(b"\n")
