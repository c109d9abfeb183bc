"""Two real engines as a small and a large model: real log-probabilities decide, clients see one model.

Both hold the same weights, so nothing here says anything of quality: it is the mechanism that is tested.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from tests.integration.service.conftest import client_of

from forebay.testing.service import Service
from forebay.testing.worker import wait_for

ENGINE = {"kind": "embedded", "threads": 1, "context_tokens": 1024}
MESSAGES: list[Any] = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "What is the capital of France?"},
]
CALL: dict[str, Any] = {"model": "large", "messages": MESSAGES, "temperature": 0, "max_tokens": 40}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def models(cascade: dict[str, Any] | None) -> dict[str, Any]:
    large = {"aliases": ["gpt-4o"], "engines": [dict(ENGINE)]} | ({"cascade": cascade} if cascade else {})
    return {"large": large, "small": {"engines": [dict(ENGINE)]}}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    cascade = {"first": "small", "confidence": {"mean_logprob": -1.0}, "sample_ratio": 1.0}
    folder: Path = tmp_path_factory.mktemp("cascade")
    with Service(folder, models(cascade), gateway={"workers": 1}) as running:
        yield running


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[openai.OpenAI]:
    with client_of(service, timeout=60) as made:
        yield made


def asked(client: openai.OpenAI, **fields: Any) -> tuple[str, str]:
    """What became of the first step, and the answer's text."""
    raw = client.chat.completions.with_raw_response.create(**CALL | fields)
    text = raw.parse().choices[0].message.content
    return raw.headers.get("x-forebay-cascade", ""), text


def use(service: Service, client: openai.OpenAI, cascade: dict[str, Any] | None, first: str) -> None:
    """Change the policy of the running service, and wait until calls go as `first` says."""
    service.content["models"] = models(cascade)
    service.write()
    service.run("up", "--detach")
    wait_for("it is in force", lambda: asked(client)[0] == first, 60)


def test_a_sure_answer_is_given_whole_and_as_a_stream_and_compared(service: Service, client: openai.OpenAI) -> None:
    how, text = asked(client)
    assert (how, "Paris" in text) == ("first", True)
    whole = client.chat.completions.create(**CALL | {"model": "gpt-4o"})
    assert (whole.model, whole.choices[0].logprobs) == ("large", None)
    stream = client.chat.completions.create(**CALL, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == text
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    # The same weights, greedily: the background's answer is the same text.
    wait_for("one is compared", lambda: page(service, 'samples_total{model="large",result="exact"}') >= 1, 60)
    assert page(service, 'tokens_total{model="large",step="avoided",type="output"}') > 0


def test_completions_are_judged_by_their_own_log_probabilities(client: openai.OpenAI) -> None:
    raw = client.completions.with_raw_response.create(
        model="large", prompt="1, 2, 3, 4, 5, 6,", temperature=0, max_tokens=30, stop=["10"]
    )
    assert raw.headers["x-forebay-cascade"] == "first"
    assert "7, 8" in raw.parse().choices[0].text


def test_an_answer_that_is_cut_off_goes_on(client: openai.OpenAI) -> None:
    assert asked(client, max_tokens=2)[0] == "escalated;reason=unfinished"


def test_policies_change_while_it_runs(service: Service, client: openai.OpenAI) -> None:
    strict = {"first": "small", "confidence": {"mean_logprob": -0.000001}}
    use(service, client, strict, "escalated;reason=uncertain")
    assert "Paris" in asked(client)[1]
    use(service, client, {"first": "small", "confidence": {"self_check": 0.000001}}, "first")
    use(service, client, {"first": "small"}, "skipped;reason=ineligible")
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    how, text = asked(client, response_format=wanted, max_tokens=200)
    assert how in {"first", "escalated;reason=unfinished"}
    assert text.startswith("{")
    use(service, client, None, "")


def page(service: Service, series: str) -> float:
    """A value of the metrics page; 0 while it is not there."""
    for line in httpx2.get(service.metrics_url, timeout=20).text.splitlines():
        if line.startswith(f"forebay_cascade_{series}"):
            return float(line.rpartition(" ")[2])
    return 0.0
