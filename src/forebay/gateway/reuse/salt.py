"""Whose prefixes an engine's cache may share: a salt that the gateway sets and no client knows or chooses.

Without one, the time to the first token tells a tenant what another has asked (CVE-2025-46570).
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

# vLLM takes at most 128 characters.
_LENGTH = 43


@lru_cache(maxsize=16_384)
def salt_of(pepper: str, kind: str, name: str) -> str:
    """The salt of a tenant or a key: HMAC-SHA256 with the pepper, so that names do not give it away."""
    return hmac.new(pepper.encode(), f"cache-salt\0{kind}\0{name}".encode(), hashlib.sha256).hexdigest()[:_LENGTH]
