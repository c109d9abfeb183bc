"""Clock, memory and cores."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator

import psutil

from forebay.config.schema import EmbeddedEngine
from forebay.core.errors import Finding, Severity
from forebay.messages import _
from forebay.ops.doctor.run import Subject, checks, finding

# SmolLM2-135M in 4 bits with its context takes about this much.
_EMBEDDED_BYTES = 400 * 1024 * 1024
_EARLIEST_S = 1767225600.0  # 2026-01-01: before this forebay did not exist, and certificates are not yet valid
_STA_UNSYNC = 0x40


@checks.add("clock")
def clock(subject: Subject) -> Iterator[Finding]:
    """Keys and certificates expire by the clock; logs of several machines are ordered by it."""
    if subject.now_s < _EARLIEST_S:
        why = _("the clock is years behind")
        yield finding("clock_wrong", "error", "", why, _("Set it: timedatectl set-ntp true"))
    elif _unsynchronised():
        why = _("the clock is not kept in step with others")
        severity: Severity = "note" if subject.loaded.config.environment == "development" else "warning"
        yield finding("clock_unsynchronised", severity, "", why, "timedatectl set-ntp true")


@checks.add("memory")
def memory(subject: Subject) -> Iterator[Finding]:
    """Embedded engines live in main memory."""
    engines = [engine for model in subject.loaded.config.models.values() for engine in model.engines]
    need = 0
    for engine in engines:
        if isinstance(engine, EmbeddedEngine):
            need += engine.count * _size(engine, subject)
    free = psutil.virtual_memory().available
    if need > free:
        why = _("the embedded engines need about {need} MiB of memory, {free} MiB are free")
        why = why.format(need=need // 2**20, free=free // 2**20)
        yield finding("memory", "warning", "", why, _("Lower count, or take smaller weights"))


@checks.add("cores")
def cores(subject: Subject) -> Iterator[Finding]:
    """A worker is one busy core; more workers than cores only take turns."""
    count, workers = len(os.sched_getaffinity(0)), subject.loaded.config.gateway.workers
    if workers > count:
        why = _("{workers} workers share {count} cores").format(workers=workers, count=count)
        where = subject.loaded.where(("gateway", "workers"))
        yield finding("cores", "warning", where, why, _("Set {count} or fewer").format(count=count))


def _size(engine: EmbeddedEngine, subject: Subject) -> int:
    if engine.weights is None:
        return _EMBEDDED_BYTES
    path = subject.base / engine.weights
    return path.stat().st_size if path.is_file() else 0


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


def _unsynchronised() -> bool:
    """What the kernel says of its own clock, whichever daemon disciplines it."""
    timex = _Timex()
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "adjtimex") or libc.adjtimex(ctypes.byref(timex)) < 0:
        return False
    return bool(timex.status & _STA_UNSYNC)
