"""One call as the access log tells it, and the minute of a caller that calls add up to."""

from __future__ import annotations

import ipaddress
from datetime import datetime

import msgspec

from forebay.observe.access_lines import calls
from forebay.observe.anomaly.places import Places

MINUTE_S = 60.0
_NOT_THERE = frozenset({404, 405})
_REFUSED = frozenset({400, 401, 403, 404, 405, 413, 415, 422})


class Seen(msgspec.Struct, frozen=True):
    """A call: when (seconds since the epoch), whose, from which network and place, and what became of it."""

    at_s: float
    tenant: str
    key_id: str
    network: str
    status: int
    output_tokens: int
    place: str = ""

    @property
    def caller(self) -> str:
        """Whose habits these are: a key's, or for calls without a good one those of the network."""
        return self.key_id or self.network

    @property
    def refused(self) -> bool:
        """Refused for what it was, not for how many there were."""
        return self.status in _REFUSED


def read_line(line: bytes, places: Places | None = None) -> Seen | None:
    """The call that a line of a worker's log tells of; None for any other line. `places` is a map, if there is one."""
    for call in calls((line,)):
        try:
            at_s = datetime.fromisoformat(call.timestamp).timestamp()
        except ValueError:
            return None
        return Seen(
            at_s,
            call.tenant,
            call.key_id,
            network_of(call.client_ip),
            call.status,
            call.tokens.get("output", 0),
            "" if places is None else places.of(call.client_ip),
        )
    return None


def network_of(address: str) -> str:
    """Where an address is, as far as forebay can tell without a map of the world: its /16, of IPv6 its /32."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(found, "ipv4_mapped", None) or found
    return str(ipaddress.ip_network(f"{mapped}/{16 if mapped.version == 4 else 32}", strict=False))


class Minute(msgspec.Struct):
    """What a caller did within one minute, which began at `start_s`; `missed` asked for what is not there."""

    start_s: float
    tenant: str
    key_id: str
    calls: int = 0
    refused: int = 0
    missed: int = 0
    output_tokens: int = 0
    networks: set[str] = msgspec.field(default_factory=set)
    places: set[str] = msgspec.field(default_factory=set)

    def add(self, call: Seen) -> None:
        self.calls += 1
        self.output_tokens += call.output_tokens
        if call.network:
            self.networks.add(call.network)
        if call.place:
            self.places.add(call.place)
        if call.refused:
            self.refused += 1
            self.missed += call.status in _NOT_THERE

    @property
    def hour(self) -> int:
        """Of the day, UTC."""
        return int(self.start_s // 3600) % 24
