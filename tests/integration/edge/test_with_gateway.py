"""Claims about the edge and a real gateway worker together: what one sends, the other takes."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.edge import real_edge
from tests.integration.edge.real_edge import DEADLINE_S, Edge, until

from forebay.testing.fake_engine import FakeEngine
from forebay.testing.worker import GatewayWorker

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
PATH = "/v1/chat/completions"


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as fake:
        yield fake


@pytest.fixture(scope="module")
def worker(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayWorker]:
    with GatewayWorker(tmp_path_factory.mktemp("worker"), [engine.port]) as running:
        yield running


@pytest.fixture(scope="module")
def edge(kind: str, worker: GatewayWorker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    limits = {"limits": {"body": "4MiB"}}
    with real_edge.edge(tmp_path_factory.mktemp("edge"), kind, [worker.port], gateway=limits) as running:
        yield running


def headers(worker: GatewayWorker, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {worker.key}", "Content-Type": "application/json", **more}


def chat(edge: Edge, worker: GatewayWorker, **fields: Any) -> real_edge.Answer:
    return edge.call("POST", PATH, json.dumps(CHAT | fields), headers(worker, **{"X-Request-Id": "mine-0001"}))


def test_a_whole_answer_comes_through_with_the_clients_request_id(edge: Edge, worker: GatewayWorker) -> None:
    answer = chat(edge, worker)
    assert answer.status == 200
    assert json.loads(answer.body)["choices"][0]["message"]["content"] == "hello"
    assert answer.headers["x-request-id"] == "mine-0001"
    assert "strict-transport-security" in answer.headers


def test_a_stream_comes_through_to_its_end(edge: Edge, worker: GatewayWorker) -> None:
    answer = chat(edge, worker, stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.body.endswith(b"data: [DONE]\n\n")


def test_a_chunked_body_comes_through(edge: Edge, worker: GatewayWorker) -> None:
    body = json.dumps(CHAT).encode()
    answer = edge.call("POST", PATH, iter([body[:10], body[10:]]), headers(worker))
    assert answer.status == 200


def test_a_prompt_of_megabytes_comes_through(edge: Edge, worker: GatewayWorker, engine: FakeEngine) -> None:
    prompt = "x" * 3_000_000
    assert chat(edge, worker, messages=[{"role": "user", "content": prompt}]).status == 200
    assert len(engine.seen[-1].body) > len(prompt)


def test_the_gateways_refusals_come_through(edge: Edge, worker: GatewayWorker) -> None:
    refused = edge.call("POST", PATH, json.dumps(CHAT), {"Content-Type": "application/json"})
    assert (refused.status, refused.error["code"]) == (401, "invalid_api_key")
    assert edge.call("GET", "/metrics", headers=headers(worker)).status == 404
    assert edge.call("GET", "/V1/models", headers=headers(worker)).status == 404


def test_edge_and_gateway_refuse_a_body_with_the_same_status_and_code(edge: Edge, worker: GatewayWorker) -> None:
    length = 4 * 1024 * 1024 + 1
    by_edge = edge.announce(PATH, length, headers(worker))
    status, answer = worker.post(b" " * length)
    assert (by_edge.status, by_edge.error["code"]) == (status, json.loads(answer)["error"]["code"])


def test_the_gateway_logs_the_clients_address_and_the_same_request_id(edge: Edge, worker: GatewayWorker) -> None:
    edge.call(
        "POST", PATH, json.dumps(CHAT), headers(worker, **{"X-Forwarded-For": "6.6.6.6", "X-Request-Id": "xff-0001"})
    )
    until(lambda: any(line.get("request_id") == "xff-0001" for line in worker.log_lines()), "the call is logged")
    (line,) = [line for line in worker.log_lines() if line.get("request_id") == "xff-0001"]
    assert line["client_ip"] == "127.0.0.1"


def test_a_made_request_id_is_the_same_for_client_and_log(edge: Edge, worker: GatewayWorker) -> None:
    made = edge.call("POST", PATH, json.dumps(CHAT), headers(worker)).headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{32}", made)
    until(lambda: any(line.get("request_id") == made for line in worker.log_lines()), "the call is logged")


def test_workers_that_are_restarted_gracefully_under_load_lose_no_call(
    kind: str, engine: FakeEngine, tmp_path: Path
) -> None:
    workers = [GatewayWorker(tmp_path / name, [engine.port], name=name) for name in ("worker-1", "worker-2")]
    workers[1].snapshot, workers[1].key = workers[0].snapshot, workers[0].key  # the two take the same key
    answers: list[int] = []
    enough = threading.Event()
    with workers[0], workers[1], real_edge.edge(tmp_path, kind, [worker.port for worker in workers]) as edge:

        def client() -> None:
            connection = edge.connect()
            while not enough.is_set():
                connection.request("POST", PATH, json.dumps(CHAT), headers(workers[0]))
                response = connection.getresponse()
                response.read()
                answers.append(response.status)
            connection.close()

        clients = [threading.Thread(target=client) for _ in range(6)]
        for thread in clients:
            thread.start()
        for worker in workers:
            mark = len(answers)
            until(lambda mark=mark: len(answers) > mark + 40, "calls flow")
            worker.signal(signal.SIGTERM)
            assert worker.process is not None
            worker.process.wait(DEADLINE_S)
            worker.start()
        enough.set()
        for thread in clients:
            thread.join()
    assert set(answers) == {200}
