"""Tells Prometheus and Alertmanager to read their files again, once the release that brings new ones is in force."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from forebay.controller.http import Address, ask
from forebay.controller.journal import Journal
from forebay.messages import _
from forebay.release.running import Running
from forebay.release.version import read_config

_EVERY_S = 1.0
_AGAIN_S = 30.0
_PATIENCE_S = 30.0


class MonitoringFollower:
    """`running` tells what runs. `found`: who has not taken the files of the release, for the status.

    A controller that starts tells them once: whether one before it has done so is written nowhere.
    """

    def __init__(self, running: Callable[[], Running | None], journal: Journal) -> None:
        self.found: tuple[str, ...] = ()
        self._running, self._journal = running, journal
        self._told = self._tried = ""
        self._again_s = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            running = self._running()
            if running is not None and running.change is None and self._is_due(running.release.digest):
                await self._tell(running)
            await asyncio.sleep(_EVERY_S)

    def _is_due(self, digest: str) -> bool:
        return digest != self._told and (digest != self._tried or time.monotonic() >= self._again_s)

    async def _tell(self, running: Running) -> None:
        urls = read_config(running.release.config).observe.monitoring.reload
        refusals = [said for url in urls if (said := await _refusal(url))]
        for said in refusals:
            self._journal.say("error", said, release=running.release.name)
        self.found = tuple(refusals)
        self._tried, self._again_s = running.release.digest, time.monotonic() + _AGAIN_S
        if not refusals:
            self._told = running.release.digest


async def _refusal(url: str) -> str:
    """Why the program behind a URL has not read its files; empty where it has."""
    parts = urlsplit(url)
    address = Address(parts.hostname or "", parts.port or 80)
    answer = await ask(address, f"{parts.path}?{parts.query}".rstrip("?"), timeout_s=_PATIENCE_S, body=b"")
    if 200 <= answer.status < 300:
        return ""
    reason = answer.body.decode("utf-8", "replace").strip()[:500] or str(answer.status)
    return _("{url} has not read the files of the release: {reason}").format(url=url, reason=reason)
