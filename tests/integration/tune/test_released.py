"""From a ladder to a release in force: what was found runs, and nothing else changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from forebay.testing.service import Service
from forebay.testing.worker import wait_for

ROOT = Path(__file__).parents[3]
PATHS = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
ENGINE = {
    "kind": "vllm",
    "weights": "none/known",
    "release": "0.25.1",
    "program": [sys.executable, "-m", "tests.integration.tune.pretend_vllm", "serve"],
    "args": {"max-num-seqs": 8, "enforce-eager": True, "dtype": "bfloat16"},
    "env": {"PYTHONPATH": PATHS},
}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_killer_is_found_removed_confirmed_and_released(tmp_path: Path) -> None:
    with Service(tmp_path, {"m": {"engines": [ENGINE]}}, hardware="h100") as service:
        argv = [sys.executable, "-m", "forebay", "tune", "run", "-c", str(service.file), "-o", "json", "--release"]
        argv += ["--objective", "batch", "--only", "killers", "--way", "stages", "--window", "2s", "--rungs", "1"]
        argv += ["--input-tokens", "8", "--output-tokens", "8", "--concurrency", "4", "--budget", "5m"]
        done = subprocess.run([*argv, "--out", str(tmp_path / "out")], capture_output=True, timeout=400, check=False)
        assert done.returncode == 0, done.stderr.decode()
        told = json.loads(done.stdout)
        assert told["changed"] == {"enforce-eager": None}
        assert all(step["confirmed"] for step in told["steps"] if step["verdict"] == "better")
        assert told["release"] in service.run("release", "list").stdout
        assert "enforce-eager" in service.run("plan").stdout
        service.run("apply", "--release", told["release"], "-y")
        wait_for("the release is in force", lambda: service.status()["release"]["name"] == told["release"])
        assert service.status()["state"] == "ready"
        assert "--enforce-eager" not in service.run("engine", "command", "m-vllm").stdout
