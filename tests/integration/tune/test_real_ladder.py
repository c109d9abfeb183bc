"""A short ladder on a real engine, from the file to a release in force: what kills its speed is found and removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from forebay.testing.service import Service
from forebay.testing.worker import wait_for

KILLED = {"kind": "embedded", "max_sequences": 4, "threads": 4 * len(os.sched_getaffinity(0)), "context_tokens": 512}

_ATTEMPTS = 3


def tuned(file: Path, out: Path, *more: str) -> dict[str, Any]:
    argv = [sys.executable, "-m", "forebay", "tune", "run", "-c", str(file), "--out", str(out), "-o", "json"]
    argv += ["--objective", "batch", "--way", "stages", "--input-tokens", "8", "--output-tokens", "16", *more]
    done = subprocess.run(argv, capture_output=True, timeout=840, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def climbed(file: Path, folder: Path, *more: str) -> dict[str, Any]:
    """A start that met a busy machine is rightly not kept for what it showed: then it climbs anew."""
    for attempt in range(_ATTEMPTS):
        told = tuned(file, folder / f"out-{attempt}", *more)
        if told["changed"]:
            return told
    raise AssertionError(told["steps"])


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_killer_is_found_removed_confirmed_and_released(tmp_path: Path) -> None:
    """Four threads to a core: each step waits for threads that wait for a core."""
    with Service(tmp_path, {"smollm2": {"engines": [KILLED]}}) as service:
        asked = ("--concurrency", "4", "--window", "4s", "--rungs", "1", "--only", "embedded", "--budget", "4m")
        told = climbed(service.file, tmp_path, *asked, "--release")
        kept = [step for step in told["steps"] if step["verdict"] == "better"]
        assert kept, told["steps"]
        assert all(step["confirmed"] for step in kept)
        threads = told["winner"]["args"]["threads"]
        assert threads <= len(os.sched_getaffinity(0))
        assert told["sides"][0]["after"] > 1.2 * told["sides"][0]["before"]
        assert f"threads: {threads}" in told["patch"]
        written = YAML(typ="safe").load(service.file.read_text("utf-8"))
        assert written["models"]["smollm2"]["engines"][0]["threads"] == threads
        # The release is there, a plan says what it changes, and putting it in force replaces the engine.
        assert told["release"] in service.run("release", "list").stdout
        assert "threads" in service.run("plan").stdout
        service.run("apply", "--release", told["release"], "-y")
        wait_for("the tuned engine serves", lambda: service.status()["release"]["name"] == told["release"])
        command = service.run("engine", "command", "smollm2-embedded").stdout
        assert f"--threads {threads}" in command


@pytest.mark.long
@pytest.mark.timeout(900)
def test_an_exact_cache_is_kept_in_front_of_a_real_engine(tmp_path: Path) -> None:
    file = tmp_path / "forebay.yaml"
    models = {"smollm2": {"engines": [{**KILLED, "threads": 1}]}}
    file.write_text(json.dumps({"version": 1, "models": models, "gateway": {"workers": 1}}), encoding="utf-8")
    told = climbed(
        file,
        tmp_path,
        *("--gateway", "--only", "caches", "--repeats", "0.7", "--concurrency", "4", "--window", "5s", "--rungs", "1"),
        *("--budget", "4m", "--write"),
    )
    assert told["winner"]["gateway"]["model.cache.exact"] is True
    assert YAML(typ="safe").load(file.read_text("utf-8"))["models"]["smollm2"]["cache"]["exact"] is True
