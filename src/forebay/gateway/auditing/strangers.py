"""Refusals of callers whom nobody knows: counted, and a few of them told, so that they cannot fill the log."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from forebay.audit.record import REFUSALS, Entry, Fact

if TYPE_CHECKING:
    from forebay.gateway.call import Ledger

SAMPLE = "refusal"
_dice = random.Random()  # noqa: S311  which of many is told is no secret


class Strangers:
    """What came since the last summary: how many by code, and a sample in which each is as likely as any other."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._counts: dict[str, int] = {}
        self._total = 0
        self._sample: list[tuple[int, str, str, str]] = []

    def add(self, ledger: Ledger, samples: int) -> None:
        """Note one refusal; at most `samples` are kept."""
        self._total += 1
        self._counts[ledger.code] = self._counts.get(ledger.code, 0) + 1
        place = len(self._sample) if len(self._sample) < samples else _dice.randrange(self._total)
        if place < samples:
            told = (time.time_ns() // 1000, ledger.code, ledger.endpoint, ledger.client_ip)
            self._sample[place : place + 1] = [told]

    def due(self, now: float, every_s: float, unrecorded: int, worker: str) -> list[Entry]:
        """The records of what was counted, where it is time for them and there is something to tell."""
        if now - self._since < every_s or not (self._total or unrecorded):
            return []
        self._since = now
        at_us = time.time_ns() // 1000
        identity = f"{worker}-s{at_us:x}"
        counts: dict[str, Fact] = {f"refused_{code or 'other'}": count for code, count in sorted(self._counts.items())}
        facts = {"total": self._total, "unrecorded": unrecorded, **counts}
        entries = [Entry(REFUSALS, identity, at_us, facts)]
        for number, (when_us, code, endpoint, ip) in enumerate(self._sample):
            one: dict[str, Fact] = {"code": code, "endpoint": endpoint}
            entries.append(Entry(SAMPLE, f"{identity}-{number}", when_us, one, ip=ip))
        self._counts, self._total, self._sample = {}, 0, []
        return entries
