"""Names of engines that were found: the same each time, safe as file names and labels. Pure."""

from __future__ import annotations

import hashlib
import re

_LONGEST = 64
_UNSAFE = re.compile(r"[^a-z0-9._-]+")


def engine_name(base: str, member: str) -> str:
    """`base-member`; where that is too long or holds what a name may not, a digest keeps it unique."""
    whole = f"{base}-{member}"
    safe = _UNSAFE.sub("-", whole).rstrip("-._")
    if safe == whole and len(whole) <= _LONGEST:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{safe[: _LONGEST - 9].rstrip('-._')}-{digest}"


def address_name(host: str, port: int) -> str:
    """A member that has no other name is called by its address."""
    return f"{host.replace(':', '-')}-{port}"
