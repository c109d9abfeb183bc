"""Every route that a generating vLLM serves, asked by unmodified clients through a running service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import orjson
import pytest
from openai import OpenAI

from forebay.testing.service import Service
from forebay.testing.worker import wait_for
from forebay.wire.anthropic import COUNT_TOKENS, MESSAGES
from forebay.wire.openai import CHAT, CLASSIFY, COMPLETIONS, DETOKENIZE, EMBEDDINGS, RERANK, RESPONSES, SCORE, TOKENIZE
from tests.engine import install
from tests.engine.api_probe import api
from tests.engine.conftest import ENGINE_NAME

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
SHAPES = (
    CHAT, COMPLETIONS, RESPONSES, MESSAGES, COUNT_TOKENS, EMBEDDINGS, RERANK, SCORE, CLASSIFY, TOKENIZE, DETOKENIZE,
)  # fmt: skip
SCHEMA = {
    "type": "object",
    "properties": {"city": {"$ref": "#/$defs/city"}},
    "required": ["city"],
    "additionalProperties": False,
    "$defs": {"city": {"type": "string", "enum": ["Paris", "Rome"]}},
}
PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
TOOL = {"name": "weather", "description": "The weather of a city", "parameters": SCHEMA, "strict": True}
CALLS = {("weather", "Paris"), ("weather", "Rome")}


@pytest.fixture
def client(real_vllm: Service) -> Iterator[OpenAI]:
    http = httpx2.Client(verify=real_vllm.tls(), timeout=120)
    with OpenAI(base_url=real_vllm.url, api_key=real_vllm.key, http_client=http, max_retries=0) as made:
        yield made


@pytest.fixture
def claude(real_vllm: Service) -> Iterator[anthropic.Anthropic]:
    http = httpx2.Client(verify=real_vllm.tls(), timeout=120)
    url = real_vllm.url.removesuffix("/v1")
    with anthropic.Anthropic(base_url=url, api_key=real_vllm.key, http_client=http, max_retries=0) as made:
        yield made


def ask(client: OpenAI, **options: Any) -> Any:
    wanted = {"model": ENGINE_NAME, "messages": QUESTION, "temperature": 0, "max_tokens": 16, **options}
    return client.chat.completions.create(**wanted)


def metered(service: Service, endpoint: str, *, stream: bool) -> tuple[int, int]:
    """Tokens of the last call of that kind in the workers' logs."""

    def mine() -> list[dict[str, Any]]:
        kind = (endpoint, stream, 200)
        return [line for line in calls(service) if (line["endpoint"], line.get("stream"), line["status"]) == kind]

    wait_for(f"a line of {endpoint}", mine)
    tokens = max(mine(), key=lambda line: str(line["timestamp"]))["tokens"]
    return tokens["input"], tokens["output"]


def calls(service: Service) -> list[dict[str, Any]]:
    """The access lines of both workers, but for one that is still being written."""
    logs = (service.state.log(f"worker-{number}").read_bytes().rpartition(b"\n")[0] for number in (1, 2))
    return [orjson.loads(line) for log in logs for line in log.splitlines() if b'"message":"request"' in line]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.engine_path.decode())
def test_this_release_takes_every_field_that_the_allow_list_says(vllm_python: Path, shape: Any) -> None:
    (package,) = vllm_python.parents[1].glob("lib/python*/site-packages/vllm")
    known = api(package)[shape.engine_path.decode()]
    release = tuple(map(int, install.VERSION.split(".")[:2]))
    assert {name for name, field in shape.fields.items() if field.since <= release} <= set(known)


def test_responses_answer_whole_and_are_metered(client: OpenAI, real_vllm: Service) -> None:
    answer = client.responses.create(model=ENGINE_NAME, input=QUESTION, temperature=0, max_output_tokens=16)
    assert "Paris" in answer.output_text
    assert answer.usage is not None
    counted = metered(real_vllm, "/v1/responses", stream=False)
    assert counted == (answer.usage.input_tokens, answer.usage.output_tokens)


def test_responses_stream_to_their_own_end_and_are_metered(client: OpenAI, real_vllm: Service) -> None:
    stream = client.responses.create(
        model=ENGINE_NAME, input="What is the capital of France?", temperature=0, max_output_tokens=16, stream=True
    )
    events = list(stream)
    assert events[-1].type == "response.completed"
    assert "Paris" in "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert events[-1].response.usage is not None
    usage = events[-1].response.usage
    assert metered(real_vllm, "/v1/responses", stream=True) == (usage.input_tokens, usage.output_tokens)


def test_messages_answer_whole_and_are_metered(claude: anthropic.Anthropic, real_vllm: Service) -> None:
    answer = claude.messages.create(
        model=ENGINE_NAME, messages=[{"role": "user", "content": "What is the capital of France?"}], max_tokens=16,
        extra_body={"temperature": 0}, system="You are a helpful assistant.",
    )  # fmt: skip
    assert "Paris" in answer.content[0].text
    read, written = metered(real_vllm, "/v1/messages", stream=False)
    assert written == answer.usage.output_tokens > 0
    assert read == answer.usage.input_tokens + (answer.usage.cache_read_input_tokens or 0)


def test_messages_stream_to_their_own_end_and_are_metered(claude: anthropic.Anthropic, real_vllm: Service) -> None:
    with claude.messages.stream(
        model=ENGINE_NAME, messages=[{"role": "user", "content": "What is the capital of France?"}], max_tokens=16
    ) as stream:
        kinds = [event.type for event in stream]
        answer = stream.get_final_message()
    assert kinds[-1] == "message_stop"
    read, written = metered(real_vllm, "/v1/messages", stream=True)
    assert written == answer.usage.output_tokens > 0
    assert read > 10


def test_tokens_of_messages_are_counted(claude: anthropic.Anthropic) -> None:
    counted = claude.messages.count_tokens(model=ENGINE_NAME, messages=[{"role": "user", "content": "One two three"}])
    assert counted.input_tokens > 10


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"model": "nobody"}, anthropic.NotFoundError),
        ({"max_tokens": 0}, anthropic.BadRequestError),
        ({"extra_body": {"cache_salt": "x"}}, anthropic.BadRequestError),
        ({"messages": [{"role": "user", "content": "word " * 3000}]}, anthropic.BadRequestError),
    ],
)
def test_refusals_arrive_as_anthropics_own(claude: anthropic.Anthropic, options: Any, error: Any) -> None:
    wanted = {"model": ENGINE_NAME, "messages": QUESTION, "max_tokens": 4, **options}
    with pytest.raises(error) as refused:
        claude.messages.create(**wanted)
    assert refused.value.body["type"] == "error"
    assert refused.value.body["error"]["type"] in {"invalid_request_error", "not_found_error"}


def test_text_becomes_tokens_and_text_again(client: OpenAI) -> None:
    tokens = client.post("/tokenize", body={"model": ENGINE_NAME, "prompt": "Hello world"}, cast_to=httpx2.Response)
    ids = tokens.json()["tokens"]
    text = client.post("/detokenize", body={"model": ENGINE_NAME, "tokens": ids}, cast_to=httpx2.Response)
    assert text.json()["prompt"] == "Hello world"


def test_log_probabilities_are_passed_on(client: OpenAI) -> None:
    chat = ask(client, logprobs=True, top_logprobs=2, max_tokens=3)
    assert [len(token.top_logprobs) for token in chat.choices[0].logprobs.content] == [2, 2, 2]
    text = client.completions.create(model=ENGINE_NAME, prompt="One, two,", max_tokens=2, logprobs=1, echo=True)
    assert len(text.choices[0].logprobs.tokens) > 2


@pytest.mark.parametrize(
    "options",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}},
        {"extra_body": {"structured_outputs": {"json": SCHEMA}}},
    ],
)
def test_an_answer_keeps_to_its_schema(client: OpenAI, options: Any) -> None:
    answer = ask(client, max_tokens=32, **options)
    assert orjson.loads(answer.choices[0].message.content)["city"] in {"Paris", "Rome"}


def test_an_answer_keeps_to_its_expression_or_choice(client: OpenAI) -> None:
    dated = ask(client, extra_body={"structured_outputs": {"regex": r"[0-9]{4}-[0-9]{2}"}})
    assert len(dated.choices[0].message.content) == 7
    chosen = ask(client, extra_body={"structured_outputs": {"choice": ["yes", "no"]}})
    assert chosen.choices[0].message.content in {"yes", "no"}


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_tool_is_called_with_arguments_of_its_schema(client: OpenAI, choice: Any) -> None:
    tools = [{"type": "function", "function": TOOL}]
    answer = ask(client, tools=tools, tool_choice=choice, max_tokens=64)
    (call,) = answer.choices[0].message.tool_calls
    assert (call.function.name, orjson.loads(call.function.arguments)["city"]) in CALLS


def test_a_streamed_call_of_a_tool_arrives_whole(client: OpenAI) -> None:
    tools = [{"type": "function", "function": TOOL}]
    stream = ask(client, tools=tools, tool_choice="required", max_tokens=64, stream=True)
    pieces = [call.function for chunk in stream for call in chunk.choices[0].delta.tool_calls or ()]
    name = "".join(piece.name or "" for piece in pieces)
    arguments = "".join(piece.arguments or "" for piece in pieces)
    assert (name, orjson.loads(arguments)["city"]) in CALLS


def test_sampling_fields_reach_the_engine(client: OpenAI) -> None:
    assert len(ask(client, n=2, temperature=1, max_tokens=2).choices) == 2
    assert "Paris" not in ask(client, stop=["Paris"]).choices[0].message.content
    extra = {"top_k": 1, "min_p": 0.1, "return_token_ids": True, "stop_token_ids": [2], "repetition_penalty": 1.1}
    assert ask(client, extra_body=extra, seed=7, presence_penalty=0.1).choices[0].model_extra["token_ids"]


def test_usage_of_a_stream_comes_to_those_who_ask(client: OpenAI) -> None:
    asked = list(ask(client, stream=True, stream_options={"include_usage": True}))
    assert asked[-1].usage is not None
    assert asked[-1].choices == []


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ([{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": PIXEL}}], "engine_refused"),
        ([{"type": "image_url", "image_url": {"url": "http://127.0.0.1:1/x.png"}}], "invalid_value"),
        ("word " * 3000, "context_exceeded"),
    ],
    ids=["an image, for a model of text alone", "an image to be fetched", "a prompt that is too long"],
)
def test_what_the_engine_refuses_is_worded_without_its_insides(client: OpenAI, content: Any, code: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, messages=[{"role": "user", "content": content}])
    assert refused.value.code == code
    assert "/root" not in refused.value.message
    assert "Traceback" not in refused.value.message


def test_a_route_of_other_models_is_named_as_not_supported(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model=ENGINE_NAME, input="hi")
    assert (refused.value.code, refused.value.param) == ("not_supported", "model")


def test_one_model_is_found_by_name_and_alias(client: OpenAI) -> None:
    assert client.models.retrieve(ENGINE_NAME).id == ENGINE_NAME
    assert client.models.retrieve("gpt-4o-mini").model_extra["root"] == ENGINE_NAME
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-99")
