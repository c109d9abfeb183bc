"""A short ladder on a real vLLM, from the file to a release in force: what kills its speed is found and removed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from forebay.testing.service import Service
from forebay.testing.worker import wait_for

_LOAD = ("--objective", "batch", "--concurrency", "8", "--input-tokens", "16", "--output-tokens", "16")
_SHORT = ("--way", "stages", "--only", "sequences", "--window", "4s", "--rungs", "1", "--budget", "20m")


def climbed(file: Path, folder: Path) -> dict[str, Any]:
    argv = [sys.executable, "-m", "forebay", "tune", "run", "-c", str(file), "-o", "json", *_LOAD, *_SHORT]
    done = subprocess.run(
        [*argv, "--out", str(folder / "out"), "--release"], capture_output=True, timeout=1500, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.long
@pytest.mark.timeout(1700)
def test_a_killer_is_found_removed_confirmed_and_released(vllm_model: dict[str, Any], tmp_path: Path) -> None:
    """One sequence at a time: every step reads all weights for a single token, and all other callers wait."""
    engine = vllm_model["engines"][0]
    args = {"enforce-eager": True, "max-model-len": 512, "max-num-seqs": 1}
    with Service(tmp_path, {"smollm2": {"engines": [{**engine, "args": args}]}}) as service:
        told = climbed(service.file, tmp_path)
        assert told["changed"], told["steps"]
        assert all(step["confirmed"] for step in told["steps"] if step["verdict"] == "better")
        many = told["winner"]["args"]["max-num-seqs"]
        assert many >= 8
        assert told["sides"][0]["after"] > 1.3 * told["sides"][0]["before"]
        assert f"max-num-seqs: {many}" in told["patch"]
        written = YAML(typ="safe").load(service.file.read_text("utf-8"))
        assert written["models"]["smollm2"]["engines"][0]["args"]["max-num-seqs"] == many
        # The release is there, a plan says what it changes, and putting it in force replaces the engine.
        assert told["release"] in service.run("release", "list").stdout
        assert "max-num-seqs" in service.run("plan").stdout
        service.run("apply", "--release", told["release"], "-y")
        wait_for("the tuned engine serves", lambda: service.status()["release"]["name"] == told["release"])
        assert service.status()["state"] == "ready"
