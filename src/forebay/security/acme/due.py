"""When a certificate is to be renewed, and when a failed attempt may be repeated."""

from __future__ import annotations

from pathlib import Path

import msgspec
from cryptography import x509

from forebay.core.files import write_atomically

CERTIFICATE = "certificate.pem"
_ATTEMPTS = "attempts.json"
_SHORT_S = 10 * 86400.0
_SPREAD = 0.02
_FIRST_S, _LONGEST_S = 60.0, 6 * 3600.0


class Attempts(msgspec.Struct, frozen=True):
    """Failures since the last success, for what was asked; written down, so that a restart asks no sooner."""

    asked: str = ""
    failures: int = 0
    not_before: float = 0.0
    why: str = ""


def renewal_at(leaf: x509.Certificate, before_s: float | None) -> float:
    """Epoch seconds from which a certificate is to be renewed.

    A little earlier by its serial number, so that certificates of one day are not renewed in one minute.
    """
    begins, ends = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
    life_s = ends - begins
    if before_s is None:
        before_s = life_s / (2 if life_s <= _SHORT_S else 3)
    early_s = life_s * _SPREAD * (leaf.serial_number % 1000) / 1000
    return ends - min(before_s, 0.9 * life_s) - early_s


def failed(before: Attempts, asked: str, why: str, now: float, chance: float) -> Attempts:
    """One more failure; the wait doubles, `chance` (0 to 1) spreads it by a quarter, six hours at the longest."""
    failures = before.failures + 1 if before.asked == asked else 1
    wait_s = min(_LONGEST_S, _FIRST_S * 2.0 ** min(failures - 1, 16) * (0.75 + 0.5 * chance))
    return Attempts(asked, failures, now + wait_s, why)


def read_attempts(folder: Path) -> Attempts:
    """What was written down; nothing where there is none."""
    try:
        return msgspec.json.decode((folder / _ATTEMPTS).read_bytes(), type=Attempts)
    except (OSError, msgspec.DecodeError):
        return Attempts()


def write_attempts(folder: Path, attempts: Attempts) -> None:
    """Raises OSError."""
    write_atomically(folder / _ATTEMPTS, msgspec.json.encode(attempts))
