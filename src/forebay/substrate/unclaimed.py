"""Engines on shared machines that bear a service's name, and whose they are."""

from __future__ import annotations

import msgspec


class Unclaimed(msgspec.Struct, frozen=True, kw_only=True):
    """`owner` is the number that `owner_of` gave, or as much of it as they bear; `handle` names it `where` it runs."""

    owner: str
    unit: str
    where: str
    handle: str


class Survey(msgspec.Struct, frozen=True):
    """What was found; `silent` are hosts that could not be asked."""

    found: tuple[Unclaimed, ...] = ()
    silent: tuple[str, ...] = ()
