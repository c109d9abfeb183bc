"""What an engine gets of a request: every text on every route, without the values that the policy keeps."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from tests.integration.privacy.conftest import Masking
from tests.integration.privacy.speech import says, whole

from forebay.gateway.routes import ROUTES
from forebay.testing.fake_engine import FakeEngine

PHONE, MAIL = "13812345678", "li.wei@corp.example.com"
IMAGE = "data:image/png;base64,iVBORw0KGgo="


def _user(content: object, **more: object) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": content, **more}]}


def _tool(**function: object) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **function}}


REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("text", "/v1/chat/completions", _user(f"我的手机{PHONE}")),
    ("a part", "/v1/chat/completions", _user([{"type": "text", "text": f"call {PHONE}"}])),
    ("a name", "/v1/chat/completions", _user("hi", name=PHONE)),
    ("the system prompt", "/v1/chat/completions", {"model": "m", "messages": [{"role": "system", "content": PHONE}]}),
    ("a tool's text", "/v1/chat/completions", _user("x") | {"tools": [_tool(description=f"calls {PHONE}")]}),
    ("a tool's name", "/v1/chat/completions", _user("x") | {"tools": [_tool(name=f"call_{PHONE}")]}),
    ("the metadata", "/v1/chat/completions", _user("x") | {"metadata": {"phone": PHONE}}),
    ("the user", "/v1/chat/completions", _user("x") | {"user": PHONE}),
    ("a stop", "/v1/chat/completions", _user("x") | {"stop": [PHONE]}),
    (
        "arguments of a tool",
        "/v1/chat/completions",
        {
            "model": "m",
            "messages": [
                {"role": "user", "content": "x"},
                {
                    "role": "assistant",
                    "tool_calls": [
                        {"id": "1", "type": "function", "function": {"name": "f", "arguments": f'{{"to":{PHONE}}}'}}
                    ],
                },
            ],
        },
    ),
    ("a prompt", "/v1/completions", {"model": "m", "prompt": PHONE}),
    ("several prompts", "/v1/completions", {"model": "m", "prompt": ["x", f"to {PHONE}"]}),
    ("an input", "/v1/responses", {"model": "m", "input": f"call {PHONE}", "instructions": f"and {PHONE}"}),
    ("an item", "/v1/responses", {"model": "m", "input": [{"role": "user", "content": PHONE}]}),
    (
        "an answer's tokens",
        "/v1/responses",
        {
            "model": "m",
            "input": [
                {
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "x", "logprobs": [{"token": PHONE}]}],
                }
            ],
        },
    ),
    ("a message", "/v1/messages", {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": PHONE}]}),
    (
        "a tool's input",
        "/v1/messages",
        {
            "model": "m",
            "max_tokens": 9,
            "system": PHONE,
            "messages": [
                {"role": "user", "content": "x"},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {"n": int(PHONE)}}],
                },
            ],
        },
    ),
    ("an embedding", "/v1/embeddings", {"model": "m", "input": [PHONE, "x"]}),
    ("a reranking", "/v1/rerank", {"model": "m", "query": PHONE, "documents": ["x", PHONE]}),
    ("a tokenization", "/v1/tokenize", {"model": "m", "prompt": PHONE}),
    ("a count", "/v1/messages/count_tokens", {"model": "m", "messages": [{"role": "user", "content": PHONE}]}),
    ("a score", "/v1/score", {"model": "m", "text_1": PHONE, "text_2": ["x", PHONE]}),
    ("a classification", "/v1/classify", {"model": "m", "input": [f"from {PHONE}"]}),
]
UNREADABLE: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", _user([{"type": "image_url", "image_url": {"url": IMAGE}}])),
    (
        "/v1/responses",
        {"model": "m", "input": [{"role": "user", "content": [{"type": "input_image", "image_url": IMAGE}]}]},
    ),
    ("/v1/completions", {"model": "m", "prompt": [1, 2, 3]}),
    ("/v1/completions", {"model": "m", "prompt": [[1, 2], [3]]}),
    ("/v1/embeddings", {"model": "m", "input": [1, 2, 3]}),
]


def test_every_route_that_takes_text_is_tried() -> None:
    tried = {each[1] for each in REQUESTS} | {path for path, _fields in UNREADABLE}
    tried |= {"/v1/detokenize"}  # it takes tokens alone; the text that it gives back is searched
    assert tried == {path.decode() for path, route in ROUTES.items() if route.shape is not None}


@pytest.mark.parametrize(("path", "fields"), [each[1:] for each in REQUESTS], ids=[each[0] for each in REQUESTS])
def test_no_engine_hears_of_it_on_any_route(
    worker: Masking, engine: FakeEngine, path: str, fields: dict[str, Any]
) -> None:
    engine.script = whole({"ok": True})
    for stream in (False, True) if "stream" in path or path.endswith("completions") else (False,):
        status, body = worker.ask(fields | ({"stream": True} if stream else {}), path=path)
        assert status == 200, body
        got = engine.seen[-1].body.decode()
        assert PHONE not in got
        assert orjson.loads(got)["model"] == "m"


@pytest.mark.parametrize(("path", "fields"), [each[1:] for each in REQUESTS], ids=[each[0] for each in REQUESTS])
def test_a_policy_may_refuse_it_on_every_route(
    worker: Masking, engine: FakeEngine, path: str, fields: dict[str, Any]
) -> None:
    engine.script = whole({"ok": True})
    before = engine.requests
    status, body = worker.ask(fields, path=path, tenant="strict")
    if {"metadata", "user"} & fields.keys():
        assert status == 200  # it goes no further, so no engine hears of it
        return
    assert (status, orjson.loads(body)["error"]["code"]) == (400, "personal_data_refused")
    assert PHONE not in body.decode()
    assert engine.requests == before


def test_each_tenant_has_its_own_policy(worker: Masking, engine: FakeEngine) -> None:
    engine.script = says("ok")
    wanted = {
        "": "to [CN_MOBILE], [EMAIL], [PROJECT], help@example.com",
        "named": "to <CN_MOBILE_1>, <EMAIL_1>, <PROJECT_1>, help@example.com",
        "loose": f"to {PHONE}, {MAIL}, 昆仑计划, help@example.com",
    }
    for tenant, text in wanted.items():
        assert worker.ask(_user(f"to {PHONE}, {MAIL}, 昆仑计划, help@example.com"), tenant=tenant)[0] == 200
        assert engine.seen[-1].fields["messages"][0]["content"] == text


def test_a_hash_is_the_same_for_the_same_value_and_tells_nothing(worker: Masking, engine: FakeEngine) -> None:
    engine.script = says("ok")
    seen = []
    for text in (f"a {PHONE}", "b 138-1234-5678", f"c {PHONE} {MAIL}"):
        worker.ask(_user(text), tenant="hashed")
        seen.append(engine.seen[-1].fields["messages"][0]["content"][2:])
    assert seen[0] == seen[1]
    assert seen[0].startswith("[CN_MOBILE#")
    assert seen[2] == f"{seen[0]} {MAIL}"


@pytest.mark.parametrize(("path", "fields"), UNREADABLE)
def test_what_cannot_be_read_is_refused_unless_the_policy_lets_it_pass(
    worker: Masking, engine: FakeEngine, path: str, fields: dict[str, Any]
) -> None:
    engine.script = whole({"ok": True})
    before = engine.requests
    status, body = worker.ask(fields, path=path)
    assert (status, orjson.loads(body)["error"]["code"]) == (400, "unreadable_content")
    assert engine.requests == before
    assert worker.ask(fields, path=path, tenant="loose")[0] == 200


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/x.png", "http://169.254.169.254/latest", "http://[::ffff:7f00:1]/", "http://2130706433/", "file:///etc/passwd",
     "https://user@example.com/x.png", "gopher://x/", "data:text/html;base64,AAAA", "//example.com/x.png"],
)  # fmt: skip
def test_no_address_reaches_an_engine_that_would_fetch_it(worker: Masking, engine: FakeEngine, url: str) -> None:
    before = engine.requests
    for fields in (
        _user([{"type": "image_url", "image_url": {"url": url}}]),
        _user([{"type": "video_url", "video_url": {"url": url}}]),
        _user([{"type": "audio_url", "audio_url": {"url": url}}]),
        _user([{"type": "file", "file": {"file_url": url}}]),
    ):
        status, body = worker.ask(fields, tenant="loose")
        assert (status, orjson.loads(body)["error"]["type"]) == (400, "invalid_request_error")
    assert engine.requests == before


def test_a_key_of_an_object_is_refused_since_it_cannot_be_replaced(worker: Masking) -> None:
    schema = {"type": "object", "properties": {MAIL: {"type": "string"}}}
    status, body = worker.ask(_user("x") | {"tools": [_tool(parameters=schema)]})
    assert (status, orjson.loads(body)["error"]["code"]) == (400, "personal_data_refused")
    assert MAIL not in body.decode()
