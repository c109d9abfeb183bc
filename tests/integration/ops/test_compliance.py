"""`forebay compliance check` against a running service: what is so passes, what is broken fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forebay.ops.compliance.control import shipped_packs
from forebay.testing.service import Service

MODELS = {"m": {"engines": [{"kind": "embedded", "threads": 1}]}}
LIVE = [
    "tls_modern",
    "certificate_valid",
    "hsts_everywhere",
    "plain_http_refused",
    "calls_need_a_key",
    "inner_routes_closed",
    "input_checked",
    "admin_guarded",
    "only_the_edge_listens",
    "no_unknown_outbound",
    "keys_not_recoverable",
    "state_private",
    "content_not_logged",
    "metrics_collected",
    "gateway_redundant",
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("compliance"), MODELS) as running:
        yield running


def outcomes(service: Service, *arguments: str) -> dict[str, dict[str, Any]]:
    report = json.loads(service.run("compliance", "check", "-o", "json", *arguments, check=False).stdout)
    return {
        name: outcome
        for pack in report["packs"]
        for control in pack["controls"]
        for name, outcome in control["outcomes"].items()
    }


def test_what_holds_of_a_running_service_passes_with_evidence(service: Service) -> None:
    seen = outcomes(service)
    assert {name: seen[name]["verdict"] for name in LIVE} == dict.fromkeys(LIVE, "pass"), seen
    assert all(seen[name]["evidence"] for name in LIVE)
    # One engine alone: said, not hidden.
    assert seen["engines_redundant"]["verdict"] == "fail"


def test_what_is_broken_fails_and_is_named(service: Service) -> None:
    leak = service.state.logs / "leaked.log"
    leak.write_text(f"somebody wrote {service.key} here")
    try:
        found = outcomes(service)["keys_not_recoverable"]
    finally:
        leak.unlink()
    assert found["verdict"] == "fail"
    assert "logs/leaked.log" in found["evidence"]
    assert service.key not in json.dumps(found)


def test_the_report_is_a_page_in_the_readers_language(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    service.run("compliance", "check", "--pack", "dengbao-3", "--html", str(file), "--lang", "zh", check=False)
    text = file.read_text("utf-8")
    assert "第三级" in text
    assert "符合" in text


def test_a_service_that_does_not_run_is_not_called_compliant(tmp_path: Path) -> None:
    stopped = Service(tmp_path, MODELS)
    seen = outcomes(stopped)
    assert {outcome["verdict"] for outcome in seen.values()} <= {"not assessed", "fail", "pass"}
    assert {seen[name]["verdict"] for name in ("tls_modern", "calls_need_a_key")} == {"not assessed"}
    assert set(shipped_packs()) == {"dengbao-3", "gdpr", "pipl"}
