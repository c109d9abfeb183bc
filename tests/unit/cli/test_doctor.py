"""doctor finds what would stop the service, and says how to fix it."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from forebay.cli.main import run
from forebay.testing.worker import free_port


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANGUAGE", "en")
    monkeypatch.delenv("FOREBAY_STATE", raising=False)
    return tmp_path


def examined(
    capsys: pytest.CaptureFixture[str], engine: str = "{kind: embedded}", extra: str = "", admin: int = 0
) -> tuple[int, dict[str, Any]]:
    https, http, gateway, worker, metrics, spare = (free_port() for _ in range(6))
    Path("forebay.yaml").write_text(
        f"version: 1\nmodels:\n  m:\n    engines: [{engine}]\n"
        f"edge: {{https_port: {https}, http_port: {http}}}\n"
        f"gateway: {{port: {gateway}, worker_port: {worker}, workers: 1}}\n"
        f"observe: {{metrics: {{port: {metrics}}}}}\nadmin: {{port: {admin or spare}}}\n{extra}",
        encoding="utf-8",
    )
    code = run(["doctor", "-o", "json"])
    return code, {finding["rule"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}


def test_a_machine_that_can_run_the_service_passes(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = examined(capsys)
    assert code == 0
    assert found["nginx"]["why"].startswith("nginx/")
    assert "Python" in found["python"]["why"]


def test_a_port_that_another_process_holds_is_named_with_its_holder(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        code, found = examined(capsys, admin=port)
    assert code == 1
    assert found["port_taken"]["where"] == "forebay.yaml:8: admin.port"
    assert str(os.getpid()) in found["port_taken"]["why"]


def test_an_address_that_this_machine_lacks_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    Path("forebay.yaml").write_text(
        "version: 1\nmodels: {m: {engines: [{kind: embedded}]}}\nadmin: {bind: 192.0.2.1}\n"
    )
    assert run(["doctor"]) == 1
    assert "this machine has no address 192.0.2.1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("engine", "rule"),
    [
        ("{kind: embedded, weights: nowhere.gguf}", "weights_missing"),
        ("{kind: vllm, weights: ./nowhere, release: 0.33.0, program: [no-such-vllm]}", "vllm_missing"),
        ("{kind: vllm, weights: ./nowhere, release: 0.33.0, gpus: [77]}", "gpu_missing"),
        ("{kind: external, url: 'http://h:1', api_key: env:SURELY_NOT_SET_ANYWHERE}", "secret_missing"),
        ("{kind: external, url: 'http://h:1', api_key: file:nowhere}", "secret_missing"),
    ],
)
def test_what_the_file_names_must_be_there(capsys: pytest.CaptureFixture[str], engine: str, rule: str) -> None:
    code, found = examined(capsys, engine)
    assert code == 1
    assert found[rule]["severity"] == "error"
    assert found[rule]["fix"]


def test_a_state_directory_that_others_may_read_is_told(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    (here / ".forebay").mkdir(mode=0o755)
    code, found = examined(capsys)
    assert code == 1
    assert found["state_open"]["fix"] == f"chmod 700 {here / '.forebay'}"


def test_too_few_open_files_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    Path("forebay.yaml").write_text(
        "version: 1\nmodels: {m: {engines: [{kind: embedded}]}}\ngateway: {limits: {connections: 100000000}}\n"
    )
    run(["doctor"])
    assert "[open_files]" in capsys.readouterr().out


def test_a_broken_configuration_is_told_first(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = examined(capsys, "{kind: embeded}")
    assert code == 1
    assert list(found) == ["config_choice"]


def test_what_an_order_of_certificates_needs_is_named(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    account = "external_account: {id: x, key: file:nowhere}"
    text = f"{{directory: 'https://ca/dir', ca: gone.pem, account_key: env:SURELY_NOT_SET_ANYWHERE, {account}}}"
    (here / "forebay.yaml").write_text(
        f"version: 1\nmodels: {{m: {{engines: [{{kind: embedded}}]}}}}\nedge:\n  acme: {text}\n", encoding="utf-8"
    )
    assert run(["doctor", "-o", "json"]) == 1
    found = [(each["rule"], each["where"]) for each in json.loads(capsys.readouterr().out)["findings"]]
    wanted = {"acme_ca": "ca", "secret_missing": "account_key"}
    assert {(rule, f"forebay.yaml:4: edge.acme.{key}") for rule, key in wanted.items()} <= set(found)
    assert ("secret_missing", "forebay.yaml:4: edge.acme.external_account.key") in found
