"""API keys: their form, their digest, and the check on the request path.

A key reads `fb_<id>_<secret>_<checksum>`: a public id that names the record, 256 random bits, and the CRC32 of what is
before it, so that a mistyped or cut key is told from a wrong one without a look-up. Only a digest is stored.
"""

from __future__ import annotations

import hmac
import secrets
import string
import zlib
from collections.abc import Mapping
from typing import Protocol, TypeVar

PREFIX = "fb_"
_ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread or to spell with
_SECRET_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_LENGTH = 10
_SECRET_LENGTH = 43  # 62 ** 43 > 2 ** 256
_ID_END = len(PREFIX) + _ID_LENGTH
_SECRET_END = _ID_END + 1 + _SECRET_LENGTH
KEY_LENGTH = _SECRET_END + 1 + 8
# No digest of HMAC-SHA256 in hex is this: a key with an unknown id is compared with it and fails.
_NO_DIGEST = "-" * 64


class Verifiable(Protocol):
    """What a stored key must offer to be checked against."""

    @property
    def digest(self) -> str: ...
    @property
    def expires_at(self) -> float | None: ...


R = TypeVar("R", bound=Verifiable)


def verify(records: Mapping[str, R], pepper: str, key: str, now: float) -> R | None:
    """Find the record (by id) that `key` opens at `now`, or None.

    An unknown id costs the same HMAC and comparison as a known one, so that time does not tell which ids exist.
    """
    parts = parse(key)
    if parts is None:
        return None
    record = records.get(parts[0])
    expected = _NO_DIGEST if record is None else record.digest
    if not hmac.compare_digest(expected, digest(pepper, parts[1])) or record is None:
        return None
    return record if record.expires_at is None or now < record.expires_at else None


def parse(key: str) -> tuple[str, str] | None:
    """Take a key apart into its id, which may be shown and logged, and its secret, which never may.

    None where length, shape or checksum is wrong. Costs about a microsecond: no pattern, no look-up.
    """
    if len(key) != KEY_LENGTH or not key.isascii() or not key.startswith(PREFIX):
        return None
    identity, secret = key[3:_ID_END], key[_ID_END + 1 : _SECRET_END]
    if not (identity.isalnum() and secret.isalnum() and key[_ID_END] == key[_SECRET_END] == "_"):
        return None
    if _checksum(key[:_SECRET_END]) != key[_SECRET_END + 1 :]:
        return None
    return identity, secret


def digest(pepper: str, secret: str) -> str:
    """Digest that is stored and compared: HMAC-SHA256 in hex.

    A slow password hash would add nothing: the secret has 256 random bits, and it is checked on every request.
    """
    return hmac.digest(pepper.encode(), secret.encode(), "sha256").hex()


def new_key() -> tuple[str, str, str]:
    """Make a key from the system's randomness: its full text, which is shown once, its id and its secret."""
    identity = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))
    secret = _base62(int.from_bytes(secrets.token_bytes(32), "big"))
    body = f"{PREFIX}{identity}_{secret}"
    return f"{body}_{_checksum(body)}", identity, secret


def _checksum(body: str) -> str:
    return zlib.crc32(body.encode()).to_bytes(4, "big").hex()


def _base62(number: int) -> str:
    digits = []
    for _ in range(_SECRET_LENGTH):
        number, digit = divmod(number, 62)
        digits.append(_SECRET_ALPHABET[digit])
    return "".join(reversed(digits))
