"""Claims of the programs themselves about what forebay renders for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import compose_spec
import kubernetes_validate
import pytest
from ruamel.yaml import YAML
from tests import programs
from tests.unit.render.configuration import production

from forebay.config.schema import Config
from forebay.core.files import write_atomically
from forebay.render.target import Subject, load_targets

KUBERNETES = "1.37"
# Objects of the Gateway API: a cluster brings their schema itself, Kubernetes does not.
CUSTOM = {"Gateway", "HTTPRoute"}
ONLY_EMBEDDED = {"version": 1, "models": {"smollm2": {"engines": [{"kind": "embedded"}]}}}
CONFIGURATIONS = {"production": production(), "embedded": Config.model_validate(ONLY_EMBEDDED)}


@pytest.fixture(params=sorted(CONFIGURATIONS))
def config(request: pytest.FixtureRequest) -> Config:
    return CONFIGURATIONS[request.param]


def rendered(target: str, config: Config, folder: Path) -> Path:
    for name, text in load_targets()[target].files(Subject(config=config, folder=folder)).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, text.encode(), mode=0o755 if name.endswith(".sh") else 0o644)
    return folder


def program(name: str) -> str:
    found = programs.found(name) if programs.wanted() else None
    if found is None:
        pytest.skip(f"there is no {name}: python -m tests.prepare says why")
    return found


def said(argv: list[str], folder: Path) -> str:
    done = subprocess.run(
        argv, cwd=folder, env=programs.environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_scraping_and_rules(config: Config, tmp_path: Path) -> None:
    rendered("prometheus", config, tmp_path)
    said([program("promtool"), "check", "config", "prometheus.yml"], tmp_path)


# Each series, and the alerts that must be firing after an hour of it.
FIRING: dict[str, tuple[dict[str, str], list[str]]] = {
    "down": ({'up{job="forebay", instance="a"}': "0x60"}, ["ForebayDown"]),
    "well": (
        {
            'up{job="forebay", instance="a"}': "1x60",
            'forebay_engine_state{engine="e", state="ready"}': "1x60",
            'vllm_requests_total{status="200"}': "0+100x60",
        },
        [],
    ),
    "errors": (
        {
            'vllm_requests_total{status="200"}': "0+90x60",
            'vllm_requests_total{status="503"}': "0+10x60",
        },
        ["ForebayErrors"],
    ),
    "errors among probes that succeed": (
        {
            'vllm_requests_total{endpoint="/health", status="200"}': "0+120x60",
            'vllm_requests_total{endpoint="/v1/chat/completions", status="503"}': "0+2x60",
        },
        ["ForebayErrors"],
    ),
    "an engine is away": (
        {
            'forebay_engine_state{engine="e", state="ready"}': "0x60",
            'forebay_engine_state{engine="f", state="ready"}': "1x60",
        },
        ["ForebayEngineNotReady"],
    ),
    "slow": (
        {
            'forebay_time_to_first_token_seconds_bucket{model="m", le="5.0"}': "0+10x60",
            'forebay_time_to_first_token_seconds_bucket{model="m", le="10.0"}': "0+100x60",
            'forebay_time_to_first_token_seconds_bucket{model="m", le="+Inf"}': "0+100x60",
        },
        ["ForebaySlowFirstToken"],
    ),
    "restarts": (
        {'forebay_engine_restarts_total{engine="e"}': "0+1x60"},
        ["ForebayEngineRestarts"],
    ),
}


def test_promtool_sees_the_alerts_fire_for_what_they_are_about(tmp_path: Path) -> None:
    rendered("prometheus", production(), tmp_path)
    (rules,) = YAML(typ="safe", pure=True).load_all((tmp_path / "rules.yml").read_text())
    names = [rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
    # That an alert fires needs its labels and texts too: what is asked here is Prometheus' own series of alerts.
    cases = [
        {
            "name": name,
            "interval": "1m",
            "input_series": [{"series": each, "values": values} for each, values in series.items()],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{alert}", alertstate="firing"}}) or vector(0)',
                    "eval_time": "59m",
                    "exp_samples": [{"labels": "{}", "value": int(alert in firing)}],
                }
                for alert in names
            ],
        }
        for name, (series, firing) in FIRING.items()
    ]
    with (tmp_path / "test.yml").open("w") as file:
        YAML(typ="safe", pure=True).dump({"rule_files": ["rules.yml"], "tests": cases}, file)
    said([program("promtool"), "test", "rules", "test.yml"], tmp_path)


def test_amtool_accepts_the_routes_and_wakes_someone_for_what_is_critical(config: Config, tmp_path: Path) -> None:
    rendered("alertmanager", config, tmp_path)
    amtool = program("amtool")
    said([amtool, "check-config", "alertmanager.yml"], tmp_path)
    for severity, receiver in (("critical", "night"), ("warning", "morning")):
        route = [amtool, "config", "routes", "test", "--config.file=alertmanager.yml", f"severity={severity}"]
        assert said(route, tmp_path).strip() == receiver


def test_the_compose_file_is_one_by_the_specification(config: Config, tmp_path: Path) -> None:
    text = (rendered("compose", config, tmp_path) / "compose.yaml").read_text()
    project = compose_spec.PyCompose.from_yaml(text)
    project.validate()
    assert "forebay" in project.service_names()


def test_kubernetes_objects_are_valid_to_the_letter(config: Config, tmp_path: Path) -> None:
    rendered("kubernetes", config, tmp_path)
    checked = 0
    for path in sorted(tmp_path.glob("*.yaml")):
        for found in YAML(typ="safe", pure=True).load_all(path.read_text()):
            if found is None or found["kind"] in CUSTOM:
                continue
            kubernetes_validate.validate(found, KUBERNETES, strict=True)
            checked += 1
    assert checked >= 10


def test_systemd_accepts_the_unit(config: Config, tmp_path: Path) -> None:
    systemd = program("systemd-analyze")
    unit = rendered("systemd", config, tmp_path) / "forebay.service"
    unit.write_text(unit.read_text().replace("/opt/forebay/.venv/bin/forebay", str(Path(sys.executable))))
    said([systemd, "verify", "--man=no", str(unit)], tmp_path)


@pytest.mark.parametrize("node", [1, 2])
def test_keepalived_has_nothing_to_say_against_either_node(node: int, tmp_path: Path) -> None:
    keepalived = program("keepalived")
    cards = [path.name for path in Path("/sys/class/net").iterdir() if path.name != "lo"]
    if not cards:
        pytest.skip("there is no network interface that an address could move on")
    failover: dict[str, Any] = {"address": "192.0.2.10/24", "interface": cards[0], "nodes": ["192.0.2.1", "192.0.2.2"]}
    rendered("keepalived", production(edge={"failover": failover}), tmp_path)
    conf, script, answer = tmp_path / f"node-{node}" / "keepalived.conf", tmp_path / "check-edge.sh", tmp_path / "said"
    conf.write_text(conf.read_text().replace("/etc/keepalived/check-edge.sh", str(script)))
    # It ends its own group with SIGTERM, so its status says nothing: its words do.
    subprocess.run(
        [keepalived, f"--config-test={answer}", f"--use-file={conf}"],
        env=programs.environment(),
        capture_output=True,
        timeout=60,
        check=False,
        start_new_session=True,
    )
    assert answer.read_text() == ""
