"""Answers as they lie in a shared store: sealed, so that a changed, swapped or outlived one is not believed. Pure."""

from __future__ import annotations

import hashlib
import hmac

import msgspec

from forebay.gateway.reuse.answers import Entry

_SEAL_BYTES = 32


class _Kept(msgspec.Struct, array_like=True, gc=False):
    expires_at: float
    body: bytes
    usage: bytes
    cascade: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Kept).decode


def sealed(entry: Entry, key: bytes, expires_at: float, pepper: str) -> bytes:
    """`entry` as bytes for a store; `expires_at` in seconds since the epoch."""
    written = _encode(_Kept(expires_at, entry.body, entry.usage, entry.cascade))
    return _seal(written, key, pepper, streamed=entry.streamed) + written


def unsealed(stored: bytes, key: bytes, pepper: str, *, streamed: bool) -> tuple[Entry, float] | None:
    """The entry and when it ends; None where this is not what was sealed under this key and form."""
    written = stored[_SEAL_BYTES:]
    if not hmac.compare_digest(_seal(written, key, pepper, streamed=streamed), stored[:_SEAL_BYTES]):
        return None
    try:
        kept = _decode(written)
    except msgspec.DecodeError:
        return None
    return Entry(kept.body, kept.usage, streamed, kept.cascade), kept.expires_at


def _seal(written: bytes, key: bytes, pepper: str, *, streamed: bool) -> bytes:
    secret = hashlib.blake2b(pepper.encode(), digest_size=32, person=b"forebay-seal").digest()
    return hashlib.blake2b((b"s" if streamed else b"w") + key + written, digest_size=_SEAL_BYTES, key=secret).digest()
