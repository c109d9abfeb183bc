"""What is written down of a call: once, with the fields promised, and never what it said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from tests.integration.gateway.raw import BODY, CHAT, FIELDS, STREAM, Raw, exchange, head
from tests.integration.gateway.scripts import never_ends, refuses, sends

from forebay.testing.fake_engine import Exchange, FakeEngine, completion, delta, say_hello
from forebay.testing.worker import GatewayWorker, wait_for

CANARY = "canary-4f1c"
PROMISED = {
    "timestamp", "level", "message", "service", "version", "request_id", "client_ip", "model", "tokens", "latency_ms",
}  # fmt: skip


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture
def worker(engine: FakeEngine, tmp_path: Path) -> Iterator[GatewayWorker]:
    with GatewayWorker(tmp_path, [engine.port]).policy(retry_attempts=1) as running:
        yield running


def requests(worker: GatewayWorker) -> list[dict[str, object]]:
    return [line for line in worker.log_lines() if line["message"] == "request"]


def logged(worker: GatewayWorker, count: int) -> list[dict[str, object]]:
    wait_for(f"{count} calls are logged", lambda: len(requests(worker)) >= count)
    found = requests(worker)
    assert len(found) == count
    return found


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_is_one_line_with_every_field(worker: GatewayWorker, stream: bool) -> None:
    headers = {"x-request-id": "request-1234", "x-forwarded-for": "198.51.100.7, 203.0.113.9"}
    assert worker.post({**FIELDS, "model": "gpt-alias", "stream": stream}, **headers)[0] == 200
    (line,) = logged(worker, 1)
    assert line.keys() >= PROMISED
    assert datetime.fromisoformat(str(line["timestamp"])).tzinfo is not None
    assert line["tokens"] == {"input": 7, "output": 3}
    assert isinstance(line["latency_ms"], float)
    wanted = {
        "level": "info", "service": "forebay-test", "request_id": "request-1234", "client_ip": "203.0.113.9",
        "model": "m", "engine": "e1", "stream": stream, "status": 200, "method": "POST", "endpoint": CHAT,
        "tenant": "t1", "retries": 0,
    }  # fmt: skip
    assert {name: line[name] for name in wanted} == wanted
    assert ("ttft_ms" in line) is stream


def test_a_call_without_an_id_gets_one_and_is_told(worker: GatewayWorker) -> None:
    answers = [exchange(worker, head("GET", "/v1/nothing", f"X-Request-Id: {text}")) for text in ("", "a b", "x" * 65)]
    ids = [each.headers["x-request-id"] for each in answers]
    assert len(set(ids)) == 3
    assert [line["request_id"] for line in logged(worker, 3)] == ids


def test_every_call_is_logged_whatever_the_level_unless_access_is_off(worker: GatewayWorker) -> None:
    """Production logs warnings; its calls are what rollouts are judged by and what a plan is replayed with."""
    worker.policy(log_level="error").reload()
    worker.post({**FIELDS, "model": "first"})
    worker.policy(log_access=False).reload()
    worker.post(FIELDS)
    worker.policy(log_access=True).reload()
    worker.post(FIELDS)
    assert [line["status"] for line in logged(worker, 2)] == [404, 200]


def test_probes_that_find_all_well_are_no_calls(worker: GatewayWorker, engine: FakeEngine) -> None:
    for path in ("/health", "/ready"):
        assert exchange(worker, head("GET", path)).status == 200
    worker.post(FIELDS)
    assert exchange(worker, head("POST", "/ready")).status == 405
    assert [line["endpoint"] for line in logged(worker, 2)] == [CHAT, "other"]


async def answers_with_the_canary(exchange: Exchange) -> None:
    if not exchange.fields.get("stream"):
        await exchange.answer(completion(CANARY))
        return
    await exchange.begin_stream()
    await exchange.event(delta(CANARY))
    await exchange.event(b"[DONE]")
    await exchange.end_stream()


def test_no_prompt_answer_key_or_header_is_written_anywhere(worker: GatewayWorker, engine: FakeEngine) -> None:
    secret = worker.key.split("_")[2]
    told = {**FIELDS, "messages": [{"role": "user", "content": CANARY}]}
    scripts = [
        answers_with_the_canary,
        refuses(400),
        refuses(500),
        refuses(503),
        sends(b"HTTP/1.1 200 " + CANARY.encode() + b"\r\n\r" + CANARY.encode()),
        sends(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: " + CANARY.encode() + b"\n\n", b""),
    ]
    headers = {"cookie": CANARY, "user-agent": CANARY, "referer": CANARY, "x-forwarded-for": f"fe80::1%{CANARY}"}
    count = 0
    for script in scripts:
        for stream in (False, True):
            engine.script = script
            worker.post({**told, "stream": stream}, **headers)
            count += 1
    bad = [
        head("GET", f"/{CANARY}?key={worker.key}"),
        head("BREW", f"/{CANARY}"),
        head("GET", "/health", f"X\x00: {CANARY}"),
        head("POST", CHAT, "Content-Length: 13", f"Authorization: Bearer {worker.key}")
        + b'{"%s":1}' % CANARY[:7].encode(),
        head("POST", CHAT, "Content-Length: 5", f"Authorization: Basic {CANARY}{worker.key}") + b"hello",
        head("GET", "/health", f"Host: {CANARY}/{worker.key}"),
    ]
    for sent in bad:
        exchange(worker, sent)
    logged(worker, count + len(bad))
    for path in worker.state.root.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert CANARY.encode() not in content, path
            assert secret.encode() not in content, path


HOSTILE = (
    "a\r\nlevel=error", "\x1b[2J\x1b[31mred", "\u2028line", "\u202egnp.exe", "%n%n%s", "${jndi:ldap://x/a}",
    "=cmd|'/c'!A1", "<script>alert(1)</script>", '","level":"critical","x":"', "\x00", "a" * 10_000,
)  # fmt: skip


def test_whatever_a_client_writes_is_one_line_of_plain_json(worker: GatewayWorker) -> None:
    """Names that come from clients are labels of nobody's and columns of nobody's: they are escaped or not written."""
    for text in HOSTILE:
        worker.post({**FIELDS, "model": text, "user": text})
        safe = (
            text.encode("ascii", "ignore")
            .replace(b"\r\n", b"")
            .replace(b"\0", b"")
            .replace(b"\x1b", b"")[:900]
            .decode()
        )
        worker.post(FIELDS, **{"user-agent": safe, "referer": safe, "x-request-id": safe, "x-forwarded-for": safe})
    lines = logged(worker, 2 * len(HOSTILE))
    assert all(line.keys() >= PROMISED for line in lines)
    assert {line["level"] for line in lines} <= {"info", "warning"}
    raw = worker.state.log(worker.name).read_bytes()
    assert all(0x20 <= byte < 0x7F or byte == 0x0A for byte in raw)
    assert b"jndi" not in raw
    assert b"<script" not in raw


def test_every_request_is_counted_once(worker: GatewayWorker, engine: FakeEngine) -> None:
    with Raw(worker) as raw:
        for _ in range(5):
            assert raw.call(BODY).answer().status == 200
            assert raw.call(STREAM).answer().status == 200
            assert raw.send(head("GET", "/v1/nothing")).answer().status == 404
        raw.send(b"nonsense\r\n\r\n").answer()
    engine.script = never_ends
    with Raw(worker) as raw:
        raw.call(STREAM).until(b"data: ")
    engine.script = refuses(500)
    worker.post(FIELDS)
    engine.script = say_hello
    with Raw(worker) as raw:
        raw.send(b"GET /")  # never a request: a client may open and close what it likes
    wait_for("all are settled", lambda: worker.counted("vllm_requests_total") == 18)
    wait_for("tokens are counted", lambda: worker.counted("forebay_tokens_total", type="output") == 10 * 3)
    assert worker.counted("forebay_calls_in_flight") == 0
    by_status = {
        status: worker.counted("vllm_requests_total", status=status) for status in ("200", "400", "404", "499", "502")
    }
    assert by_status == {"200": 10, "400": 1, "404": 5, "499": 1, "502": 1}
    assert worker.counted("vllm_request_duration_seconds") == 18
    assert worker.counted("forebay_tokens_total", type="input") == 10 * 7
    assert worker.counted("forebay_time_to_first_token_seconds", model="m") == 6
    assert worker.counted("forebay_engine_requests_total", engine="e1", outcome="answered") == 10
    assert worker.counted("forebay_engine_requests_total") == 12
    assert worker.counted("forebay_engine_outstanding") == 0
    assert worker.counted("forebay_refusals_total", code="not_found") == 5


def test_no_label_is_a_user_s_word(worker: GatewayWorker) -> None:
    worker.post({**FIELDS, "model": CANARY})
    worker.post({**FIELDS, CANARY: 1})
    worker.post(FIELDS, path=f"/v1/{CANARY}")
    exchange(worker, head(CANARY[:6].upper(), "/health"))
    wait_for("they are counted", lambda: worker.counted("vllm_requests_total") == 4)
    assert not [each for each in worker.series() if any(CANARY[:6].lower() in label.lower() for label in each.labels)]


def test_an_engine_that_lies_about_tokens_is_not_believed(worker: GatewayWorker, engine: FakeEngine) -> None:
    for number, tokens in enumerate((10**40, -5, 1.5, '"7"', "null"), 1):
        text = b'{"choices":[],"usage":{"prompt_tokens":%s,"completion_tokens":1}}' % str(tokens).encode()
        engine.script = sends(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(text) + text,
            then="next",
        )
        assert worker.post(FIELDS) == (200, text)
        assert logged(worker, number)[-1]["tokens"] == {"input": 0, "output": 0}
    assert worker.counted("forebay_tokens_total") == 0
