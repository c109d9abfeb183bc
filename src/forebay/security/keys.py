"""API keys: their form, their digest, and the check on the request path.

A key reads `fb_<id>_<secret>_<checksum>`: a public id that names the record, 256 random bits, and the CRC32 of what is
before it, so that a mistyped or cut key is told from a wrong one without a look-up. Only a digest is stored.
"""

from __future__ import annotations

import hmac
import re
import secrets
import string
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol, TypeVar

PREFIX = "fb_"
_ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread or to spell with
_SECRET_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_LENGTH = 10
_SECRET_LENGTH = 43  # 62 ** 43 > 2 ** 256
KEY_LENGTH = len(PREFIX) + _ID_LENGTH + 1 + _SECRET_LENGTH + 1 + 8
_KEY = re.compile(f"({PREFIX}([0-9A-Za-z]{{{_ID_LENGTH}}})_([0-9A-Za-z]{{{_SECRET_LENGTH}}}))_([0-9a-f]{{8}})")
PEPPER = re.compile(r"[0-9a-f]{64}")
"""The form of a pepper, without which no digest can be checked."""


class _Nobody:
    """Whom an unknown id belongs to: no digest of HMAC-SHA256 in hex is this one."""

    digest = "-" * 64
    expires_at = None


_NOBODY = _Nobody()


class Verifiable(Protocol):
    """What a stored key must offer to be checked against."""

    @property
    def digest(self) -> str: ...
    @property
    def expires_at(self) -> float | None: ...


R = TypeVar("R", bound=Verifiable)


def verify(records: Mapping[str, R], pepper: str, key: str, now: float) -> R | None:
    """Find the record (by id) that `key` opens at `now`, or None.

    An unknown id takes the same instructions as a known one. Cold memory may still tell which ids exist: they are no
    secret, and open nothing.
    """
    parts = parse(key)
    if parts is None:
        return None
    record: Any = records.get(parts[0], _NOBODY)
    if not hmac.compare_digest(record.digest, digest(pepper, parts[1])) or record is _NOBODY:
        return None
    good: R = record
    return good if good.expires_at is None or now < good.expires_at else None


def parse(key: str) -> tuple[str, str] | None:
    """Take a key apart into its id, which may be shown and logged, and its secret, which never may.

    None where length, shape or checksum is wrong. No look-up, and half a microsecond: it is done on every request.
    """
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    body, identity, secret, checksum = match.groups()
    return (identity, secret) if _checksum(body) == checksum else None


def digest(pepper: str, secret: str) -> str:
    """Digest that is stored and compared: HMAC-SHA256 in hex.

    A slow password hash would add nothing: the secret has 256 random bits, and it is checked on every request.
    """
    keyed = _keyed(pepper).copy()
    keyed.update(secret.encode())
    return keyed.hexdigest()


def new_key() -> tuple[str, str, str]:
    """Make a key from the system's randomness: its full text, which is shown once, its id and its secret."""
    identity = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))
    secret = _base62(int.from_bytes(secrets.token_bytes(32), "big"))
    body = f"{PREFIX}{identity}_{secret}"
    return f"{body}_{_checksum(body)}", identity, secret


@lru_cache(maxsize=4)
def _keyed(pepper: str) -> hmac.HMAC:
    """HMAC that has taken the pepper: a copy of it skips half the work of each digest."""
    return hmac.new(pepper.encode(), digestmod="sha256")


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def _base62(number: int) -> str:
    digits = []
    for _ in range(_SECRET_LENGTH):
        number, digit = divmod(number, 62)
        digits.append(_SECRET_ALPHABET[digit])
    return "".join(reversed(digits))
