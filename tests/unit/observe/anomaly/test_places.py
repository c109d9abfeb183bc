"""A map of the operator's says where an address is, whatever form its lines have."""

from __future__ import annotations

import random
from ipaddress import ip_address, ip_network

import pytest

from forebay.observe.anomaly.places import BadMap, Places

MAP = """network,geoname_id,country
192.0.2.0/24,1,CN
198.51.100.0/25,2,DE
2001:db8::/32,3,FR

203.0.113.7,203.0.113.9,BR
"""


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.0", "CN"),
        ("192.0.2.255", "CN"),
        ("192.0.3.0", ""),
        ("::ffff:192.0.2.7", "CN"),
        ("198.51.100.127", "DE"),
        ("198.51.100.128", ""),
        ("2001:db8:1::7%eth0", "FR"),
        ("2001:db9::", ""),
        ("203.0.113.6", ""),
        ("203.0.113.8", "BR"),
        ("nonsense", ""),
        ("", ""),
    ],
)
def test_an_address_is_where_its_line_says(address: str, place: str) -> None:
    assert Places(MAP.splitlines()).of(address) == place


def test_any_network_is_found_as_the_standard_library_finds_it() -> None:
    dice = random.Random(3)
    networks = [ip_network((dice.getrandbits(32) >> 8 << 8, 24)) for _ in range(500)]
    places = Places(f"{network},{number}" for number, network in enumerate(dict.fromkeys(networks)))
    for network in networks:
        assert places.of(str(network[dice.randrange(256)]))
        outside = ip_address(int(network[0]) - 1)
        assert bool(places.of(str(outside))) == any(outside in each for each in networks)


@pytest.mark.parametrize("line", ["here,CN", "192.0.2.0/33,CN", "192.0.2.0/x,CN"])
def test_a_line_without_a_network_is_refused(line: str) -> None:
    with pytest.raises(BadMap, match="line 2"):
        Places(["192.0.2.0/24,CN", line])


def test_an_empty_map_knows_no_place() -> None:
    assert Places([]).of("192.0.2.1") == ""
