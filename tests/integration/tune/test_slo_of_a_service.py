"""`forebay tune slo` against a service of known capacity."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forebay.testing.worker import free_port

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), "FOREBAY_API_KEY": "none"}
pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture
def service() -> Iterator[str]:
    """Two places, 8 tokens of 12 ms each: about 20 answers a second."""
    port = free_port()
    argv = [sys.executable, "-m", "tests.integration.tune.pretend_vllm", "serve", "w", "--port", str(port)]
    engine = subprocess.Popen([*argv, "--max-num-seqs", "2", "--enforce-eager"], env=ENVIRONMENT)
    url = f"http://127.0.0.1:{port}"
    deadline_s = time.monotonic() + 60
    try:
        while not _answers(url):
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        yield url
    finally:
        engine.kill()
        engine.wait(30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:  # noqa: S310  a URL of our own
            return bool(answer.status == 200)
    except OSError:
        return False


def slo(url: str, bounds: str, folder: Path) -> tuple[int, dict[str, Any]]:
    argv = [sys.executable, "-m", "forebay", "tune", "slo", "--url", url, "--model", "m", "--slo", bounds, "-o", "json"]
    argv += ["--rate", "4", "--input-tokens", "8", "--output-tokens", "8", "--window", "4s", "--budget", "150s"]
    done = subprocess.run(argv, env=ENVIRONMENT, cwd=folder, capture_output=True, timeout=280, check=False)
    assert done.stdout, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


def test_it_is_below_the_capacity_and_not_far_below(service: str, tmp_path: Path) -> None:
    code, found = slo(service, "e2e=400ms", tmp_path)
    assert code == 0
    assert 5 < found["highest_rps"] < 21


def test_an_slo_that_no_load_can_meet(service: str, tmp_path: Path) -> None:
    code, found = slo(service, "e2e=20ms", tmp_path)
    assert code == 1
    assert found["highest_rps"] is None
    assert "no load keeps the SLO" in found["why"]
