"""The semantic cache in a whole service: real engine, real embedding model, kept by the controller."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.integration.service.test_reuse import said

from forebay.testing.service import Service
from forebay.testing.worker import wait_for

_KIND = {"role": "system", "content": "You are a helpful assistant."}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    # A busy machine must not turn a hit into a miss: the longest wait that may be set.
    cache = {"exact": True, "semantic": {"enabled": True, "deadline": "5s"}}
    model = {"engines": [{"kind": "embedded", "threads": 1}], "cache": cache}
    folder: Path = tmp_path_factory.mktemp("semantic")
    with Service(folder, {"smollm2": model}, gateway={"workers": 1}) as running:
        yield running


def asked(service: Service, text: str, **fields: Any) -> httpx2.Response:
    messages = [_KIND, {"role": "user", "content": text}]
    body = {"model": "smollm2", "messages": messages, "temperature": 0, "max_tokens": 12} | fields
    headers = {"authorization": f"Bearer {service.key}"}
    answer = httpx2.post(
        f"{service.url}/chat/completions", json=body, headers=headers, verify=service.tls(), timeout=60
    )
    assert answer.status_code == 200, answer.text
    return answer


def origin(answer: httpx2.Response) -> str:
    return str(answer.headers["x-forebay-cache"])


def test_a_question_in_other_words_is_answered_whole_and_streamed(service: Service) -> None:
    first = asked(service, "What is the capital of France?")
    assert "Paris" in first.text
    again = asked(service, "Please tell me what the capital of France is.")
    streamed = asked(service, "Could you tell me what is the capital of France?", stream=True)
    assert [origin(each) for each in (first, again, streamed)] == ["miss", "semantic", "semantic"]
    assert again.content == first.content
    assert said(streamed) == first.json()["choices"][0]["message"]["content"]
    assert float(again.headers["x-forebay-similarity"]) >= 0.9


def test_a_streamed_answer_serves_a_whole_one(service: Service) -> None:
    streamed = asked(service, "How do I bake bread at home?", stream=True)
    whole = asked(service, "How can I bake bread at home?")
    assert (origin(streamed), origin(whole)) == ("miss", "semantic")
    assert whole.json()["choices"][0]["message"]["content"] == said(streamed)


def test_a_question_that_is_only_like_it_is_generated(service: Service) -> None:
    asked(service, "What is the capital of France?")
    assert origin(asked(service, "What is the capital of Spain?")) == "miss"


def test_a_killed_embedder_stops_no_answer_and_comes_back(service: Service) -> None:
    embedder = service.status()["embedder"]
    assert embedder["state"] == "ready"
    os.kill(embedder["pid"], signal.SIGKILL)
    assert asked(service, "Tell me: what is the capital of France?").status_code == 200

    def is_back() -> bool:
        found = service.status()["embedder"]
        return bool(found["state"] == "ready" and found["pid"] not in {0, embedder["pid"]})

    wait_for("the embedder is started again", is_back, 90)
