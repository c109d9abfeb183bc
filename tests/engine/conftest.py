"""One real vLLM for the whole session, started from the command line that forebay renders."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest

from forebay.config.schema import Model, VllmEngine
from forebay.engines.spec import EngineSpec
from forebay.engines.vllm import vllm_specs
from tests.engine import install

START_LIMIT_S = 400.0
STOP_LIMIT_S = 40.0
ENGINE_NAME = "smollm2"


class RealVllm(msgspec.Struct, frozen=True, kw_only=True):
    """A vLLM that answers at `url`; `spec` is what forebay rendered, `log` what it wrote."""

    url: str
    port: int
    model: str
    pid: int
    log: Path
    spec: EngineSpec


@pytest.hookimpl
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs vLLM, whose start takes longer than a test may; workers must share the one that runs."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for mark in (pytest.mark.vllm, pytest.mark.timeout(600), pytest.mark.xdist_group("vllm")):
                item.add_marker(mark)


@pytest.fixture(scope="session")
def vllm_python() -> Path:
    """An interpreter that has vLLM."""
    if not install.wanted():
        pytest.skip(f"{install.OFF}=off")
    install.prepare(lambda text: sys.stderr.write(f"{text}\n") and None)
    return install.python()


@pytest.fixture(scope="session")
def vllm_model(vllm_python: Path) -> Model:
    """The model of forebay.yaml that the tests serve: two sequences and 1024 tokens start fast and fit anywhere."""
    engine = {
        "kind": "vllm",
        "name": "real",
        "weights": str(install.weights()),
        "release": install.VERSION,
        "program": [str(vllm_python.with_name("vllm")), "serve"],
        "log_level": "warning",
        "shutdown": "10s",
        "args": {"enforce-eager": True, "max-model-len": 1024, "max-num-seqs": 8},
        "env": {"VLLM_CPU_KVCACHE_SPACE": "1"},
    }
    return Model.model_validate({"engines": [engine], "aliases": ["gpt-4o-mini"]})


@pytest.fixture(scope="session")
def real_vllm(vllm_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealVllm]:
    """A running vLLM; its whole process group ends with the session."""
    (engine,) = vllm_model.engines
    assert isinstance(engine, VllmEngine)
    (spec,) = vllm_specs(ENGINE_NAME, vllm_model, engine)
    port = free_port()
    log = tmp_path_factory.mktemp("vllm") / "engine.log"
    with log.open("wb") as output:
        program = subprocess.Popen(
            [word.replace("{port}", str(port)) for word in spec.argv],
            env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **spec.env},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://{spec.host}:{port}"
        wait_until_healthy(url, program, log)
        yield RealVllm(url=url, port=port, model=ENGINE_NAME, pid=program.pid, log=log, spec=spec)
    finally:
        stop_group(program)


def wait_until_healthy(url: str, program: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if program.poll() is not None:
            pytest.fail(f"vLLM ended with {program.returncode}:\n{log.read_text(errors='replace')[-3000:]}")
        try:
            if httpx2.get(f"{url}/health", timeout=2).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.25)
    pytest.fail(f"vLLM did not answer in {START_LIMIT_S:.0f} s:\n{log.read_text(errors='replace')[-3000:]}")


def stop_group(program: subprocess.Popen[bytes]) -> None:
    """End the engine, its core and its workers: a leader that is gone may leave members behind."""
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(program.pid, wanted)
        except ProcessLookupError:
            break
        try:
            program.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            continue
    program.wait(STOP_LIMIT_S)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
