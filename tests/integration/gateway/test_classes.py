"""Classes of calls at a real worker: who goes first, who never stands still, who is told at once to come later."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import orjson
import pytest
from tests.integration.gateway.raw import BODY, FIELDS, STREAM, Raw
from tests.integration.gateway.scripts import Gate, answers_after

from forebay.gateway.queue.policy import QueueClass, QueuePolicy
from forebay.gateway.snapshot import KeyRecord
from forebay.security.keys import digest, new_key
from forebay.testing.fake_engine import FakeEngine, say_hello
from forebay.testing.worker import GatewayWorker, wait_for

CLASSES = (
    QueueClass(name="interactive", weight=16, reserved_ratio=0.25),
    QueueClass(name="standard", weight=4),
    QueueClass(name="batch", weight=1, calls=50),
)
RULES = QueuePolicy(classes=CLASSES, default="standard", tenants={"t1": "interactive", "t2": "batch"})


class Tenants:
    """A worker before one engine, with a key of a tenant of the highest class and one of the lowest."""

    def __init__(self, folder: Path, engine: FakeEngine, places: int, rules: QueuePolicy = RULES) -> None:
        self.worker = GatewayWorker(folder, [engine.port], places=places)
        self.high = self.worker.key
        self.low, key_id, secret = new_key()
        record = KeyRecord(id=key_id, digest=digest("pepper", secret), tenant="t2", scopes=("inference",))
        keys = (*self.worker.snapshot.keys, record)
        self.worker.snapshot = msgspec.structs.replace(self.worker.snapshot, keys=keys, queue=rules)
        self._open: list[Raw] = []

    def call(self, key: str, name: str, *headers: str, body: bytes = BODY) -> Raw:
        """Send a call that the engine will see under `name`."""
        self.worker.key = key
        raw = Raw(self.worker).call(body, f"X-Request-Id: {name}", *headers)
        self._open.append(raw)
        return raw

    def waits(self, calls: int) -> None:
        wait_for(f"{calls} wait", lambda: self.worker.counted("forebay_queue_calls") == calls)

    def close(self) -> None:
        for raw in self._open:
            raw.socket.close()


def waited(tenants: Tenants, name: str) -> float:
    """Calls of a class whose wait is counted."""
    return tenants.worker.counted("forebay_queue_class_wait_seconds", **{"class": name})


def in_turn(engine: FakeEngine) -> list[str]:
    """The calls as the engine saw them."""
    lines = (line for each in engine.seen for line in each.head.decode().splitlines())
    return [line.removeprefix("x-request-id: ") for line in lines if line.startswith("x-request-id: ")]


@pytest.fixture
def engine(gated_engine: FakeEngine) -> FakeEngine:
    return gated_engine


@pytest.fixture
def tenants(tmp_path: Path, engine: FakeEngine) -> Iterator[Tenants]:
    found = Tenants(tmp_path, engine, places=1)
    with found.worker:
        yield found
        found.close()


def test_a_higher_class_overtakes_and_a_lower_one_progresses(tenants: Tenants, engine: FakeEngine, gate: Gate) -> None:
    running = tenants.call(tenants.high, "first-of-all", body=STREAM)
    running.until(b"begun")
    low = [tenants.call(tenants.low, f"low-{number:04}") for number in range(6)]
    tenants.waits(6)
    high = [tenants.call(tenants.high, f"high-{number:04}") for number in range(40)]
    tenants.waits(46)
    gate.is_open = True
    assert [each.answer().status for each in (*low, *high)] == [200] * 46
    seen = in_turn(engine)[1:]
    assert seen.index("high-0000") <= 1
    assert [name for name in seen if name.startswith("low")] == [f"low-{number:04}" for number in range(6)]
    assert [name for name in seen if name.startswith("high")] == [f"high-{number:04}" for number in range(40)]
    assert 2 <= sum(name.startswith("low") for name in seen[:36]) <= 4  # one in seventeen, less one call
    for name, calls in (("batch", 6), ("interactive", 41)):
        wait_for("waits are counted", lambda name=name, calls=calls: waited(tenants, name) == calls)


def test_a_call_may_step_down_but_not_up(tenants: Tenants, engine: FakeEngine, gate: Gate) -> None:
    running = tenants.call(tenants.high, "first-of-all", body=STREAM)
    running.until(b"begun")
    flex = orjson.dumps({**FIELDS, "service_tier": "flex"})
    calls = [
        tenants.call(tenants.low, "steps-up-0", "x-forebay-class: interactive"),
        tenants.call(tenants.high, "is-flexible", body=flex),
        tenants.call(tenants.high, "steps-down", "x-forebay-class: batch"),
    ]
    tenants.waits(3)
    wait_for("batch", lambda: tenants.worker.counted("forebay_queue_class_calls", **{"class": "batch"}) == 3)
    assert tenants.worker.counted("forebay_queue_class_calls") == 3
    gate.is_open = True
    assert [each.answer().status for each in calls] == [200] * 3
    assert b"service_tier" not in engine.seen[-1].body


def test_the_log_tells_the_class_that_a_call_had(tenants: Tenants, gate: Gate) -> None:
    gate.is_open = True
    tenants.call(tenants.high, "has-its-own").answer()
    tenants.call(tenants.high, "steps-down", "x-forebay-class: batch").answer()

    def classes() -> dict[object, object]:
        lines = [line for line in tenants.worker.log_lines() if line["message"] == "request"]
        return {line["request_id"]: line["class"] for line in lines}

    expected = {"has-its-own": "interactive", "steps-down": "batch"}
    wait_for("both are in the log", lambda: classes() == expected)


@pytest.mark.parametrize(
    "header", ["x-forebay-class: gold", "x-forebay-deadline-ms: soon", "x-forebay-deadline-ms: -1"]
)
def test_a_header_that_means_nothing_is_refused(tenants: Tenants, engine: FakeEngine, header: str) -> None:
    answer = tenants.call(tenants.high, "wrong-header", header).answer()
    assert (answer.status, answer.code) == (400, "invalid_value")
    assert orjson.loads(answer.body)["error"]["param"] == header.partition(":")[0]
    assert engine.requests == 0


def test_a_deadline_of_the_call_s_own_ends_its_wait(tenants: Tenants, engine: FakeEngine, gate: Gate) -> None:
    tenants.call(tenants.high, "first-of-all", body=STREAM).until(b"begun")
    began_at = time.monotonic()
    answer = tenants.call(tenants.high, "impatient", "x-forebay-deadline-ms: 150").answer()
    assert (answer.status, answer.code) == (503, "queue_timeout")
    assert time.monotonic() - began_at >= 0.14
    assert int(answer.headers["retry-after"]) >= 1
    labels = {"class": "interactive", "reason": "timeout"}
    wait_for("it is counted", lambda: tenants.worker.counted("forebay_queue_rejections_total", **labels) == 1)
    gate.is_open = True
    wait_for("the engine is free", lambda: engine.running == 0)
    assert tenants.call(tenants.high, "patient-call", "x-forebay-deadline-ms: 5000").answer().status == 200


def test_a_client_that_leaves_the_line_reaches_no_engine(tenants: Tenants, engine: FakeEngine, gate: Gate) -> None:
    tenants.call(tenants.high, "first-of-all", body=STREAM).until(b"begun")
    gone = [tenants.call(tenants.low, f"gone-{number:04}") for number in range(20)]
    stays = tenants.call(tenants.low, "stays-there")
    tenants.waits(21)
    for each in gone:
        each.reset()
    tenants.waits(1)
    gate.is_open = True
    assert stays.answer().status == 200
    assert in_turn(engine) == ["first-of-all", "stays-there"]


def test_a_full_class_refuses_and_others_do_not(tenants: Tenants, gate: Gate) -> None:
    tenants.call(tenants.high, "first-of-all", body=STREAM).until(b"begun")
    waiting = [tenants.call(tenants.low, f"wait-{number:04}") for number in range(50)]
    tenants.waits(50)
    answer = tenants.call(tenants.low, "one-too-many").answer()
    assert (answer.status, answer.code) == (429, "queue_full")
    assert int(answer.headers["retry-after"]) >= 1
    high = tenants.call(tenants.high, "has-room-still")
    gate.is_open = True
    assert {each.answer().status for each in (*waiting, high)} == {200}


def test_low_classes_cannot_fill_an_engine(tmp_path: Path, engine: FakeEngine, gate: Gate) -> None:
    tenants = Tenants(tmp_path, engine, places=4)
    with tenants.worker:
        low = [tenants.call(tenants.low, f"low-{number:04}", body=STREAM) for number in range(6)]
        for each in low[:3]:
            each.until(b"begun")
        tenants.waits(3)
        assert engine.running == 3
        high = tenants.call(tenants.high, "finds-a-place", body=STREAM)
        high.until(b"begun")  # the place that was kept
        gate.is_open = True
        for each in (*low, high):
            each.until(b"[DONE]")
        tenants.close()
        held = {"model": "m"}
        wait_for("nothing is held", lambda: tenants.worker.counted("forebay_queue_class_outstanding", **held) == 0)


def test_places_are_kept_over_two_workers(tmp_path: Path, engine: FakeEngine, gate: Gate) -> None:
    first = Tenants(tmp_path, engine, places=4)
    second = Tenants(tmp_path, engine, places=4)
    second.worker.name = "worker-2"
    second.worker.snapshot, second.high, second.low = first.worker.snapshot, first.high, first.low
    with first.worker, contextlib.ExitStack() as stack:
        begun = [first.call(first.low, f"low-{number:04}", body=STREAM) for number in range(2)]
        for each in begun:
            each.until(b"begun")
        stack.enter_context(second.worker)  # it looks for others as it starts, before it takes a call
        third = second.call(second.low, "third-low", body=STREAM)
        third.until(b"begun")
        fourth = second.call(second.low, "fourth-low", body=STREAM)
        second.waits(1)
        kept = first.call(first.high, "finds-a-place", body=STREAM)
        kept.until(b"begun")
        assert engine.running == 4
        gate.is_open = True
        for each in (*begun, third, fourth, kept):
            each.until(b"[DONE]")
        first.close()
        second.close()


def test_what_will_not_be_served_in_time_is_refused_at_once(tmp_path: Path) -> None:
    with FakeEngine(answers_after(0.05)) as engine:
        tenants = Tenants(tmp_path, engine, places=1)
        with tenants.worker, ThreadPoolExecutor(1) as pool:
            waiting = [tenants.call(tenants.high, f"wait-{number:04}") for number in range(200)]
            reading = pool.submit(lambda: [each.answer().status for each in waiting])
            wait_for("some were served", lambda: engine.requests > 20)
            answer = tenants.call(tenants.high, "too-late", "x-forebay-deadline-ms: 400").answer()
            ahead = 200 - engine.requests
            engine.script = say_hello
            assert ahead > 20  # so that 400 ms were not enough
            assert (answer.status, answer.code) == (503, "wait_too_long")
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            patient = tenants.call(tenants.high, "can-wait", "x-forebay-deadline-ms: 60000").answer()
            assert patient.status == 200
            assert reading.result(60) == [200] * 200
            labels = {"class": "interactive", "reason": "predicted"}
            wait_for("it is counted", lambda: tenants.worker.counted("forebay_queue_rejections_total", **labels) == 1)
        tenants.close()


def test_a_reload_of_other_classes_loses_nobody(tenants: Tenants, engine: FakeEngine, gate: Gate) -> None:
    tenants.call(tenants.high, "first-of-all", body=STREAM).until(b"begun")
    calls = [tenants.call(tenants.low, f"low-{number:04}") for number in range(5)]
    calls += [tenants.call(tenants.high, f"high-{number:04}") for number in range(5)]
    tenants.waits(10)
    for rules in (QueuePolicy(), QueuePolicy(classes=CLASSES[1:], default="batch"), RULES):
        tenants.worker.snapshot = msgspec.structs.replace(tenants.worker.snapshot, queue=rules)
        tenants.worker.reload()
    gate.is_open = True
    assert [each.answer().status for each in calls] == [200] * 10
    seen = in_turn(engine)
    assert [name for name in seen if name.startswith("low")] == [f"low-{number:04}" for number in range(5)]
    assert len(seen) == 11


@pytest.mark.timeout(240)
def test_thousands_that_wait_are_cheap_and_hold_up_nobody(tmp_path: Path, engine: FakeEngine, gate: Gate) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    crowd = 10_000
    if hard < crowd + 2000:
        pytest.skip(f"needs {crowd + 2000} open files, may have {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    tenants = Tenants(tmp_path, engine, places=4, rules=msgspec.structs.replace(RULES, tenants={"t1": "interactive"}))
    # Nobody runs out of time while the crowd comes, however long that takes.
    patient = dict.fromkeys(("queue_wait_s", "chunk_s", "first_byte_s", "call_s"), 600.0)
    worker = tenants.worker.policy(connections=2 * crowd, queue_calls=2 * crowd, **patient)
    try:
        with worker, contextlib.ExitStack() as open_sockets:
            held = [tenants.call(tenants.high, f"held-{number:04}", body=STREAM) for number in range(4)]
            for each in held:
                each.until(b"begun")
            before_bytes = resident_bytes(worker)
            worker.key = tenants.low
            with Raw(worker) as plain:
                request = plain.request(BODY)
            for _ in range(crowd):
                connection = open_sockets.enter_context(worker.connect())
                connection.sendall(request)
            wait_for("all wait", lambda: worker.counted("forebay_queue_calls") == crowd)
            assert (resident_bytes(worker) - before_bytes) / crowd < 20_000
            with Raw(worker) as probe:
                probe.send(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
                assert probe.answer().status == 200
            overtakes = tenants.call(tenants.high, "overtakes-them")
            wait_for("it waits too", lambda: worker.counted("forebay_queue_calls") == crowd + 1)
            gate.is_open = True
            assert overtakes.answer().status == 200
            gate.is_open = False
            assert in_turn(engine).index("overtakes-them") < crowd / 2
            open_sockets.close()  # who waits goes, all at once
            wait_for("nobody waits", lambda: worker.counted("forebay_queue_calls") == 0)
            wait_for("places are free", lambda: worker.counted("forebay_engine_outstanding") == 0)
            gate.is_open = True
            assert tenants.call(tenants.high, "after-them-all").answer().status == 200
            tenants.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def resident_bytes(worker: GatewayWorker) -> int:
    assert worker.process is not None
    pages = Path(f"/proc/{worker.process.pid}/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()
