"""An unmodified OpenAI client gets a real model's answer through edge, gateway and engine."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

CAPITAL = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "What is the capital of France?"},
]


def test_a_whole_answer_is_a_real_models(client):
    answer = client.chat.completions.create(model="smollm2", messages=CAPITAL, temperature=0, max_tokens=24)

    assert "Paris" in answer.choices[0].message.content
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.completion_tokens > 0


def test_a_streamed_answer_says_the_same(client):
    stream = client.chat.completions.create(
        model="smollm2", messages=CAPITAL, temperature=0, max_tokens=24, stream=True
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]

    assert "Paris" in "".join(pieces)
    assert len(pieces) > 3


def test_an_alias_reaches_the_model_under_its_own_name(client):
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=CAPITAL, temperature=0, max_tokens=4)
    assert answer.model == "smollm2"


def test_completions_continue_a_prompt(client):
    answer = client.completions.create(model="smollm2", prompt="One, two, three,", temperature=0, max_tokens=4)
    assert "four" in answer.choices[0].text


def test_usage_is_streamed_to_those_who_ask_and_to_nobody_else(client):
    def usages(**options):
        stream = client.chat.completions.create(model="smollm2", messages=CAPITAL, max_tokens=3, stream=True, **options)
        return [chunk.usage for chunk in stream if chunk.usage is not None]

    (asked,) = usages(stream_options={"include_usage": True})
    assert asked.completion_tokens == 3
    assert usages() == []


def test_models_are_listed_with_their_aliases(client):
    assert {model.id for model in client.models.list()} == {"smollm2", "gpt-4o-mini"}


@pytest.mark.parametrize(
    ("options", "error", "code"),
    [
        ({"model": "gpt-99"}, openai.NotFoundError, "model_not_found"),
        ({"temperature": 9}, openai.BadRequestError, "invalid_value"),
        ({"extra_body": {"cache_salt": "x"}}, openai.BadRequestError, "unknown_field"),
    ],
)
def test_refusals_arrive_as_the_clients_own_exceptions(client, options, error, code):
    with pytest.raises(error) as refused:
        client.chat.completions.create(**{"model": "smollm2", "messages": CAPITAL, **options})
    assert refused.value.code == code


def test_a_wrong_key_is_an_authentication_error(client):
    with pytest.raises(openai.AuthenticationError) as refused:
        client.with_options(api_key="fb_wrong").models.list()
    assert refused.value.code == "invalid_api_key"


def test_a_call_that_is_sent_again_with_its_key_is_answered_once(client):
    """Whichever worker takes it; OpenAI's client itself asks again while the first call runs."""
    patient = client.with_options(max_retries=10).chat.completions.with_raw_response
    key = {"Idempotency-Key": uuid.uuid4().hex}
    asked = {"model": "smollm2", "messages": CAPITAL, "temperature": 1, "max_tokens": 16, "extra_headers": key}

    with ThreadPoolExecutor(6) as callers:
        answers = list(callers.map(lambda _: patient.create(**asked), range(6)))

    assert len({each.content for each in answers}) == 1
    assert sum("idempotent-replayed" not in each.headers for each in answers) == 1
    with pytest.raises(openai.UnprocessableEntityError):
        patient.create(**{**asked, "max_tokens": 17})
