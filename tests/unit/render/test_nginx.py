"""Claims about the text of nginx.conf; its behaviour is claimed in tests/integration/edge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.render.golden import golden
from tests.unit.security.test_tls import NOW

from forebay.config.schema import Config
from forebay.core.errors import ConfigError
from forebay.render.edge_programs import NGINX, check
from forebay.render.error_pages import PAGES, body
from forebay.render.nginx import CONF, render
from forebay.render.site import Site
from forebay.security.development_ca import ensure_development
from forebay.store.state_dir import StateDir

GOLDEN = Path(__file__).parent / "nginx.golden.conf"
EVERYWHERE = "0.0.0.0"  # noqa: S104  nothing is bound in these tests but by `nginx -t`
SITE = Site(folder=Path("/state/edge"), certificate=Path("/state/edge/certificate.pem"), worker_ports=(8201, 8202))


def config(edge: dict[str, Any] | None = None, gateway: dict[str, Any] | None = None, **more: Any) -> Config:
    models = {"m": {"engines": [{"kind": "embedded"}]}}
    return Config.model_validate({"version": 1, "models": models, "edge": edge or {}, "gateway": gateway or {}, **more})


def text(configuration: Config, site: Site = SITE) -> str:
    return render(configuration, site)[CONF]


def test_the_default_configuration_reads_as_the_golden_file() -> None:
    golden(GOLDEN, text(config()))


def test_the_same_input_gives_the_same_text() -> None:
    assert text(config()) == text(config())


def test_a_path_that_nginx_cannot_be_told_is_refused() -> None:
    for name in ("$HOME", "line\nbreak", "tab\t", "nul\0"):
        with pytest.raises(ConfigError, match="cannot hold"):
            text(config(), Site(folder=Path("/state") / name, certificate=SITE.certificate, worker_ports=(1,)))


@pytest.mark.parametrize("name", ['a"; } http {', "a;b", "a b", "$host", "a}", "a\nserver {", "'"])
def test_a_server_name_cannot_inject_a_directive(name: str) -> None:
    with pytest.raises(ConfigError, match="not the name or address"):
        text(config(edge={"server_names": [name]}))


@pytest.mark.parametrize("address", ["0.0.0.0; evil", "localhost", "", "1", "::1]:80; #"])
def test_an_address_cannot_inject_a_directive(address: str) -> None:
    for sections in ({"edge": {"bind": address}}, {"gateway": {"bind": address}}):
        with pytest.raises(ConfigError, match="not an IP address"):
            text(config(**sections))


def test_workers_that_listen_everywhere_are_reached_on_loopback() -> None:
    assert "server 127.0.0.1:8201 " in text(config(gateway={"bind": EVERYWHERE}))
    assert "server [::1]:8201 " in text(config(gateway={"bind": "::"}))


def test_every_error_page_is_short_json_that_needs_no_escape() -> None:
    for page in PAGES:
        assert "$" not in body(page)
        assert "\\" not in body(page)


def test_without_hsts_no_value_is_sent() -> None:
    assert "max-age" not in text(config(edge={"hsts": "0s"}))


def test_a_redirect_names_the_port_unless_it_is_the_usual_one() -> None:
    assert "return 308 https://$forebay_host:8443$request_uri;" in text(config())
    assert "return 308 https://$forebay_host$request_uri;" in text(config(edge={"https_port": 443}))


def test_without_an_http_port_nothing_listens_for_plain_http() -> None:
    assert "308" not in text(config(edge={"http_port": None}))


_TIMES = st.sampled_from(["0s", "1ms", "10s", "600s", "2d"])
_SIZES = st.sampled_from(["1B", "8KiB", "16MiB", "2GiB"])
_SECTIONS = st.fixed_dictionaries(
    {
        "edge": st.fixed_dictionaries(
            {},
            optional={
                "bind": st.sampled_from(["127.0.0.1", EVERYWHERE, "::1", "::"]),
                "http_port": st.sampled_from([None, 18080]),
                "https_port": st.just(18443),
                "server_names": st.lists(
                    st.sampled_from(["localhost", "::1", "10.0.0.1", "a.b", "*.a.b", "bücher.example"]), min_size=1
                ),
                "hsts": _TIMES,
                "compression": st.booleans(),
                "client_body": _SIZES,
                "client_header_timeout": _TIMES,
                "send_timeout": _TIMES,
                "keepalive_timeout": _TIMES,
                "shutdown": _TIMES,
            },
        ),
        "gateway": st.fixed_dictionaries(
            {},
            optional={
                "bind": st.sampled_from(["127.0.0.1", EVERYWHERE, "::"]),
                "limits": st.fixed_dictionaries({}, optional={"target": _SIZES, "head": _SIZES, "body": _SIZES}),
                "timeouts": st.fixed_dictionaries({}, optional={"call": _TIMES, "idle": _TIMES, "connect": _TIMES}),
            },
        ),
        "observe": st.fixed_dictionaries({"log": st.fixed_dictionaries({"access": st.booleans()})}),
    }
)
_PORTS = st.lists(st.integers(1, 65535), min_size=1, max_size=8).map(tuple)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(sections=_SECTIONS, ports=_PORTS)
def test_nginx_accepts_whatever_the_schema_accepts(
    tmp_path_factory: pytest.TempPathFactory, sections: dict[str, Any], ports: tuple[int, ...]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "accepted; edge"
    state = StateDir(folder)
    state.prepare()
    (state.edge / "temp").mkdir(exist_ok=True)
    files = ensure_development(state.tls, ["localhost"], NOW)
    certificate = state.edge / "certificate.pem"
    certificate.write_bytes(files.key.read_bytes() + files.chain.read_bytes())
    conf = state.edge / CONF
    site = Site(folder=state.edge, certificate=certificate, worker_ports=ports, connections=128)
    conf.write_text(text(config(**sections), site))
    check(NGINX, conf, state.edge)
