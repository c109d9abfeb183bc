"""Claims about what `forebay render` writes; real programs read it in tests/integration/render."""

from __future__ import annotations

import json
import re
import socket
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.unit.render.configuration import production
from tests.unit.render.golden import golden

from forebay.config.load import load
from forebay.core.errors import ConfigError
from forebay.observe.catalogue import METRICS
from forebay.render.alerts import ALERTS, RECORDS
from forebay.render.target import Subject, load_targets
from forebay.render.targets.grafana import PANELS

GOLDEN = Path(__file__).parent / "golden_files"
TARGETS = ("alertmanager", "compose", "keepalived", "kubernetes", "prometheus", "systemd")


def files(target: str, **more: Any) -> dict[str, str]:
    return load_targets()[target].files(Subject(config=production(**more), folder=Path("/out")))


def documents(text: str) -> list[dict[str, Any]]:
    return list(YAML(typ="safe", pure=True).load_all(text))


def of_kind(text: str, kind: str) -> list[dict[str, Any]]:
    return [document for document in documents(text) if document["kind"] == kind]


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_reads_as_its_golden_files(target: str) -> None:
    made = files(target)
    for name, text in made.items():
        golden(GOLDEN / target / name, text)
    known = {str(path.relative_to(GOLDEN / target)) for path in (GOLDEN / target).rglob("*") if path.is_file()}
    assert known == set(made)


@pytest.mark.parametrize("target", [*TARGETS, "grafana", "haproxy", "nginx"])
def test_the_same_configuration_gives_the_same_files(target: str) -> None:
    assert files(target) == files(target)


@pytest.mark.parametrize("program", ["nginx", "haproxy"])
@pytest.mark.parametrize("bind", ["127.0.0.1", "127.0.0.53", "0.0.0.0", "::1", "::"])  # noqa: S104  nothing listens here
def test_an_edge_that_may_run_anywhere_leads_to_its_own_machine(program: str, bind: str) -> None:
    (text,) = [text for name, text in files(program, gateway={"bind": bind}).items() if name.endswith(("conf", "cfg"))]
    servers = re.findall(r"^\s*server (?:worker-\d+ )?(\S+):\d+\b", text, re.MULTILINE)
    assert len(servers) == 2
    assert all(ip_address(each.strip("[]")).is_loopback for each in servers)


@pytest.mark.parametrize("program", ["nginx", "haproxy"])
@pytest.mark.parametrize("bind", ["203.0.113.5", "2001:db8::5"])
def test_no_edge_is_written_that_would_speak_in_clear_text_over_a_network(program: str, bind: str) -> None:
    with pytest.raises(ConfigError, match="clear text"):
        files(program, gateway={"bind": bind})


@pytest.mark.parametrize("program", ["nginx", "haproxy"])
def test_an_edge_may_speak_to_an_address_of_its_own_machine(program: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.5", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        own = probe.getsockname()[0]
    assert any(own in text for text in files(program, gateway={"bind": own}).values())


def test_every_metric_of_alerts_and_dashboards_is_in_the_catalogue() -> None:
    suffixes = ("", "_bucket", "_sum", "_count")
    known = {f"{metric.name}{suffix}" for metric in METRICS for suffix in suffixes} | set(RECORDS)
    queries = [expr for panel in PANELS for expr, _legend in panel.queries]
    queries += [alert.expr for alert in ALERTS] + list(RECORDS.values())
    used = {word for query in queries for word in re.findall(r"\b(?:forebay|vllm)[a-z0-9_:]+", query)}
    used -= {"forebay"}  # the job of `up`
    assert used - known == set()


def test_every_label_that_alerts_ask_for_belongs_to_their_metric() -> None:
    by_name = {metric.name: metric.labels for metric in METRICS}
    for alert in ALERTS:
        for name, matchers in re.findall(r"(forebay_[a-z_]+|vllm_[a-z_]+)\{([^}]*)\}", alert.expr):
            asked = set(re.findall(r"([a-z_]+)\s*[=!]", matchers))
            assert asked <= set(by_name[name]), alert.name


def test_every_alert_tells_what_to_do() -> None:
    assert [alert.name for alert in ALERTS if len(alert.runbook.split()) < 12] == []
    assert len({alert.name for alert in ALERTS}) == len(ALERTS)


def test_the_dashboard_is_json_with_an_id_for_every_panel() -> None:
    (text,) = files("grafana").values()
    panels = json.loads(text)["panels"]
    assert len({panel["id"] for panel in panels}) == len(PANELS)


@pytest.mark.parametrize("target", ["compose", "kubernetes"])
def test_the_configuration_of_the_gateways_container_is_accepted(target: str, tmp_path: Path) -> None:
    made = files(target)
    text = made["forebay.yaml"]
    if target == "kubernetes":
        (found,) = of_kind(text, "ConfigMap")
        text = found["data"]["forebay.yaml"]
    (tmp_path / "forebay.yaml").write_text(text)
    models = load(tmp_path / "forebay.yaml").config.models
    kinds = {engine.kind for model in models.values() for engine in model.engines}
    assert kinds == {"external" if target == "compose" else "discovered"}


def test_the_compose_file_has_none_of_the_usual_defects() -> None:
    (project,) = documents(files("compose")["compose.yaml"])
    for name, service in project["services"].items():
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
    large = project["services"]["qwen-qwen3-vl-235b-a22b-vllm-1"]
    assert large["command"][0] == "/srv/weights/qwen3-vl-235b-fp8"
    assert large["shm_size"] == "16gb"
    assert "http://127.0.0.1:8000/health" in large["healthcheck"]["test"][-1]
    assert large["command"][large["command"].index("--port") + 1] == "8000"
    assert large["healthcheck"]["start_period"] == "2400s"
    (gpus,) = large["deploy"]["resources"]["reservations"]["devices"]
    assert gpus["device_ids"] == ["0", "1", "2", "3"]
    assert "CUDA_VISIBLE_DEVICES" not in large["environment"]


def test_kubernetes_gives_pods_longer_than_they_drain_and_probes_that_mean_what_they_ask() -> None:
    made = files("kubernetes")
    pods = {
        found["metadata"]["name"]: found["spec"]["template"]["spec"]
        for text in (made["engines.yaml"], made["forebay.yaml"])
        for found in of_kind(text, "Deployment")
    }
    config = production()
    assert pods["forebay"]["terminationGracePeriodSeconds"] > config.gateway.timeouts.drain + 10
    (forebay,) = pods["forebay"]["containers"]
    assert forebay["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert forebay["livenessProbe"]["httpGet"]["path"] == "/health"
    engine = pods["qwen-qwen3-vl-235b-a22b-vllm"]
    assert engine["terminationGracePeriodSeconds"] >= 120 + 30
    probe = engine["containers"][0]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 40 * 60


def test_kubernetes_lets_forebay_watch_what_its_discovery_reads() -> None:
    made = files("kubernetes")
    (role,) = of_kind(made["forebay.yaml"], "Role")
    assert role["rules"] == [
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"]}
    ]
    (configuration,) = of_kind(made["forebay.yaml"], "ConfigMap")
    (document,) = documents(configuration["data"]["forebay.yaml"])
    sources = {engine["kubernetes"]["service"] for model in document["models"].values() for engine in model["engines"]}
    services = {found["metadata"]["name"]: found["spec"] for found in of_kind(made["engines.yaml"], "Service")}
    assert sources == set(services)
    assert {port["name"] for spec in services.values() for port in spec["ports"]} == {"http"}


def test_kubernetes_refuses_a_valkey_in_every_pod() -> None:
    with pytest.raises(ConfigError, match="Valkey of its own"):
        files("kubernetes", valkey={"kind": "bundled"})


@pytest.mark.parametrize("names", [("x-y", "x.y"), ("x_y", "x-y"), ("m" * 63 + "a", "m" * 63 + "b")])
def test_kubernetes_refuses_engines_whose_names_are_one_there(names: tuple[str, str]) -> None:
    engine = {"kind": "vllm", "weights": "/w", "release": "0.33.0"}
    with pytest.raises(ConfigError, match="is also models"):
        files("kubernetes", models={name: {"engines": [engine]} for name in names})


def test_keepalived_needs_an_address_and_an_edge() -> None:
    with pytest.raises(ConfigError, match="which address"):
        files("keepalived", edge={})
