"""Routes beside chat: their own keys, errors, ends of streams and counts, and only where an engine serves them."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from tests.integration.gateway.scripts import sends

from forebay.testing.fake_engine import Exchange, FakeEngine
from forebay.testing.worker import GatewayWorker, wait_for
from forebay.wire.chunked import chunk
from forebay.wire.sse import data_of, events

SAID = [{"role": "user", "content": "hi"}]
MESSAGE = {"model": "m", "messages": SAID, "max_tokens": 4}
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":5,"output_tokens":0}}}\n\n'
)
DELTA = b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":3}}\n\n'
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
CREATED = b'event: response.created\ndata: {"type":"response.created","response":{"usage":null}}\n\n'
COMPLETED = (
    b'event: response.completed\ndata: {"type":"response.completed","response":{"usage":'
    b'{"input_tokens":5,"output_tokens":3}}}\n\n'
)


def ask(worker: GatewayWorker, method: str, path: str, fields: Any = None, **headers: str) -> tuple[int, Any]:
    """One call whose only credential is in `headers`; an answer that is no JSON comes as bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=60)
    try:
        wanted = {name.replace("_", "-"): value for name, value in headers.items()}
        if fields is not None:
            wanted["content-type"] = "application/json"
        connection.request(method, path, None if fields is None else orjson.dumps(fields), wanted)
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, orjson.loads(body) if answer.headers["content-type"] == "application/json" else body
    finally:
        connection.close()


def as_kind(worker: GatewayWorker, *kinds: dict[str, Any]) -> None:
    """Make the worker's engines those of a kind, release or task."""
    engines = tuple(
        msgspec.structs.replace(engine, **kind) for engine, kind in zip(worker.snapshot.engines, kinds, strict=True)
    )
    worker.snapshot = msgspec.structs.replace(worker.snapshot, engines=engines)


ROUTES: dict[str, tuple[dict[str, Any], str]] = {
    "/v1/responses": ({"input": "hi"}, "/v1/responses"),
    "/v1/messages": ({"messages": SAID, "max_tokens": 4}, "/v1/messages"),
    "/v1/messages/count_tokens": ({"messages": SAID}, "/v1/messages/count_tokens"),
    "/v1/embeddings": ({"input": ["a", "b"]}, "/v1/embeddings"),
    "/v1/rerank": ({"query": "a", "documents": ["a"]}, "/v1/rerank"),
    "/v1/score": ({"text_1": "a", "text_2": "b"}, "/v1/score"),
    "/v1/classify": ({"input": "a"}, "/classify"),
    "/v1/tokenize": ({"prompt": "a"}, "/tokenize"),
    "/v1/detokenize": ({"tokens": [1]}, "/detokenize"),
}
_WITH_USER = {"/v1/responses", "/v1/embeddings", "/v1/rerank", "/v1/score", "/v1/classify"}
COUNTED = b'{"usage":{"prompt_tokens":5,"completion_tokens":null,"input_tokens":5,"output_tokens":0}}'


@pytest.mark.parametrize("path", ROUTES)
def test_a_route_reaches_the_engine_where_the_engine_has_it(
    engine: FakeEngine, worker: GatewayWorker, path: str
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(COUNTED)

    previous, engine.script = engine.script, script
    try:
        fields, at_engine = ROUTES[path]
        dropped = {"user": "x"} if path in _WITH_USER else {}
        status, body = worker.post({"model": "gpt-alias", **fields, **dropped}, path=path)
        assert (status, body) == (200, COUNTED)
        sent = engine.seen[-1]
        assert sent.head.split(b" ")[1].decode() == at_engine
        assert sent.fields == {"model": "m", **fields}
        wait_for(
            "the call is counted",
            lambda: worker.counted("vllm_requests_total", endpoint=path, status="200") >= 1,
        )
    finally:
        engine.script = previous


@pytest.mark.parametrize("path", [*ROUTES, "/v1/chat/completions", "/v1/completions"])
@pytest.mark.usefixtures("untouched")
def test_every_route_takes_post_alone_and_needs_a_key(worker: GatewayWorker, path: str) -> None:
    assert ask(worker, "GET", path, authorization=f"Bearer {worker.key}")[0] == 405
    assert ask(worker, "POST", path, {"model": "m"})[0] == 401


@pytest.mark.parametrize(
    "path",
    [
        "/tokenize",
        "/classify",
        "/rerank",
        "/v1/rerank/",
        "/v2/rerank",
        "/pooling",
        "/v1/responses/resp_1",
        "/v1/audio/speech",
    ],
)
@pytest.mark.usefixtures("untouched")
def test_what_only_an_engine_has_is_not_found(worker: GatewayWorker, path: str) -> None:
    assert worker.post({"model": "m"}, path=path)[0] == 404


def test_anthropics_header_is_a_key_on_its_routes_alone(engine: FakeEngine, worker: GatewayWorker) -> None:
    before = engine.requests
    assert ask(worker, "POST", "/v1/messages", MESSAGE, x_api_key=worker.key, anthropic_version="2023-06-01")[0] == 200
    assert engine.requests == before + 1
    assert b"x-api-key" not in engine.seen[-1].head.lower()
    assert ask(worker, "POST", "/v1/chat/completions", MESSAGE, x_api_key=worker.key)[0] == 401
    assert ask(worker, "POST", "/v1/messages", MESSAGE, x_api_key="fb_no")[0] == 401
    both = {"x_api_key": worker.key, "authorization": f"Bearer {worker.key}"}
    assert ask(worker, "POST", "/v1/messages", MESSAGE, **both)[0] == 401
    assert engine.requests == before + 1


@pytest.mark.parametrize(
    ("fields", "status", "kind", "code"),
    [
        ({**MESSAGE, "model": "x"}, 404, "not_found_error", "model_not_found"),
        ({**MESSAGE, "max_tokens": 0}, 400, "invalid_request_error", "invalid_value"),
        ({**MESSAGE, "cache_salt": "x"}, 400, "invalid_request_error", "unknown_field"),
        ({**MESSAGE, "max_tokens": 5000}, 400, "invalid_request_error", "context_exceeded"),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_errors_on_anthropics_route_have_its_shape(
    worker: GatewayWorker, fields: dict[str, Any], status: int, kind: str, code: str
) -> None:
    found, body = ask(worker, "POST", "/v1/messages", fields, x_api_key=worker.key)
    assert (found, body["type"], body["error"]["type"], body["error"]["code"]) == (status, "error", kind, code)


@pytest.mark.usefixtures("untouched")
def test_a_request_that_never_became_a_call_is_refused_in_that_shape_too(worker: GatewayWorker) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=60)
    connection.request("POST", "/v1/messages", headers={"content-length": str(10**9)})
    answer = connection.getresponse()
    assert (answer.status, orjson.loads(answer.read())["error"]["type"]) == (413, "request_too_large")
    connection.close()


def streamed(*pieces: bytes, whole: bool = True) -> Callable[[Exchange], Any]:
    return sends(STREAM_HEAD, *(chunk(piece) for piece in pieces), *([b"0\r\n\r\n"] if whole else []), then="next")


@pytest.mark.parametrize(
    ("path", "fields", "pieces"),
    [
        ("/v1/messages", MESSAGE, (START, DELTA, STOP)),
        ("/v1/messages", MESSAGE, (START + DELTA[:20], DELTA[20:] + STOP)),
        ("/v1/responses", {"model": "m", "input": "hi"}, (CREATED, COMPLETED)),
    ],
)
def test_a_stream_of_named_events_passes_and_ends_without_done(
    tmp_path: Path, path: str, fields: dict[str, Any], pieces: tuple[bytes, ...]
) -> None:
    with FakeEngine(streamed(*pieces)) as fake, GatewayWorker(tmp_path, [fake.port]) as alone:
        status, body = alone.post({**fields, "stream": True}, path=path)
        assert (status, body) == (200, b"".join(pieces))
        assert "stream_options" not in fake.seen[-1].fields
        wait_for("the call is in the log", lambda: any(line["message"] == "request" for line in alone.log_lines()))
        (line,) = [line for line in alone.log_lines() if line["message"] == "request"]
        assert (line["tokens"], line.get("code")) == ({"input": 5, "output": 3}, None)


@pytest.mark.parametrize(
    ("path", "fields", "sent"),
    [("/v1/messages", MESSAGE, START + DELTA), ("/v1/responses", {"model": "m", "input": "hi"}, CREATED)],
)
def test_a_stream_that_lacks_its_end_is_cut_in_the_words_of_its_api(
    tmp_path: Path, path: str, fields: dict[str, Any], sent: bytes
) -> None:
    with FakeEngine(streamed(sent)) as fake, GatewayWorker(tmp_path, [fake.port]) as alone:
        _, body = alone.post({**fields, "stream": True}, path=path)
        *before, last = events(body)
        assert b"".join(before) == sent
        assert last.startswith(b"event: error\n")
        payload = orjson.loads(data_of(last))
        assert (payload["type"], payload["error"]["code"]) == ("error", "stream_cut")
        wait_for("the cut is counted", lambda: alone.counted("forebay_stream_cuts_total") >= 1 or _is_cut(alone))


def _is_cut(worker: GatewayWorker) -> bool:
    return any(line.get("code") == "stream_cut" for line in worker.log_lines())


NOT_SERVED: list[tuple[dict[str, Any], str, dict[str, Any], str]] = [
    ({"kind": "embedded"}, "/v1/embeddings", {"input": "hi"}, "model"),
    ({"kind": "embedded"}, "/v1/tokenize", {"prompt": "hi"}, "model"),
    ({"kind": "embedded"}, "/v1/chat/completions", {"messages": SAID, "min_tokens": 1}, "min_tokens"),
    ({"kind": "embedded"}, "/v1/responses", {"input": "hi", "text": {"format": {"type": "text"}}}, "text"),
    ({"kind": "embedded"}, "/v1/chat/completions", {"messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]}, "messages"),
    ({"kind": "vllm", "release": "0.11.0"}, "/v1/messages", {"messages": SAID, "max_tokens": 1}, "model"),
    ({"kind": "vllm", "release": "0.16.0"}, "/v1/messages/count_tokens", {"messages": SAID}, "model"),
    ({"kind": "vllm", "release": "0.25.0"}, "/v1/completions", {"prompt": "hi", "bad_words": ["x"]}, "bad_words"),
    ({"kind": "vllm", "release": "0.32.0", "task": "embed"}, "/v1/chat/completions", {"messages": SAID}, "model"),
    ({"kind": "vllm", "release": "0.32.0", "task": "generate"}, "/v1/embeddings", {"input": "hi"}, "model"),
    ({"kind": "vllm", "release": "0.32.0", "task": "embed"}, "/v1/classify", {"input": "hi"}, "model"),
]  # fmt: skip


def test_what_no_engine_of_the_model_serves_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    with FakeEngine() as fake:
        worker = GatewayWorker(tmp_path, [fake.port])
        with worker:
            for kind, path, fields, param in NOT_SERVED:
                as_kind(worker, {"release": None, "task": "", **kind})
                worker.reload()
                status, body = worker.post({"model": "m", **fields}, path=path)
                error = orjson.loads(body)["error"]
                assert (status, error["code"], error["param"]) == (400, "not_supported", param), (kind, path)
            assert fake.requests == 0
            as_kind(worker, {"kind": "vllm", "release": "0.26.0", "task": ""})
            worker.reload()
            assert worker.post({"model": "m", "prompt": "hi", "bad_words": ["x"]}, path="/v1/completions")[0] == 200


def test_among_engines_that_differ_a_call_goes_to_one_that_can(tmp_path: Path) -> None:
    with FakeEngine() as llama, FakeEngine() as vllm:
        worker = GatewayWorker(tmp_path, [llama.port, vllm.port])
        as_kind(worker, {"kind": "embedded"}, {"kind": "vllm", "release": "0.32.0"})
        with worker:
            for _ in range(6):
                assert worker.post({"model": "m", "messages": SAID, "min_tokens": 1})[0] == 200
            assert (llama.requests, vllm.requests) == (0, 6)
            vllm.kill()
            worker.policy(queue_wait_s=0.3).reload()
            status, body = worker.post({"model": "m", "messages": SAID, "min_tokens": 1})
            assert status in {502, 503}, body
            assert llama.requests == 0
            assert worker.post({"model": "m", "messages": SAID})[0] == 200


def test_a_bare_404_of_an_engine_says_that_the_route_is_not_supported(tmp_path: Path) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(b'{"detail":"Not Found"}', 404)

    with FakeEngine(script) as fake, GatewayWorker(tmp_path, [fake.port]) as alone:
        status, body = alone.post({"model": "m", "input": "hi"}, path="/v1/embeddings")
        assert (status, orjson.loads(body)["error"]["code"]) == (400, "not_supported")


@pytest.mark.usefixtures("untouched")
def test_one_model_is_shown_by_name_and_alias(worker: GatewayWorker) -> None:
    key = {"authorization": f"Bearer {worker.key}"}
    assert ask(worker, "GET", "/v1/models/m", **key)[1]["id"] == "m"
    assert ask(worker, "GET", "/v1/models/gpt-alias", **key)[1]["root"] == "m"
    for name in ("x", "m/", "%6d", "../models/m", "{id}"):
        status, body = ask(worker, "GET", f"/v1/models/{name}", **key)
        assert (status, body["error"]["code"]) == (404, "model_not_found"), name
    assert ask(worker, "GET", "/v1/models/m")[0] == 401
    assert ask(worker, "DELETE", "/v1/models/m", **key)[0] == 405
