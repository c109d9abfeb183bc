"""Networks: one spelling, deny before allow, and one source for a whole IPv6 line."""

from __future__ import annotations

import pytest

from forebay.core.networks import network, plain_address
from forebay.security.network import NetworkRules, Networks, compiled, source_of


@pytest.mark.parametrize(
    "text",
    [
        "0x7f000001", "2130706433", "017700000001", "010.0.0.0/8", "10.1/16", "10", "10.0.0.0/255.0.0.0", "10.0.0.1/8",
        "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/8 ", " 10.0.0.0/8", "10.0.0.0/8/8", "", "localhost",
        "fe80::1%eth0", "fe80::%1/64", "::ffff:10.0.0.0/104", "::ffff:0a00:1", "1::2::3", "10.0.0.256", "１０.0.0.0/8",
    ],
)  # fmt: skip
def test_a_network_that_could_be_read_as_another_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  each kind of malformed text says it in its own words
        network(text)


@pytest.mark.parametrize("text", ["10.0.0.0/8", "192.0.2.1", "0.0.0.0/0", "2001:DB8::/32", "::/0", "2001:db8::1"])
def test_usual_forms_are_taken(text: str) -> None:
    assert network(text)


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("10.1.2.3", True),
        ("10.9.0.1", False),
        ("::ffff:10.1.2.3", True),
        ("::ffff:10.9.0.1", False),
        ("11.0.0.1", False),
        ("2001:db8::7", True),
        ("2001:db9::7", False),
        ("fe80::1%eth0", False),
        ("unknown", False),
        ("", False),
        ("10.1.2.3:80", False),
        ("0x0a010203", False),
    ],
)
def test_denied_wins_and_what_is_no_address_is_never_admitted(address: str, may: bool) -> None:
    rules = Networks(NetworkRules(allow=("10.0.0.0/8", "2001:db8::/32"), deny=("10.9.0.0/16",)))
    assert rules.admits(address) is may


def test_without_rules_there_is_nothing_to_ask_and_a_lone_deny_allows_the_rest() -> None:
    assert compiled(NetworkRules()) is None
    rules = compiled(NetworkRules(deny=("192.0.2.0/24",)))
    assert rules is not None
    assert (rules.admits("192.0.2.9"), rules.admits("198.51.100.1")) == (False, True)


def test_a_line_of_ipv6_is_one_source_and_mapped_addresses_are_ipv4() -> None:
    assert source_of("2001:db8:1:2::1") == source_of("2001:db8:1:2:ffff::9") != source_of("2001:db8:1:3::1")
    assert source_of("::ffff:192.0.2.1") == source_of("192.0.2.1") == "192.0.2.1"
    assert source_of("unknown") == source_of("x") == ""
    assert plain_address("fe80::1%eth0") is None
