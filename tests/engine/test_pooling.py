"""The routes of models that read and do not write, by a real vLLM told to embed and to classify."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from forebay.testing.service import Service
from tests.engine.test_api import metered


@pytest.fixture(scope="module")
def reading(vllm_model: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Generating weights that embed: their vectors mean little, their routes are those of any embedding model."""
    (engine,) = vllm_model["engines"]
    args = {**engine["args"], "runner": "pooling", "convert": "embed", "max-model-len": 512}
    models = {"vectors": {"engines": [{**engine, "name": "embeds", "args": args}]}}
    with Service(tmp_path_factory.mktemp("pooling"), models) as running:
        yield running


@pytest.fixture
def client(reading: Service) -> Iterator[OpenAI]:
    http = httpx2.Client(verify=reading.tls(), timeout=120)
    with OpenAI(base_url=reading.url, api_key=reading.key, http_client=http, max_retries=0) as made:
        yield made


def post(client: OpenAI, path: str, **fields: Any) -> Any:
    return client.post(path, body={"model": "vectors", **fields}, cast_to=httpx2.Response).json()


@pytest.mark.parametrize("form", ["float", "base64"])
def test_texts_become_vectors_and_are_metered(client: OpenAI, reading: Service, form: Any) -> None:
    answer = client.embeddings.create(model="vectors", input=["Hello there", "Paris"], encoding_format=form)
    assert len(answer.data) == 2
    assert len(answer.data[0].embedding) > 100
    assert metered(reading, "/v1/embeddings", stream=False) == (answer.usage.prompt_tokens, 0)


def test_embeddings_of_the_clients_own_default_form(client: OpenAI) -> None:
    assert isinstance(client.embeddings.create(model="vectors", input="Hello").data[0].embedding[0], float)


def test_documents_are_ranked(client: OpenAI, reading: Service) -> None:
    answer = post(client, "/rerank", query="Hello there", documents=["Paris", "Hello there"], top_n=1)
    assert [(found["index"], found["document"]["text"]) for found in answer["results"]] == [(1, "Hello there")]
    assert metered(reading, "/v1/rerank", stream=False) == (answer["usage"]["prompt_tokens"], 0)


@pytest.mark.parametrize("names", [("text_1", "text_2"), ("queries", "documents")])
def test_pairs_are_scored(client: OpenAI, reading: Service, names: tuple[str, str]) -> None:
    answer = post(client, "/score", **{names[0]: "Hello there", names[1]: ["Paris", "Hello there"]})
    low, high = (found["score"] for found in answer["data"])
    assert low < high
    assert metered(reading, "/v1/score", stream=False) == (answer["usage"]["prompt_tokens"], 0)


def test_tokens_are_served_here_too(client: OpenAI) -> None:
    assert post(client, "/tokenize", prompt="Hello")["count"] == 1


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
        ("/responses", {"input": "hi"}),
        ("/classify", {"input": "hi"}),
    ],
)
def test_a_route_that_the_engine_was_told_not_to_serve_is_refused(client: OpenAI, path: str, fields: Any) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        post(client, path, **fields)
    assert refused.value.code == "not_supported"
    assert "vectors" in refused.value.message
