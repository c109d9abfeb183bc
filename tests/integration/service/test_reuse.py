"""A question asked twice is answered once by real engines, whole and streamed, and again after a change of policy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from forebay.testing.service import Service

CAPITAL: dict[str, Any] = {
    "model": "smollm2",
    "messages": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "What is the capital of France?"},
    ],
    "temperature": 0,
    "max_tokens": 24,
}


@pytest.fixture(scope="module")
def reusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    engines = [{"kind": "embedded", "threads": 1}]
    model = {"engines": engines, "cache": {"exact": True, "single_flight": True}}
    folder: Path = tmp_path_factory.mktemp("reusing")
    with Service(folder, {"smollm2": model}, gateway={"workers": 1}) as running:
        yield running


def asked(service: Service, **fields: Any) -> httpx2.Response:
    headers = {"authorization": f"Bearer {service.key}"}
    answer = httpx2.post(
        f"{service.url}/chat/completions", json=CAPITAL | fields, headers=headers, verify=service.tls(), timeout=60
    )
    assert answer.status_code == 200, answer.text
    return answer


def test_the_same_question_is_a_hit_and_the_answer_the_same_bytes(reusing: Service) -> None:
    first, again = asked(reusing), asked(reusing)
    assert "Paris" in first.text
    assert (first.headers["x-forebay-cache"], again.headers["x-forebay-cache"]) == ("miss", "hit")
    assert first.content == again.content
    assert first.headers["x-request-id"] != again.headers["x-request-id"]


def test_a_stream_of_it_says_what_a_generated_one_says(reusing: Service) -> None:
    asked(reusing)
    fresh = asked(reusing, stream=True)
    generated = asked(reusing, stream=True, seed=1)
    again = asked(reusing, stream=True, seed=1)
    assert [each.headers["x-forebay-cache"] for each in (fresh, generated, again)] == ["hit", "miss", "hit"]
    assert said(fresh) == said(generated) == said(again)
    assert generated.text == again.text


def test_a_generated_stream_is_a_whole_answer_too(reusing: Service) -> None:
    streamed = asked(reusing, stream=True, seed=2)
    whole = asked(reusing, seed=2)
    assert whole.headers["x-forebay-cache"] == "hit"
    assert whole.json()["choices"][0]["message"]["content"] == said(streamed)
    counted = asked(reusing, seed=3).json()["usage"]
    assert all(counted[name] == count for name, count in whole.json()["usage"].items())


def said(stream: httpx2.Response) -> str:
    events = [orjson.loads(line[6:]) for line in stream.text.splitlines() if line.startswith("data: {")]
    return "".join(event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"])


def test_known_questions_are_there_before_anybody_asks(reusing: Service, tmp_path: Path) -> None:
    questions = tmp_path / "questions.jsonl"
    message = {"role": "user", "content": "What is the capital of Italy?"}
    questions.write_bytes(orjson.dumps(CAPITAL | {"messages": [CAPITAL["messages"][0], message]}))
    first = orjson.loads(reusing.run("cache", "warm", str(questions), "-o", "json").stdout)
    again = orjson.loads(reusing.run("cache", "warm", str(questions), "-o", "json").stdout)
    assert (first["computed"], again["already_there"]) == (1, 1)
    assert asked(reusing, messages=[CAPITAL["messages"][0], message]).headers["x-forebay-cache"] == "hit"
