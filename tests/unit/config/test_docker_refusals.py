"""What is refused about Docker hosts."""

from __future__ import annotations

import pytest

from forebay.config.load import load
from forebay.core.errors import ConfigError

from .conftest import Write

HEAD = "version: 1\nmodels: {m: {engines: [{kind: embedded, labels: {zone: b}}]}}\n"
ONE = "{name: one, address: 10.0.0.1, labels: {zone: b}}"


def hosts(*each: str) -> str:
    return f"{HEAD}substrate:\n  kind: docker\n  docker:\n    hosts:\n" + "".join(f"    - {host}\n" for host in each)


def test_hosts_of_every_kind_are_read(write: Write) -> None:
    behind = "{name: two, address: 'fd00::2', docker: 'tcp://two:2376', tls: {authority: /a, certificate: /c, key: /k}}"
    over = "{name: three, address: 10.0.0.3, docker: 'ssh://forebay@three', gpus: 8}"
    config = load(write(hosts(ONE, behind, over)), None).config
    assert [host.name for host in config.substrate.docker.hosts] == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("text", "rule", "why"),
    [
        (f"{HEAD}substrate: {{kind: docker}}\n", "substrate_hosts", "nothing says on which Docker hosts engines run"),
        (hosts(ONE, ONE), "substrate_hosts", "two hosts are called one"),
        (hosts("{name: one, address: 10.0.0.1}"), "substrate_hosts", "no host has these labels"),
        (
            hosts(ONE, "{name: two, address: 10.0.0.2, docker: 'tcp://two:2375'}"),
            "substrate_tls",
            "whoever reaches the daemon at tcp://two:2375 is root on two",
        ),
    ],
)
def test_what_cannot_work_is_refused(write: Write, text: str, rule: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(text), None)
    assert [(finding.rule, finding.why) for finding in caught.value.findings] == [(rule, why)]


def test_ports_and_gpus_are_the_hosts_to_give(write: Write) -> None:
    text = hosts(ONE).replace("labels: {zone: b}}]", "labels: {zone: b}, port: 8000}]", 1)
    with pytest.raises(ConfigError) as caught:
        load(write(text), None)
    assert [finding.rule for finding in caught.value.findings] == ["substrate_local"]
