"""What the embedded engine serves beside chat, asked by unmodified clients; what it does not is refused."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import httpx2
import openai
import orjson
import pytest

from forebay.testing.service import Service
from forebay.testing.worker import wait_for

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture
def claude(service: Service) -> Iterator[anthropic.Anthropic]:
    http = httpx2.Client(verify=service.tls())
    url = service.url.removesuffix("/v1")
    with anthropic.Anthropic(base_url=url, api_key=service.key, http_client=http, max_retries=0) as made:
        yield made


def test_responses_whole_and_streamed(client: openai.OpenAI) -> None:
    whole = client.responses.create(model="smollm2", input=QUESTION, temperature=0, max_output_tokens=24)
    assert "Paris" in whole.output_text
    assert whole.usage.output_tokens > 0
    events = list(
        client.responses.create(model="smollm2", input=QUESTION, temperature=0, max_output_tokens=24, stream=True)
    )
    assert events[-1].type == "response.completed"
    assert "Paris" in "".join(event.delta for event in events if event.type == "response.output_text.delta")


def test_messages_whole_and_streamed(claude: anthropic.Anthropic, service: Service) -> None:
    options = {"model": "gpt-4o-mini", "messages": QUESTION, "max_tokens": 24, "extra_body": {"temperature": 0}}
    whole = claude.messages.create(**options)
    assert "Paris" in whole.content[0].text
    with claude.messages.stream(**options) as stream:
        assert "Paris" in "".join(stream.text_stream)

    def metered() -> bool:
        lines = [
            orjson.loads(line)
            for number in (1, 2)
            for line in service.state.log(f"worker-{number}").read_bytes().splitlines()
            if b'"/v1/messages"' in line
        ]
        return any(
            line.get("stream") and line["tokens"]["input"] > 10 and line["tokens"]["output"] > 3 for line in lines
        )

    wait_for("a stream's tokens are counted, with those the engine had in its cache", metered)


def test_tokens_of_messages_are_counted(claude: anthropic.Anthropic) -> None:
    assert claude.messages.count_tokens(model="smollm2", messages=QUESTION).input_tokens > 10


def test_anthropics_client_reads_refusals(claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as refused:
        claude.messages.create(model="nobody", messages=QUESTION, max_tokens=4)
    assert refused.value.body["error"]["type"] == "not_found_error"
    with pytest.raises(anthropic.AuthenticationError):
        claude.with_options(api_key="fb_wrong").messages.create(model="smollm2", messages=QUESTION, max_tokens=4)


def test_an_answer_keeps_to_its_schema(client: openai.OpenAI) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string", "enum": ["Paris"]}}, "required": ["city"]}
    answer = client.chat.completions.create(
        model="smollm2", messages=QUESTION, max_tokens=32,
        response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}},
    )  # fmt: skip
    assert orjson.loads(answer.choices[0].message.content)["city"] == "Paris"


def test_log_probabilities_are_passed_on(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="smollm2", messages=QUESTION, max_tokens=2, logprobs=True, top_logprobs=2
    )
    assert [len(token.top_logprobs) for token in answer.choices[0].logprobs.content] == [2, 2]


@pytest.mark.parametrize(
    ("ask", "param"),
    [
        (lambda client: client.embeddings.create(model="smollm2", input="hi"), "model"),
        (lambda client: client.completions.create(model="smollm2", prompt="hi", echo=True), "echo"),
        (
            lambda client: client.chat.completions.create(
                model="smollm2", messages=QUESTION, extra_body={"structured_outputs": {"choice": ["yes", "no"]}}
            ),
            "structured_outputs",
        ),
        (
            lambda client: client.chat.completions.create(
                model="smollm2",
                messages=[
                    {
                        "role": "user",
                        "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
                    }
                ],
            ),
            "messages",
        ),
    ],
    ids=["a route", "a field", "vLLM's own", "an image"],
)
def test_what_llama_cpp_would_ignore_or_fail_on_is_refused(client: openai.OpenAI, ask: object, param: str) -> None:
    assert callable(ask)
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client)
    assert (refused.value.code, refused.value.param) == ("not_supported", param)
