"""The controller's own log: one JSON line an event, written at once."""

from __future__ import annotations

import time
from typing import Any

from forebay.observe.log import JsonLog


class Journal:
    """Says what happened and when."""

    def __init__(self, service: str, level: str) -> None:
        self._log = JsonLog(service, level)

    def set_level(self, level: str) -> None:
        self._log.set_level(level)

    def say(self, level: str, message: str, **fields: Any) -> None:
        self._log.write(level, message, time.time(), **fields)
        self._log.flush()
