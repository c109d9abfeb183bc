"""A real model: what a limit has been charged is what the engine says it used, streamed or whole, one choice or two."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from forebay.testing.service import Service

LIMIT = 1_000_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    models = {"smollm2": {"engines": [{"kind": "embedded", "name": "e", "max_sequences": 2, "threads": 1}]}}
    folder: Path = tmp_path_factory.mktemp("service")
    limits = {"tenant": {"tokens_per_minute": LIMIT}}
    with Service(folder, models, limits=limits, edge={"kind": "none"}, gateway={"workers": 1}) as running:
        yield running


def _call(service: Service, **fields: Any) -> tuple[int, bytes]:
    """How many tokens were left when the call had been let in, and the answer."""
    body = {"model": "smollm2", "messages": [{"role": "user", "content": "Name a river."}], "max_tokens": 12, **fields}
    connection = http.client.HTTPConnection("127.0.0.1", service.content["gateway"]["worker_port"], timeout=60)
    headers = {"authorization": f"Bearer {service.key}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", orjson.dumps(body), headers)
    answer = connection.getresponse()
    left, content = int(answer.headers["x-ratelimit-remaining-tokens"]), answer.read()
    connection.close()
    assert answer.status == 200, content
    return left, content


@pytest.mark.parametrize("stream", [False, True])
def test_tokens_settle_to_the_engines_own_count(service: Service, stream: bool) -> None:
    before, _content = _call(service)
    options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    used = 0
    for content in (_content, _call(service, **options)[1]):
        events = [line[6:] for line in content.splitlines() if line.startswith(b"data: {")] or [content]
        usages = [found for event in events if (found := orjson.loads(event).get("usage"))]
        used += usages[-1]["total_tokens"]
    after, _content = _call(service)
    assert used > 20
    assert before - after == used  # both were read with the same reservation in force


@pytest.mark.parametrize("stream", [False, True])
def test_each_of_several_answers_is_charged(service: Service, stream: bool) -> None:
    """llama.cpp tells the usage of the first alone."""
    before, _content = _call(service, ignore_eos=True)
    prompt = orjson.loads(_content)["usage"]["prompt_tokens"]
    _call(service, ignore_eos=True, n=2, stream=stream)
    after, _content = _call(service, ignore_eos=True)
    assert before - after == (prompt + 12) + (prompt + 2 * 12)
