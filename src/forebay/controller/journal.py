"""The controller's own log: one JSON line an event, written at once."""

from __future__ import annotations

import time
from typing import Any

from forebay.observe.log import JsonLog

_REPEAT_S = 60.0


class Journal:
    """Says what happened and when. The same error again and again is said once a minute: a full disk stays full."""

    def __init__(self, service: str, level: str) -> None:
        self._log = JsonLog(service, level)
        self._said_s: dict[str, float] = {}

    def set_level(self, level: str) -> None:
        self._log.set_level(level)

    def say(self, level: str, message: str, **fields: Any) -> None:
        if level == "error" and self._is_repeated(message):
            return
        self._log.write(level, message, time.time(), **fields)
        self._log.flush()

    def _is_repeated(self, message: str) -> bool:
        now_s = time.monotonic()
        self._said_s = {said: at for said, at in self._said_s.items() if now_s - at < _REPEAT_S}
        return self._said_s.setdefault(message, now_s) != now_s
