"""Claims of the programs themselves about files in which the operator's own text stands."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.integration.render.test_real_programs import program, rendered, said
from tests.unit.render.configuration import production

from forebay.config.schema import Config
from forebay.core.errors import RunError
from forebay.render.edge import write_edge
from forebay.render.edge_programs import program_of
from forebay.render.trial import refusals
from forebay.store.state_dir import StateDir

SOUND = {
    "nginx": {
        "nginx_http": "limit_req_zone $binary_remote_addr zone=clients:1m rate=10r/s;\n",
        "nginx_server": "limit_req zone=clients burst=20;\nlocation = /own { return 204; }\n",
    },
    "haproxy": {
        "haproxy_global": "maxconnrate 1000\n",
        "haproxy_defaults": "option tcp-smart-accept\n",
        "haproxy_frontend": "http-request deny if { path /own }\n",
        "haproxy_backend": "http-request set-header X-Own one\n",
        "haproxy_sections": "userlist people\n    user ann insecure-password x\n",
    },
}
BROKEN = {
    "nginx_http": ("nginx", "map $a $b { default 1; }\nno_such_directive 1;\n", 2),
    "nginx_server": ("nginx", "location = /own {\n  return 204;\n  retrun;\n}\n", 3),
    "haproxy_frontend": ("haproxy", "# mine\nhttp-reqest deny\n", 2),
    "haproxy_sections": ("haproxy", "userlist people\n    usr ann\n", 2),
}
OWN = {
    "rules": {"own": "groups:\n  - name: own\n    rules:\n      - {alert: Own, expr: up == 0}\n"},
    "scrapes": {"node": "scrape_configs:\n  - job_name: node\n    static_configs: [{targets: ['127.0.0.1:9100']}]\n"},
    "alertmanager": (
        "routes:\n  - {receiver: team, matchers: ['team=\"search\"']}\n"
        "receivers:\n  - {name: team}\n  - {name: night, webhook_configs: [{url: 'http://127.0.0.1:1/x'}]}\n"
    ),
    "dashboards": {"own": '{"title": "own"}'},
}


def with_edge(kind: str, **include: str) -> Config:
    return production(edge={"kind": kind, "include": include})


@pytest.mark.parametrize("kind", SOUND)
def test_the_edges_program_takes_text_at_every_place(kind: str) -> None:
    assert set(SOUND[kind]) == {key for key in with_edge(kind).edge.include.model_dump() if key.startswith(kind)}
    assert list(refusals(with_edge(kind, **SOUND[kind]))) == []


@pytest.mark.parametrize("key", BROKEN)
def test_what_it_refuses_is_told_by_the_operators_own_line(key: str) -> None:
    kind, text, line = BROKEN[key]
    (finding,) = refusals(with_edge(kind, **{key: text}))
    assert finding.where == f"edge.include.{key}:{line}"
    assert kind in finding.why.lower()


def test_text_for_the_other_program_is_left_out() -> None:
    assert list(refusals(with_edge("nginx", haproxy_frontend="nonsense\n"))) == []


def test_a_refused_text_leaves_the_file_that_is_served_as_it_was(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    state.prepare()
    sound: dict[str, Any] = {"version": 1, "models": {"m": {"engines": [{"kind": "embedded"}]}}}
    ports = {"https_port": 18443, "http_port": None}
    config = Config.model_validate({**sound, "edge": ports})
    assert write_edge(config, state, [1])
    served = state.edge / program_of(config).conf
    before = served.read_bytes()
    for text in ("no_such_directive;", "location = /x { return 204; }\nretrun;"):
        refused = Config.model_validate({**sound, "edge": {**ports, "include": {"nginx_server": text}}})
        with pytest.raises(RunError) as caught:
            write_edge(refused, state, [1])
        assert caught.value.where.startswith("edge.include.nginx_server:")
        assert served.read_bytes() == before


def test_promtool_takes_rules_and_scrapes_of_ones_own(tmp_path: Path) -> None:
    rendered("prometheus", production(observe={"monitoring": OWN}), tmp_path)
    told = said([program("promtool"), "check", "config", "prometheus.yml"], tmp_path)
    assert "2 rule files found" in told
    assert "job_name: node" in (tmp_path / "prometheus.yml").read_text()


def test_amtool_sends_alerts_to_the_operators_receivers_first(tmp_path: Path) -> None:
    rendered("alertmanager", production(observe={"monitoring": OWN}), tmp_path)
    amtool = program("amtool")
    assert "3 receivers" in said([amtool, "check-config", "alertmanager.yml"], tmp_path)
    for labels, receiver in (
        (("severity=critical", "team=search"), "team"),
        (("severity=critical",), "night"),
        (("severity=warning",), "morning"),
    ):
        route = [amtool, "config", "routes", "test", "--config.file=alertmanager.yml", *labels]
        assert said(route, tmp_path).strip() == receiver
    text = (tmp_path / "alertmanager.yml").read_text()
    assert "http://127.0.0.1:1/x" in text
    assert "9094/night" not in text


def test_what_promtool_and_amtool_refuse_is_told() -> None:
    if not _has("promtool") or not _has("amtool"):
        pytest.skip("there is no promtool or amtool on the path")
    rules = {"rules": {"own": OWN["rules"]["own"].replace("up == 0", "'up =='")}}  # type: ignore[index]
    (finding,) = refusals(production(observe={"monitoring": rules}))
    assert "promtool" in finding.why
    nowhere = {"alertmanager": "routes: [{receiver: nobody}]\n"}
    (finding,) = refusals(production(observe={"monitoring": nowhere}))
    assert "amtool" in finding.why


def _has(name: str) -> bool:
    return shutil.which(name) is not None


def test_a_dashboard_of_ones_own_lies_beside_forebays(tmp_path: Path) -> None:
    rendered("grafana", production(observe={"monitoring": OWN}), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"forebay.json", "own.json"}
