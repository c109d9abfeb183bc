"""A cascade over a real vLLM, which stands for both models: its own log-probabilities decide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import orjson
import pytest

from forebay.gateway.cascade.policy import Bounds, CascadePolicy
from forebay.gateway.snapshot import EngineRef, ModelRef
from forebay.testing.service import Service
from forebay.testing.worker import GatewayWorker
from tests.engine.conftest import ENGINE_NAME, engine_url
from tests.integration.gateway.raw import Answer, Raw

CHAT: dict[str, Any] = {
    "model": "large",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "temperature": 0,
    "max_tokens": 40,
}
PROMPT: dict[str, Any] = {"model": "large", "prompt": "1, 2, 3, 4,", "temperature": 0, "max_tokens": 40, "stop": ["8"]}
SCHEMA = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"]}


@pytest.fixture(scope="module")
def worker(real_vllm: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayWorker]:
    made = GatewayWorker(tmp_path_factory.mktemp("cascade"), [])
    port = urlsplit(engine_url(real_vllm)).port
    assert port is not None
    engines = tuple(
        EngineRef(
            name=name,
            model=name,
            host="127.0.0.1",
            port=port,
            kind="external",
            max_outstanding=4,
            routable=True,
            served_name=ENGINE_NAME,
        )
        for name in ("small", "large")
    )
    made.snapshot = msgspec.structs.replace(made.snapshot, engines=engines)
    use(made, CascadePolicy(first="small"))
    with made:
        yield made


def use(worker: GatewayWorker, policy: CascadePolicy) -> None:
    models = (ModelRef(name="small"), ModelRef(name="large", cascade=policy))
    worker.snapshot = msgspec.structs.replace(worker.snapshot, models=models)
    if worker.process is not None:
        worker.reload()


def asked(worker: GatewayWorker, fields: dict[str, Any], path: str = "/v1/chat/completions") -> Answer:
    with Raw(worker) as raw:
        raw.socket.settimeout(120)
        answer = raw.call(orjson.dumps(fields), path=path).answer()
    assert answer.status == 200, answer.body
    return answer


@pytest.mark.parametrize(("bound", "how"), [(-5.0, "first"), (-1e-9, "escalated;reason=uncertain")])
def test_log_probabilities_decide(worker: GatewayWorker, bound: float, how: str) -> None:
    use(worker, CascadePolicy(first="small", bounds=Bounds(mean_logprob=bound)))
    for fields, path in ((CHAT, "/v1/chat/completions"), (PROMPT, "/v1/completions")):
        answer = asked(worker, fields, path)
        body = orjson.loads(answer.body)
        assert answer.headers["x-forebay-cascade"] == how
        assert not body["choices"][0].get("logprobs")
    streamed = asked(worker, CHAT | {"stream": True})
    assert streamed.headers["x-forebay-cascade"] == how
    assert streamed.payloads[-1] == b"[DONE]"


def test_it_is_asked_of_its_own_answer(worker: GatewayWorker) -> None:
    use(worker, CascadePolicy(first="small", bounds=Bounds(self_check=1e-9)))
    assert asked(worker, CHAT).headers["x-forebay-cascade"] == "first"
    use(worker, CascadePolicy(first="small", bounds=Bounds(self_check=1.0)))
    assert asked(worker, CHAT).headers["x-forebay-cascade"] == "escalated;reason=doubted"


def test_a_structured_answer_is_judged_by_its_schema(worker: GatewayWorker) -> None:
    use(worker, CascadePolicy(first="small"))
    wanted = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}
    answer = asked(worker, CHAT | {"response_format": wanted})
    assert answer.headers["x-forebay-cascade"] == "first"
    assert orjson.loads(orjson.loads(answer.body)["choices"][0]["message"]["content"])["city"] in {"Paris", "Rome"}
