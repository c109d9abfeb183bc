"""The edge as sslyze sees it: Mozilla's modern configuration and nothing that it warns of."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.integration.edge import sslyze
from tests.integration.edge.real_edge import Edge

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

REFUSED = ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2")


def test_the_edge_is_modern(edge: Edge, tmp_path: Path) -> None:
    found = tmp_path / "sslyze.json"
    target = f"localhost:{edge.https_port}"
    trusted = f"--certinfo_ca_file={edge.state.tls / 'ca.pem'}"  # as the service's clients trust it
    argv = [str(sslyze.program()), "-m", "sslyze", "--mozilla_config=modern", trusted, f"--json_out={found}", target]
    said = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=500)
    result = json.loads(found.read_text())["server_scan_results"][0]["scan_result"]
    for version in REFUSED:
        assert _accepted(result, version) == [], version
    assert _accepted(result, "tls_1_3")
    assert result["tls_compression"]["result"]["supports_compression"] is False
    assert result["heartbleed"]["result"]["is_vulnerable_to_heartbleed"] is False
    assert result["openssl_ccs_injection"]["result"]["is_vulnerable_to_ccs_injection"] is False
    assert f"{target}: OK - Compliant." in said.stdout, said.stdout[said.stdout.index("COMPLIANCE AGAINST") :]
    assert said.returncode == 0


def _accepted(result: dict[str, Any], version: str) -> list[str]:
    suites = result[f"{version}_cipher_suites"]["result"]["accepted_cipher_suites"]
    return [suite["cipher_suite"]["name"] for suite in suites]
