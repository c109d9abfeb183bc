"""Who may be talked to is who the configuration names, and nobody else."""

from __future__ import annotations

import pytest

from forebay.config.schema import Config
from forebay.ops.compliance.named import addresses_named, hosts_named
from forebay.ops.compliance.probes.exposure import _plain

CONFIG = Config.model_validate(
    {
        "version": 1,
        "models": {
            "m": {"engines": [{"kind": "external", "url": "http://198.51.100.7:8000"}]},
            "n": {"engines": [{"kind": "external", "url": "https://[2001:db8::7]:443"}, {"kind": "embedded"}]},
        },
        "valkey": {"kind": "external", "host": "198.51.100.8"},
    }
)


def test_hosts_of_urls_and_of_hosts_keys_are_named() -> None:
    assert {"198.51.100.7", "2001:db8::7", "198.51.100.8"} <= hosts_named(CONFIG)
    assert {"198.51.100.7", "2001:db8::7", "198.51.100.8"} <= addresses_named(CONFIG)
    assert "198.51.100.9" not in addresses_named(CONFIG)


@pytest.mark.parametrize(
    ("written", "plain"),
    [("::ffff:198.51.100.7", "198.51.100.7"), ("fe80::1%eth0", "fe80::1"), ("198.51.100.7", "198.51.100.7")],
)
def test_an_address_is_the_same_however_the_kernel_writes_it(written: str, plain: str) -> None:
    assert _plain(written) == plain
