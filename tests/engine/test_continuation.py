"""Two real vLLM engines at float32: a greedy stream that is cut anywhere says what it would have said uncut."""

from __future__ import annotations

import http.client
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from typing import Any

import httpx2
import msgspec
import orjson
import pytest

from forebay.testing.relay import Cut, Relay
from forebay.testing.service import Service
from forebay.testing.worker import GatewayWorker, wait_for
from forebay.wire.sse import data_of, events

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
PROMPTS = {
    "English": "What is the capital of France?",
    "Chinese": "Repeat exactly: 你好，世界！今天天气很好。",
    "emoji": "Repeat exactly: 😀🎉👩‍👩‍👧 🇫🇷 café",
}
STOPS: dict[str, dict[str, Any]] = {"": {}, ", stop strings": {"stop": ["\n\n\n", "xyz"]}}
Said = tuple[str, str | None, dict[str, int] | None, bytes]


@pytest.fixture(scope="module")
def pair(vllm_model: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Both engines under one service, sharing the cores."""
    (engine,) = vllm_model["engines"]
    args = {"enforce-eager": True, "max-model-len": 256, "max-num-seqs": 2, "dtype": "float32"}
    env = {**engine["env"], "OMP_NUM_THREADS": "1"}
    model = {"engines": [{**engine, "count": 2, "args": args, "env": env}], "continuation": True}
    with Service(tmp_path_factory.mktemp("pair"), {"m": model}, edge={"kind": "none"}) as running:
        yield running


@pytest.fixture(scope="module")
def relayed(pair: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Relay], GatewayWorker]]:
    """A worker that reaches both engines through wires that can be cut."""
    ports = [int(engine["url"].rpartition(":")[2]) for engine in pair.status()["engines"]]
    with ExitStack() as stack:
        relays = [stack.enter_context(Relay(port)) for port in ports]
        worker = GatewayWorker(tmp_path_factory.mktemp("worker"), [relay.port for relay in relays])
        snapshot = worker.snapshot
        worker.snapshot = msgspec.structs.replace(
            snapshot,
            models=tuple(msgspec.structs.replace(each, continuation=True) for each in snapshot.models),
            engines=tuple(msgspec.structs.replace(each, continues=True) for each in snapshot.engines),
        )
        yield relays, stack.enter_context(worker.policy(retry_budget_ratio=1.0))


def streamed(port: int, key: str, path: str, fields: dict[str, Any]) -> list[bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    connection.request("POST", path, orjson.dumps(fields), headers)
    body = connection.getresponse().read()
    connection.close()
    return [data_of(each) for each in events(body)]


def said(payloads: list[bytes]) -> Said:
    """Text, end, token counts, and the last payload."""
    text, finish, usage = "", None, None
    for fields in map(orjson.loads, payloads[:-1]):
        usage = fields.get("usage") or usage
        for choice in fields["choices"]:
            text += choice["delta"].get("content") or "" if "delta" in choice else choice["text"]
            finish = choice["finish_reason"] or finish
    return text, finish, usage, payloads[-1]


def asked(path: str, prompt: str, **more: Any) -> dict[str, Any]:
    what = {"messages": [{"role": "user", "content": prompt}]} if path == CHAT else {"prompt": prompt}
    base = {"model": "m", "temperature": 0, "max_tokens": 16, "stream": True, "stream_options": {"include_usage": True}}
    return {**base, **what, **more}


@pytest.mark.parametrize(
    ("path", "prompt", "stop"),
    [
        (CHAT, "English", ""),
        (CHAT, "Chinese", ", stop strings"),
        (CHAT, "emoji", ""),
        (TEXT, "Chinese", ""),
        (TEXT, "emoji", ", stop strings"),
    ],
)
def test_cut_behind_every_event_it_says_the_same(
    relayed: tuple[list[Relay], GatewayWorker], path: str, prompt: str, stop: str
) -> None:
    relays, worker = relayed
    fields = asked(path, PROMPTS[prompt], **STOPS[stop])
    whole = streamed(worker.port, worker.key, path, fields)
    assert whole[-1] == b"[DONE]"
    for after in range(1, len(whole)):
        relays[0].cut = relays[1].cut = cut = Cut(after, extra_bytes=7 if after % 2 else 0)
        again = streamed(worker.port, worker.key, path, fields)
        assert said(again) == said(whole), after
        # On a busy machine vLLM tells several tokens in one event: a shorter stream has no such place.
        assert cut.spent or len(again) <= after, f"nothing was cut behind event {after}"


def test_an_engine_that_is_killed_is_not_noticed(pair: Service) -> None:
    port, key = pair.content["gateway"]["port"], pair.key
    fields = asked(CHAT, "Tell me a very long story.", max_tokens=180, ignore_eos=True)
    whole = said(streamed(port, key, CHAT, fields))
    wait_for("no engine holds a call", lambda: not holding(pair))
    pids = {str(engine["name"]): int(engine["pid"]) for engine in pair.status()["engines"]}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=240)) as connection, ExitStack() as stack:
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        connection.request("POST", CHAT, orjson.dumps(fields), headers)
        answer = connection.getresponse()
        begun = answer.read1(65536)
        assert begun, "it ended too soon"
        for pid in pids.values():  # nobody says another token, however long it takes to find out who was talking
            os.kill(pid, signal.SIGSTOP)
            stack.callback(resume, pid)
        (busy,) = holding(pair)
        os.kill(pids.pop(busy), signal.SIGKILL)
        for pid in pids.values():
            os.kill(pid, signal.SIGCONT)
        rest = answer.read()
    assert said([data_of(each) for each in events(begun + rest)]) == whole
    counted = 'forebay_continuations_total{outcome="continued"} 1.0'
    wait_for("it is counted", lambda: counted in httpx2.get(pair.metrics_url, timeout=10).text)


def holding(service: Service) -> list[str]:
    """The engines that hold a call, by the gateway's word: vLLM's own gauge stays up behind a cancelled call."""
    gauges = httpx2.get(service.metrics_url, timeout=10).text.splitlines()
    held = [line for line in gauges if line.startswith("forebay_engine_outstanding{") and not line.endswith(" 0.0")]
    return [
        str(each["name"]) for each in service.status()["engines"] if any(f'"{each["name"]}"' in line for line in held)
    ]


def resume(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
