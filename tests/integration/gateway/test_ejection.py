"""Failing engines are ejected by what their calls come to, by nothing a client does, and come back by one probe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import orjson
import pytest
from tests.integration.gateway.meeting import see_each_other
from tests.integration.gateway.raw import FIELDS, STREAM, Raw
from tests.integration.gateway.scripts import Gate, Script, holds_streams, refuses, sends

from forebay.gateway.routing.policy import BreakerPolicy
from forebay.testing.fake_engine import FakeEngine, say_hello
from forebay.testing.worker import GatewayWorker, wait_for

LONG = BreakerPolicy(failures=3, failure_ratio=0.5, open_s=3600, longest_s=3600)
SHORT = BreakerPolicy(failures=3, failure_ratio=0.5, open_s=0.2, longest_s=0.2)
Start = Callable[..., tuple[list[FakeEngine], GatewayWorker]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(count: int, breaker: BreakerPolicy, **policy: object) -> tuple[list[FakeEngine], GatewayWorker]:
            engines = [stack.enter_context(FakeEngine()) for _ in range(count)]
            worker = GatewayWorker(tmp_path, [engine.port for engine in engines])
            return engines, stack.enter_context(worker.policy(breaker=breaker, **policy))

        yield begin


def ejected(worker: GatewayWorker, engine: str = "e1") -> bool:
    return worker.counted("forebay_engine_ejected", engine=engine) == 1


def said(worker: GatewayWorker, part: str) -> bool:
    return any(part in str(line["message"]) for line in worker.log_lines())


FAILING: dict[str, Script] = {
    "500": refuses(500),
    "503": refuses(503),
    "reset": sends(),
    "cut": sends(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"
    ),
    "silence": sends(then="nothing"),
}


@pytest.mark.parametrize("case", FAILING)
def test_an_engine_whose_calls_fail_is_left_alone(start: Start, case: str) -> None:
    waits = {"first_byte_s": 0.5} if case == "silence" else {}
    (bad, _good), worker = start(2, LONG, **waits)
    bad.script = FAILING[case]
    fields = {**FIELDS, "stream": case == "cut"}
    wait_for("it is ejected", lambda: ejected(worker) or worker.post(fields) is None)
    worker.policy(first_byte_s=60.0).reload()
    before = bad.requests
    for _ in range(6):
        assert worker.post(FIELDS)[0] == 200
    assert bad.requests == before
    wait_for("it is in the log", lambda: said(worker, "an engine is ejected"))


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422, 429])
def test_client_errors_eject_nobody(start: Start, status: int) -> None:
    (first, _second), worker = start(2, LONG)
    first.script = refuses(status)
    for _ in range(20):
        worker.post(FIELDS)
    assert not ejected(worker)
    assert first.requests == 10


def test_clients_that_leave_eject_nobody(start: Start) -> None:
    engines, worker = start(2, LONG)
    for engine in engines:
        engine.script = Gate()
    for number in range(1, 13):
        with Raw(worker) as raw:
            raw.call(STREAM)
            wait_for("an engine has it", lambda total=number: sum(each.requests for each in engines) == total)
        wait_for("its work is aborted", lambda total=number: sum(each.aborted for each in engines) == total)
    assert worker.counted("forebay_engine_ejected") == 0


def test_a_500_is_never_sent_twice(start: Start) -> None:
    engines, worker = start(4, LONG)
    for engine in engines:
        engine.script = refuses(500)
    for number in range(1, 6):
        status, body = worker.post(FIELDS)
        assert (status, orjson.loads(body)["error"]["code"]) == (502, "engine_error")
        assert sum(engine.requests for engine in engines) == number


def test_it_comes_back_by_one_call_at_a_time(start: Start) -> None:
    (bad, _good), worker = start(2, SHORT)
    bad.script = refuses(500)
    while not ejected(worker):
        worker.post(FIELDS)
    gate = Gate()
    bad.script = gate
    before = bad.requests
    with ThreadPoolExecutor(8) as pool:
        probe = None
        while bad.requests == before:  # once its time is over, one of these is the probe
            call = pool.submit(worker.post, FIELDS)
            wait_for("it is answered, or the probe", lambda call=call: call.done() or bad.running)
            probe = call
        assert probe is not None
        for _ in range(10):
            assert worker.post(FIELDS)[0] == 200
        assert bad.requests == before + 1, "a second call beside the probe"
        assert worker.counted("forebay_breaker_changes_total", engine="e1", state="half_open") == 1
        gate.is_open = True
        assert probe.result(60)[0] == 200
    wait_for("it is back", lambda: not ejected(worker))
    bad.script = say_hello
    for _ in range(4):
        assert worker.post(FIELDS)[0] == 200
    assert bad.requests >= before + 3
    wait_for("it is in the log", lambda: said(worker, "answers again"))


def test_the_last_engines_are_never_ejected(start: Start) -> None:
    engines, worker = start(2, LONG)
    for engine in engines:
        engine.script = refuses(500)
    for _ in range(30):
        worker.post(FIELDS)
    assert worker.counted("forebay_engine_ejected") == 1
    before = sum(engine.requests for engine in engines)
    worker.post(FIELDS)
    assert sum(engine.requests for engine in engines) == before + 1


def test_a_new_policy_takes_hold_between_two_calls(start: Start) -> None:
    (bad, _good), worker = start(2, LONG)
    bad.script = refuses(500)
    while not ejected(worker):
        worker.post(FIELDS)
    bad.script = say_hello
    before = bad.requests
    worker.policy(breaker=BreakerPolicy(enabled=False)).reload()
    wait_for("it is asked again", lambda: worker.post(FIELDS)[0] == 200 and bad.requests > before)


def test_two_workers_spend_one_budget(tmp_path: Path) -> None:
    calls, ratio, places = 20, 0.1, 2
    with ExitStack() as stack:
        engines = [stack.enter_context(FakeEngine(refuses(503))) for _ in range(4)]
        ports = [engine.port for engine in engines]
        workers = [GatewayWorker(tmp_path, ports, name=f"worker-{n}", places=places) for n in (1, 2)]
        workers[1].key, workers[1].snapshot = workers[0].key, workers[0].snapshot
        for worker in workers:
            worker.policy(retry_budget_ratio=ratio, queue_wait_s=0.2, breaker=BreakerPolicy(enabled=False))
            stack.enter_context(worker)
        for engine in engines:
            engine.script = holds_streams
        see_each_other(*workers, places * len(engines))
        for engine in engines:
            engine.script = refuses(503)
        before = sum(engine.requests for engine in engines)
        for number in range(calls):
            workers[number % 2].post(FIELDS)
        retried = sum(worker.counted("forebay_retries_total") for worker in workers)
        asked = sum(worker.counted("vllm_requests_total") for worker in workers)
        assert retried <= 2 * places + ratio * asked + 1
        assert retried >= 2 * places
        assert sum(engine.requests for engine in engines) - before <= calls + retried
