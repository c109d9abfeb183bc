"""Claims about a real vLLM that forebay's own command line started."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx2
from openai import OpenAI

from forebay.config.flags import release
from forebay.config.schema import VllmEngine
from forebay.engines.command import command
from tests.engine.conftest import RealVllm

QUESTION = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "What is the capital of France?"},
]


def test_it_knows_the_capital_of_france(real_vllm: RealVllm) -> None:
    with OpenAI(base_url=f"{real_vllm.url}/v1", api_key="none") as client:
        answer = client.chat.completions.create(
            model=real_vllm.model,
            messages=QUESTION,
            temperature=0,
            max_tokens=32,  # type: ignore[arg-type]
        )
    assert "Paris" in (answer.choices[0].message.content or "")


def test_without_a_system_prompt_it_answers_in_english_too(real_vllm: RealVllm) -> None:
    with OpenAI(base_url=f"{real_vllm.url}/v1", api_key="none") as client:
        answer = client.chat.completions.create(
            model=real_vllm.model,
            messages=QUESTION[1:],
            temperature=0,
            max_tokens=32,  # type: ignore[arg-type]
        )
    assert answer.choices[0].message.content == "The capital of France is Paris."


def test_its_metrics_are_there(real_vllm: RealVllm) -> None:
    page = httpx2.get(f"{real_vllm.url}/metrics", timeout=10).text
    names = {line.split("{")[0] for line in page.splitlines() if line.startswith("vllm:")}
    assert {"vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"} <= names


def test_the_log_level_asked_for_is_the_one_it_writes(real_vllm: RealVllm) -> None:
    assert "--log-level" in real_vllm.spec.argv
    own_lines = [line for line in real_vllm.log.read_text(errors="replace").splitlines() if "[" in line]
    assert any("WARNING" in line for line in own_lines)
    assert not [line for line in own_lines if " INFO " in line and ".py:" in line]


def test_the_variable_of_releases_without_the_flag_is_understood(vllm_python: Path) -> None:
    engine = VllmEngine.model_validate({"kind": "vllm", "weights": "w", "release": "0.30.0", "log_level": "error"})
    env = command(engine, served_name="m", release=release("0.30.0")).env
    ask = "from vllm.config.logging import LoggingConfig; print(LoggingConfig().log_level)"
    told = subprocess.run([vllm_python, "-I", "-c", ask], env=env, capture_output=True, text=True, check=True)
    assert told.stdout.split()[-1] == "ERROR"
