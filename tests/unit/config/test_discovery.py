"""Engines that are found: what must be said about where, and what is refused."""

from __future__ import annotations

import pytest

from forebay.config.crosscheck.discovery import dns_server
from forebay.config.load import load
from forebay.config.schema import DiscoveredEngine
from forebay.core.errors import ConfigError

from .conftest import Write

HEAD = "version: 1\nmodels:\n  m:\n    engines:\n      - kind: discovered\n"
SOURCES = {
    "file": "file: {path: engines.yaml}",
    "dns": "dns: {name: engines.internal, record: SRV, resolver: '[fd00::2]:5353'}",
    "kubernetes": "kubernetes: {service: vllm, port: http}",
    "valkey": "valkey: {url: 'valkeys://127.0.0.1:6379/3', password: 'env:P'}",
}


@pytest.mark.parametrize("via", SOURCES)
def test_a_source_of_each_kind_is_read(write: Write, via: str) -> None:
    text = f"{HEAD}        via: {via}\n        {SOURCES[via]}\n        settle: 2s\n"
    (engine,) = load(write(text), None).config.models["m"].engines
    assert isinstance(engine, DiscoveredEngine)
    assert getattr(engine, via) is not None
    assert engine.settle == 2.0


@pytest.mark.parametrize(
    ("lines", "rule", "why"),
    [
        (["via: dns"], "discovery_source", "engines are found via dns, and nothing says where"),
        (["via: nfs"], "config_choice", "nfs is none of file, dns, kubernetes, valkey"),
        ([SOURCES["file"]], "config_missing", "this key is missing"),
        (
            ["via: file", SOURCES["file"], SOURCES["kubernetes"]],
            "discovery_source",
            "engines are found via file: this section is not read",
        ),
        (["via: dns", "dns: {name: a, resolver: 10.0.0}"], "discovery_source", "10.0.0 is not an address and a port"),
        (["via: dns", "dns: {name: a, resolver: ns.test}"], "config_form", "ns.test is not of the right form"),
        (["via: dns", "dns: {name: a, port: 0}"], "config_range", "0 is less than 1"),
        (["via: kubernetes", "kubernetes: {service: A_B}"], "config_form", "A_B is not of the right form"),
        (["via: valkey", "valkey: {url: 'http://a'}"], "config_form", "the value is not of the right form"),
        (["via: valkey", "valkey: {url: 'valkey://:secret@a'}"], "config_form", "the value is not of the right form"),
        (["via: file", "file: {path: ''}"], "config_empty", "nothing is given here"),
    ],
)
def test_a_source_that_is_wrong_is_a_finding(write: Write, lines: list[str], rule: str, why: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(write(HEAD + "".join(f"        {line}\n" for line in lines)), None)
    assert [finding.rule for finding in refused.value.findings] == [rule]
    assert refused.value.findings[0].why.startswith(why)


def test_a_dns_server_is_an_address_and_perhaps_a_port() -> None:
    assert dns_server("10.0.0.2") == ("10.0.0.2", 53)
    assert dns_server("[fd00::2]:5353") == ("fd00::2", 5353)
    assert dns_server("10.0.0.2:0") is None
    assert dns_server("10.0.0.2:70000") is None
