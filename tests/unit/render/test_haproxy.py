"""Claims about the text of haproxy.cfg; its behaviour is claimed in tests/integration/edge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from tests.unit.render.golden import golden
from tests.unit.render.test_nginx import _PORTS, _SECTIONS, EVERYWHERE, SITE, config
from tests.unit.security.test_tls import NOW

from forebay.config.schema import Config
from forebay.core.errors import ConfigError
from forebay.render.edge_programs import HAPROXY, check
from forebay.render.haproxy import CONF, render
from forebay.render.site import Site
from forebay.security.development_ca import ensure_development
from forebay.store.state_dir import StateDir


def text(configuration: Config, site: Site = SITE) -> str:
    return render(configuration, site)[CONF]


def test_the_default_configuration_reads_as_the_golden_file() -> None:
    golden(Path(__file__).parent / "haproxy.golden.cfg", text(config()))


def test_a_path_that_haproxy_cannot_be_told_is_refused() -> None:
    for name in ("line\nbreak", "tab\t", "nul\0"):
        with pytest.raises(ConfigError, match="cannot hold"):
            text(config(), Site(folder=SITE.folder, certificate=Path("/state") / name, worker_ports=(1,)))


@pytest.mark.parametrize("name", ["a }", "a;b", "a b", "$host", "a\nglobal", "'"])
def test_a_server_name_cannot_inject_a_rule(name: str) -> None:
    with pytest.raises(ConfigError, match="not the name or address"):
        text(config(edge={"server_names": [name]}))


def test_workers_that_listen_everywhere_are_reached_on_loopback() -> None:
    assert "server worker-1 127.0.0.1:8201" in text(config(gateway={"bind": EVERYWHERE}))
    assert "server worker-1 [::1]:8201" in text(config(gateway={"bind": "::"}))


def test_without_an_http_port_nothing_listens_for_plain_http() -> None:
    assert "redirect" not in text(config(edge={"http_port": None}))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(sections=_SECTIONS, ports=_PORTS)
def test_haproxy_accepts_whatever_the_schema_accepts(
    tmp_path_factory: pytest.TempPathFactory, sections: dict[str, Any], ports: tuple[int, ...]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "accepted; $edge '\""
    state = StateDir(folder)
    state.prepare()
    files = ensure_development(state.tls, ["localhost"], NOW)
    certificate = state.edge / "certificate.pem"
    certificate.write_bytes(files.key.read_bytes() + files.chain.read_bytes())
    conf = state.edge / CONF
    site = Site(folder=state.edge, certificate=certificate, worker_ports=ports, connections=512)
    conf.write_text(text(config(**sections), site))
    check(HAPROXY, conf, state.edge)
