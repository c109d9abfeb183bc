"""Removes what is older than is declared, at every start and every hour."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable

from forebay.config.schema import Config
from forebay.controller.journal import Journal
from forebay.controller.wanted import Arguments
from forebay.core.errors import ForebayError
from forebay.ops.retention import retain

_EVERY_S = 3600.0


class Retaining:
    """`config` is what is in force."""

    def __init__(self, arguments: Arguments, config: Callable[[], Config], journal: Callable[[], Journal]) -> None:
        self._arguments = arguments
        self._config = config
        self._journal = journal

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                removed = await asyncio.to_thread(self._retain)
            except (ForebayError, OSError, sqlite3.Error) as error:
                self._journal().say("error", f"what is too old could not be removed: {error}")
            else:
                if removed:
                    self._journal().say("info", "what was older than declared is removed", **removed)
            await asyncio.sleep(_EVERY_S)

    def _retain(self) -> dict[str, int]:
        given = self._arguments
        return retain(self._config(), given.state, given.config.resolve().parent, time.time())
