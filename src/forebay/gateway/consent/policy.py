"""What workers hold of purposes: which there are, which need consent, and whose calls are for which."""

from __future__ import annotations

import msgspec


class ConsentPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Purposes by name; `default` is that of calls that name none and whose tenant is not in `tenants`."""

    known: frozenset[str]
    needed: frozenset[str]
    default: str
    tenants: dict[str, str] = {}
