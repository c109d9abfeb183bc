"""The client's address: never what the client says of itself, always what the nearest trusted proxy saw."""

from __future__ import annotations

import ipaddress

import pytest

from forebay.gateway.identity import client_ip

TRUSTED = tuple(map(ipaddress.ip_network, ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"]))
PROXY, CLIENT = "127.0.0.1", "203.0.113.9"

CASES = {
    "no header": (PROXY, b"", PROXY),
    "one hop": (PROXY, b"203.0.113.9", CLIENT),
    "leftmost is a lie": (PROXY, b"1.2.3.4, 203.0.113.9", CLIENT),
    "trusted hops between": (PROXY, b"1.2.3.4,203.0.113.9, 10.0.0.1 ,10.0.0.2", CLIENT),
    "only trusted hops": (PROXY, b"10.0.0.2,10.0.0.1", "10.0.0.2"),
    "peer is not trusted": (CLIENT, b"1.2.3.4", CLIENT),
    "fifty hops": (PROXY, b",".join([b"1.1.1.1"] * 50) + b",203.0.113.9", CLIENT),
    "fifty hops, all trusted": (PROXY, b"203.0.113.9," + b",".join([b"10.0.0.1"] * 50), CLIENT),
    "IPv6": (PROXY, b"2001:DB8::0:1", "2001:db8::1"),
    "IPv6 proxy": ("fd00::1", b"203.0.113.9,fd00::2", CLIENT),
    "IPv4 in IPv6": (PROXY, b"::ffff:203.0.113.9", CLIENT),
    "trusted IPv4 in IPv6": (PROXY, b"203.0.113.9,::ffff:10.0.0.1", CLIENT),
    "peer as IPv4 in IPv6": ("::ffff:127.0.0.1", b"203.0.113.9", CLIENT),
    "port": (PROXY, b"203.0.113.9:80", PROXY),
    "brackets": (PROXY, b"[2001:db8::1]", PROXY),
    "unknown": (PROXY, b"1.2.3.4, unknown", PROXY),
    "obfuscated": (PROXY, b"1.2.3.4, _hidden", PROXY),
    "word left of a hop": (PROXY, b"unknown, 203.0.113.9", CLIENT),
    "word left of a trusted hop": (PROXY, b"unknown, 10.0.0.1", "10.0.0.1"),
    "zone": (PROXY, b"fe80::1%any text a client likes", PROXY),
    "empty entry": (PROXY, b"1.2.3.4,", PROXY),
    "commas": (PROXY, b",,,", PROXY),
    "decimal": (PROXY, b"3405803785", PROXY),
    "octal": (PROXY, b"0313.0.0161.011", PROXY),
    "hexadecimal": (PROXY, b"0xcb.0.0x71.9", PROXY),
    "short form": (PROXY, b"203.9", PROXY),
    "other digits": (PROXY, "２０３.0.113.9".encode(), PROXY),
    "latin-1": (PROXY, b"\xff\xfe", PROXY),
    "no peer": ("", b"203.0.113.9", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_the_rightmost_address_that_is_no_proxy_is_the_client(case: str) -> None:
    peer, forwarded_for, wanted = CASES[case]
    assert client_ip(peer, forwarded_for, TRUSTED) == wanted


def test_without_trusted_proxies_the_header_says_nothing() -> None:
    assert client_ip(PROXY, b"203.0.113.9", ()) == PROXY
