"""Logs of a few hundred records under test."""

from __future__ import annotations

from pathlib import Path

from forebay.audit.record import INTENT, Entry
from forebay.audit.recorder import LOG, Recorder, open_recorder
from forebay.audit.signing import log_verifier
from forebay.audit.verify import Trust, Verdict, verify


def entry(number: int, **facts: str) -> Entry:
    given = {"tenant": "t1", "key": "k1", "model": "m", **facts}
    subject = given.pop("subject", f"user-{number % 3}")
    return Entry(INTENT, f"call-{number}", 1_700_000_000_000_000 + number, given, subject=subject, ip="192.0.2.7")


def recorded(folder: Path, records: int, batch: int = 50) -> Recorder:
    """A log with `records` records, still open."""
    recorder = open_recorder(folder, "test")
    for start in range(0, records, batch):
        recorder.record([entry(number) for number in range(start, min(start + batch, records))])
    return recorder


def verified(folder: Path, **trust: object) -> Verdict:
    return verify(folder / LOG, Trust(log_verifier(folder), **trust))


def kinds(verdict: Verdict) -> set[str]:
    return {fault.kind for fault in verdict.faults}
