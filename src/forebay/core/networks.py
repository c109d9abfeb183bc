"""Networks and addresses in their one spelling: what another program could read as another one is refused."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network(text: str) -> Network:
    """Read a network, or an address as one. ValueError for octal, hexadecimal and lone numbers, masks, zones, bits set
    behind the prefix, and IPv4 in IPv6's clothes."""
    found = ipaddress.ip_network(text)
    if isinstance(found, ipaddress.IPv6Network):
        if found.network_address.ipv4_mapped is not None or "%" in text:
            raise ValueError(f"{text!r} is not in its usual form")
    elif str(found) != (text if "/" in text else f"{text}/32"):
        raise ValueError(f"{text!r} is not in its usual form")
    return found


def plain_address(text: str) -> Address | None:
    """An address; IPv4 in IPv6's clothes as IPv4. A zone is any text its writer likes, so none is taken."""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.scope_id is not None:
            return None
        return parsed.ipv4_mapped or parsed
    return parsed
