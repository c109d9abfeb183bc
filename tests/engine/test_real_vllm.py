"""A real vLLM behind the gateway: answers, streams, aborts, metrics, and a log in forebay's form."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import orjson
import pytest
from openai import OpenAI
from prometheus_client.parser import text_string_to_metric_families

from forebay.config.flags import release
from forebay.config.schema import VllmEngine
from forebay.engines.command import command
from forebay.testing.service import Service
from forebay.testing.worker import wait_for
from tests.engine.conftest import ENGINE_NAME, engine_url
from tests.engine.test_api import calls

QUESTION = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "What is the capital of France?"},
]
STORY = [{"role": "user", "content": "Tell me a very long story."}]


@pytest.fixture
def client(real_vllm: Service) -> Iterator[OpenAI]:
    http = httpx2.Client(verify=real_vllm.tls(), timeout=120)
    with OpenAI(base_url=real_vllm.url, api_key=real_vllm.key, http_client=http, max_retries=0) as made:
        yield made


def counter(service: Service, name: str) -> float:
    """One of vLLM's own metrics, summed over its labels."""
    page = httpx2.get(f"{engine_url(service)}/metrics", timeout=60).text
    families = text_string_to_metric_families(page)
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


def test_it_knows_the_capital_of_france(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=ENGINE_NAME, messages=QUESTION, temperature=0, max_tokens=32)
    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.model == ENGINE_NAME


def test_without_a_system_prompt_it_answers_in_english_too(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION[1:], temperature=0, max_tokens=32)
    assert answer.choices[0].message.content == "The capital of France is Paris."


def test_a_stream_says_the_same_and_is_counted(client: OpenAI, real_vllm: Service) -> None:
    stream = client.chat.completions.create(
        model=ENGINE_NAME, messages=QUESTION, temperature=0, max_tokens=32, stream=True
    )
    chunks = list(stream)
    assert "Paris" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert all(chunk.choices for chunk in chunks), "the usage event is the gateway's own and stays there"

    def counted() -> bool:
        return any(line.get("stream") and line["tokens"]["output"] > 3 for line in calls(real_vllm))

    wait_for("the stream's tokens are in the log", counted)


def test_a_client_that_leaves_stops_the_work(client: OpenAI, real_vllm: Service) -> None:
    for _ in range(4):
        stream = client.chat.completions.create(model=ENGINE_NAME, messages=STORY, max_tokens=900, stream=True)
        next(iter(stream))
        stream.close()
    for gauge in ("vllm:num_requests_running", "vllm:num_requests_waiting"):
        wait_for(f"{gauge} is 0", lambda gauge=gauge: counter(real_vllm, gauge) == 0)


def test_its_metrics_are_scraped(client: OpenAI, real_vllm: Service) -> None:
    assert counter(real_vllm, "vllm:generation_tokens_total") > 0

    def scraped() -> bool:
        (engine,) = real_vllm.status()["engines"]
        return engine["state"] == "ready" and isinstance(engine["kv_usage_ratio"], float)

    wait_for("the controller has read vLLM's own metrics", scraped)


def test_its_log_comes_out_as_json_at_the_level_asked_for(real_vllm: Service) -> None:
    lines = [orjson.loads(line) for line in real_vllm.state.log("real").read_bytes().splitlines()]
    assert {"timestamp", "level", "message", "service", "version", "unit"} <= lines[0].keys()
    assert any(line["level"] == "warning" for line in lines)
    assert not [line for line in lines if "API server version" in line["message"]], "vLLM says that at level info"


def test_the_variable_of_releases_without_the_flag_is_understood(vllm_python: Path) -> None:
    engine = VllmEngine.model_validate({"kind": "vllm", "weights": "w", "release": "0.30.0", "log_level": "error"})
    env = command(engine, served_name="m", release=release("0.30.0")).env
    ask = "from vllm.config.logging import LoggingConfig; print(LoggingConfig().log_level)"
    told = subprocess.run([vllm_python, "-I", "-c", ask], env=env, capture_output=True, text=True, check=True)
    assert told.stdout.split()[-1] == "ERROR"
