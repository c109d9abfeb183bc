"""Questions in other words, through a real worker and the real embedding model: what hits, what never does."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from tests.integration.gateway.test_reuse import another_key, answered

from forebay.core.unix_sockets import connected
from forebay.gateway.reuse.policy import CachePolicy, SemanticPolicy
from forebay.testing.fake_engine import FakeEngine
from forebay.testing.worker import GatewayWorker, wait_for

RESET = "How do I reset my password?"
OTHERWISE = "Please tell me how to reset my password."
POLICY = CachePolicy(
    version="v1",
    exact=True,
    single_flight=True,
    ttl_s=600.0,
    memory_bytes=10_000_000,
    answer_bytes=1_000_000,
    # Far beyond what a healthy one takes: a busy machine must not turn a hit into a miss here.
    semantic=SemanticPolicy(threshold=0.8, deadline_s=30.0, questions=1000),
)


def question(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], "temperature": 0} | fields


@contextmanager
def embedder(worker: GatewayWorker) -> Iterator[subprocess.Popen[bytes]]:
    arguments = ["-m", "forebay.gateway.reuse.semantic.embedder", "--socket", str(worker.state.embedder)]
    running = subprocess.Popen([sys.executable, *arguments])
    try:
        wait_for("the embedder listens", lambda: listens(worker.state.embedder), 60)
        yield running
    finally:
        running.kill()
        running.wait(30)


def listens(path: Path) -> bool:
    try:
        connected(path).close()
    except OSError:
        return False
    return True


def semantic(worker: GatewayWorker, **changes: Any) -> GatewayWorker:
    policy = msgspec.structs.replace(POLICY, **changes)
    models = tuple(msgspec.structs.replace(model, cache=policy) for model in worker.snapshot.models)
    worker.snapshot = msgspec.structs.replace(worker.snapshot, models=models)
    return worker


def counted(worker: GatewayWorker, result: str) -> float:
    return worker.counted("forebay_semantic_total", result=result)


def is_asked(worker: GatewayWorker) -> bool:
    """Whether the worker has found the embedder. In words of its own each time: the second time they are known."""
    number = int(worker.counted("forebay_semantic_total"))
    answered(worker, question(f"What is model {number}?"))
    return answered(worker, question(f"Please explain model {number}"))[0] == "semantic"


def warmed(worker: GatewayWorker) -> None:
    wait_for("a question was compared", lambda: is_asked(worker), 60)


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture(scope="module")
def worker(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayWorker]:
    made = semantic(GatewayWorker(tmp_path_factory.mktemp("semantic"), [engine.port]))
    with embedder(made), made as running:
        warmed(running)
        yield running


def test_a_paraphrase_gets_the_answer_that_was_given_and_is_told_so(worker: GatewayWorker, engine: FakeEngine) -> None:
    origin, first = answered(worker, question(RESET))
    before = engine.requests
    again, body = answered(worker, question(OTHERWISE))
    assert (origin, again, body) == ("miss", "semantic", first)
    assert engine.requests == before
    similarity = float(headers(worker, question(OTHERWISE))["x-forebay-similarity"])
    assert 0.8 <= similarity <= 1.0


def test_a_streamed_paraphrase_of_a_whole_answer(worker: GatewayWorker) -> None:
    answered(worker, question("How do I bake bread at home?"))
    origin, events = answered(worker, question("How can I bake bread at home?", stream=True))
    assert origin == "semantic"
    assert events.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("asked", "other"),
    [
        ("What is 12 times 7?", "What is 12 times 8?"),
        ("Which animals can fly?", "Which animals cannot fly?"),
        ("Translate from English to French: cat", "Translate from French to English: cat"),
        ("How do I enable notifications?", "How do I disable notifications?"),
        ("How do I sort a list in Python?", "How do I sort a list in Java?"),
        ("法国的首都是哪里？", "法国的首都是哪个城市？"),
    ],
)
def test_what_is_nearly_the_same_is_generated(worker: GatewayWorker, asked: str, other: str) -> None:
    assert answered(worker, question(asked))[0] == "miss"
    assert answered(worker, question(other))[0] == "miss"


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": 3},
        {"temperature": 0.0, "top_p": 0.5},
        {"seed": 4},
        {"logprobs": True},
        {"response_format": {"type": "json_object"}},
        {"messages": [{"role": "system", "content": "Be rude."}, {"role": "user", "content": OTHERWISE}]},
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
                {"role": "user", "content": OTHERWISE},
            ]
        },
    ],
)
def test_a_call_that_differs_in_anything_else_is_generated(worker: GatewayWorker, fields: dict[str, Any]) -> None:
    answered(worker, question(RESET))
    assert answered(worker, question(OTHERWISE) | fields)[0] == "miss"


def test_the_last_message_of_the_same_conversation_may_be_in_other_words(worker: GatewayWorker) -> None:
    history = [{"role": "user", "content": "I locked myself out."}, {"role": "assistant", "content": "Oh."}]
    first = question("") | {"messages": [*history, {"role": "user", "content": RESET}]}
    again = question("") | {"messages": [*history, {"role": "user", "content": OTHERWISE}]}
    assert (answered(worker, first)[0], answered(worker, again)[0]) == ("miss", "semantic")


def test_bypass_and_refresh_take_no_answer_to_another_question(worker: GatewayWorker) -> None:
    answered(worker, question(RESET))
    assert answered(worker, question(OTHERWISE), **{"x-forebay-cache": "bypass"})[0] == ""
    assert answered(worker, question(OTHERWISE), **{"x-forebay-cache": "refresh"})[0] == "miss"


def test_what_a_tenant_asked_answers_no_other(engine: FakeEngine, tmp_path: Path) -> None:
    made = semantic(GatewayWorker(tmp_path, [engine.port]))
    other = another_key(made, "t2")
    with embedder(made), made as worker:
        warmed(worker)
        answered(worker, question(RESET))
        assert answered(worker, question(OTHERWISE), authorization=f"Bearer {other}")[0] == "miss"
        assert answered(worker, question("How can I reset my password?"))[0] == "semantic"


def test_a_dead_embedder_costs_hits_and_no_answer_and_is_found_again(engine: FakeEngine, tmp_path: Path) -> None:
    with semantic(GatewayWorker(tmp_path, [engine.port])) as worker:
        with embedder(worker) as running:
            warmed(worker)
            answered(worker, question(RESET))
            os.kill(running.pid, signal.SIGKILL)
            running.wait(30)
            assert answered(worker, question(OTHERWISE))[0] == "miss"
            assert counted(worker, "lost") >= 1
        with embedder(worker):
            warmed(worker)


def test_a_stopped_embedder_is_waited_for_no_longer_than_allowed(engine: FakeEngine, tmp_path: Path) -> None:
    policy = SemanticPolicy(threshold=0.8, deadline_s=0.2, questions=1000)
    with semantic(GatewayWorker(tmp_path, [engine.port]), semantic=policy) as worker, embedder(worker) as running:
        warmed(worker)
        answered(worker, question(RESET))
        os.kill(running.pid, signal.SIGSTOP)
        assert answered(worker, question(OTHERWISE))[0] == "miss"
        assert counted(worker, "late") >= 1


def test_a_new_configuration_lets_go_of_what_was_asked_before(engine: FakeEngine, tmp_path: Path) -> None:
    with semantic(GatewayWorker(tmp_path, [engine.port])) as worker, embedder(worker):
        warmed(worker)
        answered(worker, question(RESET))
        semantic(worker, version="v2").reload()
        assert answered(worker, question(OTHERWISE))[0] == "miss"


def headers(worker: GatewayWorker, fields: Any) -> dict[str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=30)
    wanted = {"authorization": f"Bearer {worker.key}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", orjson.dumps(fields), wanted)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return {name.lower(): value for name, value in answer.getheaders()}
