"""From where calls may come: lists of networks, compiled, and what counts as one source."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from forebay.core.networks import Address, Network, network, plain_address

_SOURCE_PREFIX = 64


class NetworkRules(msgspec.Struct, frozen=True):
    """Networks as they are written. Empty `allow`: all that is not denied."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class Networks:
    """Rules made ready. An address that is none is never admitted."""

    def __init__(self, rules: NetworkRules) -> None:
        self._allow = tuple(network(text) for text in rules.allow)
        self._deny = tuple(network(text) for text in rules.deny)
        self.admits = lru_cache(maxsize=4096)(self._admits)

    def _admits(self, address: str) -> bool:
        parsed = plain_address(address)
        if parsed is None or _within(parsed, self._deny):
            return False
        return not self._allow or _within(parsed, self._allow)


def compiled(rules: NetworkRules) -> Networks | None:
    """None where nothing is ruled out."""
    return Networks(rules) if rules.allow or rules.deny else None


def source_of(address: str) -> str:
    """Who is counted as one: an IPv4 address, of IPv6 a /64, since one line has as many addresses as it likes."""
    parsed = plain_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, _SOURCE_PREFIX), strict=False))
    return "" if parsed is None else str(parsed)


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in each for each in networks)
