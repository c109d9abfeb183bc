"""Engines behind a DNS name: its addresses, or its SRV records with ports of their own."""

from __future__ import annotations

import asyncio
from typing import Literal

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver

from forebay.discovery.found import DiscoveryError, Found, Tell
from forebay.discovery.naming import address_name

Record = Literal["A", "AAAA", "SRV"]
_SHORTEST_S = 1.0
_ANSWER_S = 5.0
_TARGETS_AT_ONCE = 16


class DnsSource:
    """Asks again when the answer's TTL is over, at the latest after `longest_s`."""

    def __init__(
        self, name: str, record: Record, port: int, resolver: tuple[str, int] | None, longest_s: float
    ) -> None:
        self._name = name
        self._record = record
        self._port = port
        self._longest_s = longest_s
        self._server = resolver

    async def watch(self, tell: Tell) -> None:
        resolver = self._resolver()
        while True:
            found, ttl_s = await self._ask(resolver)
            tell(found)
            await asyncio.sleep(min(max(ttl_s, _SHORTEST_S), self._longest_s))

    def _resolver(self) -> dns.asyncresolver.Resolver:
        try:
            resolver = dns.asyncresolver.Resolver(configure=self._server is None)
        except dns.resolver.NoResolverConfiguration as error:
            raise DiscoveryError("this machine names no DNS server") from error
        if self._server is not None:
            resolver.nameservers, resolver.port = [self._server[0]], self._server[1]
        resolver.lifetime = _ANSWER_S
        return resolver

    async def _ask(self, resolver: dns.asyncresolver.Resolver) -> tuple[tuple[Found, ...], float]:
        if self._record != "SRV":
            hosts, ttl_s = await _addresses(resolver, self._name, self._record)
            return tuple(
                Found(name=address_name(host, self._port), host=host, port=self._port) for host in hosts
            ), ttl_s
        answer = await _resolve(resolver, self._name, "SRV")
        if answer is None:
            return (), _SHORTEST_S
        limit = asyncio.Semaphore(_TARGETS_AT_ONCE)
        records = [record for record in answer if record.target != dns.name.root]  # the root says: not offered here
        asked = [_behind(resolver, limit, str(record.target).rstrip("."), record.port) for record in records]
        targets = await asyncio.gather(*asked)
        ttl_s = min([float(answer.rrset.ttl if answer.rrset else 0), *(ttl_s for _found, ttl_s in targets)])
        return tuple(found for several, _ttl_s in targets for found in several), ttl_s


async def _behind(
    resolver: dns.asyncresolver.Resolver, limit: asyncio.Semaphore, target: str, port: int
) -> tuple[list[Found], float]:
    """The engines of one SRV record: called by its target, so that they keep their name with another address."""
    async with limit:
        hosts, ttl_s = await _addresses(resolver, target, "A")
        if not hosts:
            hosts, ttl_s = await _addresses(resolver, target, "AAAA")
    named = f"{target.lower()}-{port}"
    if len(hosts) == 1:
        return [Found(name=named, host=hosts[0], port=port)], ttl_s
    return [Found(name=f"{named}-{address_name(host, port)}", host=host, port=port) for host in hosts], ttl_s


async def _addresses(resolver: dns.asyncresolver.Resolver, name: str, record: Record) -> tuple[list[str], float]:
    answer = await _resolve(resolver, name, record)
    if answer is None or answer.rrset is None:
        return [], _SHORTEST_S
    return sorted({each.address for each in answer}), float(answer.rrset.ttl)


async def _resolve(resolver: dns.asyncresolver.Resolver, name: str, record: Record) -> dns.resolver.Answer | None:
    """The answer; None where the name has no such record. DiscoveryError where nobody answers or it does not exist."""
    try:
        return await resolver.resolve(name, record, search=False)
    except dns.resolver.NoAnswer:
        return None
    except (dns.exception.DNSException, OSError) as error:
        raise DiscoveryError(f"DNS: {error or type(error).__name__}") from error
