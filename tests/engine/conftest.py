"""One real vLLM for the whole session, started by `forebay up`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forebay.testing.service import Service
from tests.engine import install

ENGINE_NAME = "smollm2"


@pytest.hookimpl
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs vLLM, whose start takes longer than a test may."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for mark in (pytest.mark.vllm, pytest.mark.timeout(600)):
                item.add_marker(mark)


@pytest.fixture(scope="session")
def vllm_python() -> Path:
    """An interpreter that has vLLM."""
    if not install.wanted():
        pytest.skip(f"{install.OFF}=off")
    install.prepare(lambda text: sys.stderr.write(f"{text}\n") and None)
    return install.python()


@pytest.fixture(scope="session")
def vllm_model(vllm_python: Path) -> dict[str, Any]:
    """The model of forebay.yaml that the tests serve: few sequences and 1024 tokens start fast and fit anywhere."""
    engine = {
        "kind": "vllm",
        "name": "real",
        "weights": str(install.weights()),
        "release": install.VERSION,
        "program": [str(vllm_python.with_name("vllm")), "serve"],
        "log_level": "warning",
        "shutdown": "10s",
        "args": {
            "enforce-eager": True,
            "max-model-len": 1024,
            "max-num-seqs": 8,
            "enable-auto-tool-choice": True,
            "tool-call-parser": "hermes",
            "enable-prefix-caching": True,
            "enable-prompt-tokens-details": True,
        },
        "env": {"VLLM_CPU_KVCACHE_SPACE": "1"},
    }
    return {"engines": [engine], "aliases": ["gpt-4o-mini"]}


@pytest.fixture(scope="session")
def real_vllm(vllm_model: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose one engine is a real vLLM: supervised, warmed up, behind gateway and edge."""
    with Service(tmp_path_factory.mktemp("vllm"), {ENGINE_NAME: vllm_model}) as running:
        yield running


def engine_url(service: Service) -> str:
    """Where the engine itself answers, past gateway and edge."""
    url: str = service.status()["engines"][0]["url"]
    return url
