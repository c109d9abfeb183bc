"""A worker takes new snapshots without losing a call, and leaves without losing one."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import orjson
import pytest
from tests.integration.gateway.raw import BODY, FIELDS, STREAM, Raw, exchange, head
from tests.integration.gateway.scripts import Gate, never_ends

from forebay.gateway.snapshot import EngineRef, KeyRecord, Snapshot, publish
from forebay.security.keys import digest, new_key
from forebay.testing.fake_engine import FakeEngine
from forebay.testing.worker import GatewayWorker, free_port, wait_for


@pytest.fixture
def engine(gated_engine: FakeEngine) -> FakeEngine:
    return gated_engine


@pytest.fixture
def worker(engine: FakeEngine, tmp_path: Path) -> Iterator[GatewayWorker]:
    with GatewayWorker(tmp_path, [engine.port]) as running:
        yield running


def change(worker: GatewayWorker, **changes: object) -> None:
    worker.snapshot = msgspec.structs.replace(worker.snapshot, **changes)


def engine_ref(name: str, port: int, **changes: object) -> EngineRef:
    ref = EngineRef(
        name=name, model="m", host="127.0.0.1", port=port, kind="external", max_outstanding=8, routable=True
    )
    return msgspec.structs.replace(ref, **changes)


def begun(worker: GatewayWorker) -> Raw:
    raw = Raw(worker).call(STREAM)
    raw.until(b"begun")
    return raw


def test_a_reload_changes_keys_between_calls_and_no_stream(worker: GatewayWorker, gate: Gate) -> None:
    stream, kept = begun(worker), Raw(worker)
    old = worker.key
    worker.key, key_id, secret = new_key()
    change(worker, keys=(KeyRecord(id=key_id, digest=digest("pepper", secret), tenant="t2"),))
    worker.reload()
    gate.is_open = True
    assert worker.post(FIELDS)[0] == 200
    assert kept.call(BODY).answer().code == "invalid_api_key"  # `kept` was opened with the old key
    answer = exchange(worker, head("GET", "/v1/models", f"Authorization: Bearer {old}"))
    assert (answer.status, answer.code) == (401, "invalid_api_key")
    assert b"ended" in stream.until(b"[DONE]")
    stream.socket.close()
    kept.socket.close()
    assert worker.counted("forebay_snapshot_reloads_total", result="taken") == 1


def test_an_engine_that_leaves_keeps_its_streams_and_gets_no_more(
    worker: GatewayWorker, engine: FakeEngine, gate: Gate
) -> None:
    with FakeEngine() as other:
        stream, requests = begun(worker), engine.requests
        change(worker, engines=(engine_ref("e2", other.port),))
        worker.reload()
        for _ in range(3):
            assert worker.post(FIELDS)[0] == 200
        assert (engine.requests, other.requests) == (requests, 3)
        gate.is_open = True
        assert b"ended" in stream.until(b"[DONE]")
        stream.socket.close()
        wait_for("its place is given back", lambda: worker.counted("forebay_engine_outstanding") == 0)


def test_an_engine_that_moves_keeps_its_streams(worker: GatewayWorker, engine: FakeEngine, gate: Gate) -> None:
    with FakeEngine() as moved:
        stream, requests = begun(worker), engine.requests
        change(worker, engines=(engine_ref("e1", moved.port),))
        worker.reload()
        assert worker.post(FIELDS)[0] == 200
        assert (engine.requests, moved.requests) == (requests, 1)
        wait_for("only the stream holds a place", lambda: worker.counted("forebay_engine_outstanding") == 1)
        gate.is_open = True
        assert b"ended" in stream.until(b"[DONE]")
        stream.socket.close()
        wait_for("its place is given back", lambda: worker.counted("forebay_engine_outstanding") == 0)


def test_calls_that_wait_take_an_engine_that_comes(worker: GatewayWorker, engine: FakeEngine, gate: Gate) -> None:
    gate.is_open = True
    change(worker, engines=())
    worker.reload()
    with Raw(worker) as waiting:
        waiting.call()
        wait_for("it waits", lambda: worker.counted("forebay_queue_calls") == 1)
        change(worker, engines=(engine_ref("e9", engine.port),))
        worker.reload()
        assert waiting.answer().status == 200


def test_ready_tells_whether_every_model_has_an_engine(worker: GatewayWorker, engine: FakeEngine) -> None:
    assert exchange(worker, head("GET", "/ready")).status == 200
    for engines in ((engine_ref("e1", engine.port, routable=False),), ()):
        change(worker, engines=engines)
        worker.reload()
        answer = exchange(worker, head("GET", "/ready"))
        assert (answer.status, answer.code) == (503, "not_ready")
        assert exchange(worker, head("GET", "/health")).status == 200
    change(worker, engines=(engine_ref("e1", engine.port),))
    worker.reload()
    assert exchange(worker, head("GET", "/ready")).status == 200


def damaged(snapshot: Snapshot, folder: Path) -> None:
    target = folder / f"{publish(snapshot, folder)}.json"
    target.write_bytes(target.read_bytes().replace(b'"pepper":"pepper"', b'"pepper":"PEPPER"'))


def gone(snapshot: Snapshot, folder: Path) -> None:
    (folder / f"{publish(snapshot, folder)}.json").unlink()


def unusable(**changes: object) -> object:
    def do(snapshot: Snapshot, folder: Path) -> None:
        policy = msgspec.structs.replace(snapshot.policy, **changes)
        publish(msgspec.structs.replace(snapshot, policy=policy), folder)

    return do


@pytest.mark.parametrize(
    "spoil",
    [
        damaged,
        gone,
        unusable(routing="no such policy"),
        unusable(log_level="loud"),
        unusable(trusted_proxies=("10.0.0.0/99",)),
    ],
    ids=["damaged", "gone", "policy", "level", "network"],
)
def test_a_snapshot_that_cannot_be_used_leaves_the_old_one(worker: GatewayWorker, gate: Gate, spoil: object) -> None:
    gate.is_open = True
    before = worker.state.acknowledgement(worker.name).read_bytes()
    change(worker, engines=(), keys=(), models=())
    assert callable(spoil)
    spoil(worker.snapshot, worker.state.snapshots)
    worker.signal(signal.SIGHUP)
    wait_for("it is refused", lambda: worker.counted("forebay_snapshot_reloads_total", result="refused") == 1)
    assert worker.post(FIELDS)[0] == 200
    assert worker.state.acknowledgement(worker.name).read_bytes() == before
    assert any(line["level"] == "error" and "old one stays" in str(line["message"]) for line in worker.log_lines())


def test_reloads_under_load_lose_no_call(worker: GatewayWorker, gate: Gate) -> None:
    gate.is_open = True
    with Raw(worker) as raw:
        for number in range(20):
            worker.policy(queue_calls=100 + number)
            publish(worker.snapshot, worker.state.snapshots)
            worker.signal(signal.SIGHUP)
            assert raw.call(STREAM).answer().payloads[-1] == b"[DONE]"


def exit_code(worker: GatewayWorker) -> int:
    assert worker.process is not None
    return worker.process.wait(60)


def test_a_worker_that_is_told_to_stop_finishes_its_calls(worker: GatewayWorker, gate: Gate) -> None:
    stream, whole, idle, half = begun(worker), Raw(worker).call(), Raw(worker), Raw(worker)
    idle.send(head("GET", "/health")).answer()
    request = half.request(BODY)
    half.send(request[:-5])
    wait_for("both calls run", lambda: worker.counted("forebay_engine_outstanding") == 2)
    worker.signal(signal.SIGTERM)
    assert idle.is_closed()
    with pytest.raises(ConnectionRefusedError):
        worker.connect()
    gate.is_open = True
    assert b"ended" in stream.until(b"[DONE]\n\n")
    stream.until(b"0\r\n\r\n")
    assert stream.is_closed()
    assert half.send(request[-5:]).answer().headers["connection"] == "close"
    assert whole.answer().headers["connection"] == "close"
    assert exit_code(worker) == 0
    for each in (stream, whole, idle, half):
        each.socket.close()
    messages = [line["message"] for line in worker.log_lines()]
    assert [m for m in messages if m != "request"] == ["worker is ready", "worker is draining", "worker has stopped"]
    assert messages.count("request") == 3  # a probe that finds all well is no call


def test_a_call_that_does_not_end_is_cut_when_the_drain_is_over(
    worker: GatewayWorker, engine: FakeEngine, gate: Gate
) -> None:
    worker.policy(drain_s=0.3).reload()
    engine.script = never_ends
    with Raw(worker) as stream:
        stream.call(STREAM).until(b"data: ")
        worker.signal(signal.SIGTERM)
        with pytest.raises((EOFError, ConnectionResetError)):
            stream.until(b"[DONE]")
    assert exit_code(worker) == 0
    wait_for("its work is aborted", lambda: engine.running == 0)
    assert any(line.get("cancelled") == "client_left" for line in worker.log_lines())


def test_a_port_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    worker = GatewayWorker(tmp_path, [free_port()])
    with socket.create_server(("127.0.0.1", worker.port)), pytest.raises(AssertionError, match="cannot start") as said:
        worker.start()
    assert str(said.value).count("\n") == 1
    assert exit_code(worker) == 1


def test_openai_s_model_list_names_aliases(worker: GatewayWorker) -> None:
    answer = exchange(worker, head("GET", "/v1/models", f"Authorization: Bearer {worker.key}"))
    assert [each["id"] for each in orjson.loads(answer.body)["data"]] == ["gpt-alias", "m"]
