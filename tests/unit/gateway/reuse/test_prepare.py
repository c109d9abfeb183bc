"""A request is shaped as its model's policy says, and is left as it is where there is none."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest

from forebay.gateway.call import Ledger
from forebay.gateway.reuse.policy import PreparePolicy
from forebay.gateway.reuse.prepare import prepare, shape
from forebay.gateway.reuse.salt import salt_of
from forebay.gateway.routes import ROUTES, Route
from forebay.gateway.screen import Asked, request_for
from forebay.gateway.snapshot import EngineRef, ModelRef

CHAT, MESSAGES = ROUTES[b"/v1/chat/completions"], ROUTES[b"/v1/messages"]
CALLER = Ledger(0.0, tenant="acme", key_id="k1")
ENGINE = EngineRef(name="e", model="m", host="h", port=1, kind="vllm", max_outstanding=1, routable=True, salted=True)


def asked(policy: PreparePolicy | None, route: Route = CHAT, **fields: Any) -> Asked:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], **fields}
    stream = body.get("stream") is True
    return Asked(ModelRef(name="m", prepare=policy), stream, False, orjson.dumps(body), body, route)


def sent(prepared: Asked, **engine: Any) -> dict[str, Any]:
    request = request_for(msgspec.structs.replace(ENGINE, **engine), prepared, "id")
    body: dict[str, Any] = orjson.loads(request.partition(b"\r\n\r\n")[2])
    return body


def test_without_a_policy_nothing_changes() -> None:
    call = asked(None)
    assert prepare(call, CALLER, "pepper") is call
    assert "cache_salt" not in sent(call)


def test_the_salt_goes_to_engines_that_know_it_and_to_no_others() -> None:
    call = prepare(asked(PreparePolicy(salt="tenant")), CALLER, "pepper")
    assert sent(call)["cache_salt"] == salt_of("pepper", "tenant", "acme")
    assert "cache_salt" not in sent(call, salted=False)
    assert sent(call, served_name="other")["cache_salt"] == salt_of("pepper", "tenant", "acme")


def test_a_salt_says_whose_it_is_to_nobody() -> None:
    names = [("tenant", "acme"), ("tenant", "acm"), ("key", "acme"), ("key", "k1")]
    salts = [salt_of(pepper, *name) for pepper in ("pepper", "other") for name in names]
    assert len(set(salts)) == len(salts)
    assert all(len(salt) <= 128 and salt.isalnum() and "acme" not in salt for salt in salts)


def test_a_salt_by_key_differs_between_the_keys_of_a_tenant() -> None:
    policy = PreparePolicy(salt="key")
    one, other = (
        prepare(asked(policy), msgspec.structs.replace(CALLER, key_id=name), "pepper").salt for name in ("k1", "k2")
    )
    assert one != other


@pytest.mark.parametrize(
    ("limits", "given", "expected"),
    [
        ({"max_tokens_default": 50}, {}, {"max_tokens": 50}),
        ({"max_tokens_default": 50}, {"max_tokens": 70}, {"max_tokens": 70}),
        ({"max_tokens_limit": 60}, {}, {"max_tokens": 60}),
        ({"max_tokens_limit": 60}, {"max_tokens": 70}, {"max_tokens": 60}),
        ({"max_tokens_limit": 60}, {"max_completion_tokens": 70}, {"max_completion_tokens": 60}),
        ({"max_tokens_limit": 60}, {"max_tokens": 70, "min_tokens": 65}, {"max_tokens": 60, "min_tokens": 60}),
        ({"max_tokens_limit": 60}, {"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_tokens_limit": 60, "max_tokens_default": 90}, {}, {"max_tokens": 60}),
    ],
)
def test_an_answer_has_a_default_length_and_a_bound(
    limits: dict[str, int], given: dict[str, int], expected: dict[str, int]
) -> None:
    body = sent(prepare(asked(PreparePolicy(**limits), **given), CALLER, "pepper"))
    assert {name: body[name] for name in body if "tokens" in name} == expected


def test_a_route_that_generates_nothing_gets_no_limit() -> None:
    fields: dict[str, Any] = {"model": "m", "input": "x"}
    assert not shape(fields, "/v1/embeddings", PreparePolicy(max_tokens_default=5, max_tokens_limit=9))
    assert fields == {"model": "m", "input": "x"}


def test_a_shaped_stream_is_still_asked_for_its_usage() -> None:
    body = sent(prepare(asked(PreparePolicy(max_tokens_default=5), stream=True), CALLER, "pepper"))
    assert body["stream_options"] == {"include_usage": True}


def tool(name: str, **schema: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def test_the_same_tools_in_another_order_are_the_same_prefix() -> None:
    policy = PreparePolicy(sort_tools=True)
    one = [tool("b", type="object", properties={"y": {}, "x": {}}), tool("a", type="object")]
    other = [tool("a", type="object"), tool("b", properties={"x": {}, "y": {}}, type="object")]
    bodies = [prepare(asked(policy, tools=tools), CALLER, "pepper").body for tools in (one, other)]
    assert bodies[0] == bodies[1]


def test_white_space_of_a_system_prompt_is_tidied_and_a_users_is_not() -> None:
    messages = [
        {"role": "system", "content": " You are kind. \r\n\r\n\r\n\r\nAlways.\t\n"},
        {"role": "user", "content": "  x  \n\n\n\n y "},
    ]
    body = sent(prepare(asked(PreparePolicy(trim_system=True), messages=messages), CALLER, "pepper"))
    assert [each["content"] for each in body["messages"]] == ["You are kind.\n\nAlways.", "  x  \n\n\n\n y "]


def test_history_is_trimmed_where_messages_are_openais() -> None:
    messages = [{"role": "user", "content": "x" * 400}, {"role": "user", "content": "y"}]
    policy = PreparePolicy(history_tokens=20)
    assert len(sent(prepare(asked(policy, messages=messages), CALLER, "pepper"))["messages"]) == 1
    assert len(sent(prepare(asked(policy, MESSAGES, messages=messages), CALLER, "pepper"))["messages"]) == 2
