"""Tenants that are bound to a region: no engine elsewhere ever sees a call of theirs, whatever fails. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from forebay.gateway.screen import Asked
    from forebay.gateway.snapshot import EngineRef


def abroad_of(regions: Mapping[str, str], engines: Iterable[EngineRef]) -> dict[str, frozenset[str]]:
    """By tenant, the engines outside its region; one that says nothing of where it stands is outside of all."""
    known = tuple(engines)
    return {
        tenant: frozenset(engine.name for engine in known if engine.routing.region != region)
        for tenant, region in regions.items()
    }


def at_home(asked: Asked, tenant: str, abroad: Mapping[str, frozenset[str]]) -> Asked:
    """The call, kept from engines outside its tenant's region.

    They are engines that cannot serve it: first, second and further tries, continuations, samples and copies all pass
    by them, and where no other is ready the call is refused.
    """
    foreign = abroad.get(tenant)
    return msgspec.structs.replace(asked, unable=asked.unable | foreign) if foreign else asked
