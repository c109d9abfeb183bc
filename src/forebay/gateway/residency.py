"""Tenants that are bound to a region: no engine elsewhere ever sees a call of theirs, whatever fails. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from forebay.gateway.screen import Asked
    from forebay.gateway.snapshot import EngineRef


class Home(msgspec.Struct, frozen=True):
    """A tenant's region, and the engines outside of it that are known now."""

    region: str
    abroad: frozenset[str]


def homes_of(regions: Mapping[str, str], engines: Iterable[EngineRef]) -> dict[str, Home]:
    """By tenant; an engine that says nothing of where it stands is outside of all regions."""
    known = tuple(engines)
    return {
        tenant: Home(region, frozenset(engine.name for engine in known if engine.routing.region != region))
        for tenant, region in regions.items()
    }


def at_home(asked: Asked, tenant: str, homes: Mapping[str, Home]) -> Asked:
    """The call, kept from engines outside its tenant's region.

    They are engines that cannot serve it: first, second and further tries, continuations, samples and copies all pass
    by them, and where no other is ready the call is refused.
    """
    home = homes.get(tenant)
    if home is None:
        return asked
    return msgspec.structs.replace(asked, unable=asked.unable | home.abroad, region=home.region)


def serves(engine: EngineRef, asked: Asked) -> bool:
    """Whether an engine may have the call, also one that came after it."""
    return engine.name not in asked.unable and (not asked.region or engine.routing.region == asked.region)
