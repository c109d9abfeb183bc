"""What each stage of a request costs by itself: the gateway's own functions on realistic bytes, no sockets."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.overhead.peers import limited
from benchmarks.overhead.rounds import request_bytes
from forebay.gateway import respond
from forebay.gateway.admission import Admission
from forebay.gateway.call import Call, Ledger
from forebay.gateway.fleet import Fleet
from forebay.gateway.identity import admit, client_ip, identify
from forebay.gateway.ingress import ClientConnection
from forebay.gateway.limits.limiter import Limiter
from forebay.gateway.meter import Meter
from forebay.gateway.parts import Parts
from forebay.gateway.request_ids import new_request_id
from forebay.gateway.routes import find_route
from forebay.gateway.screen import Asked, request_for, screen
from forebay.gateway.settle import settle
from forebay.gateway.siblings import Siblings
from forebay.gateway.snapshot import KeyRecord
from forebay.gateway.upstream import EngineConnection
from forebay.gateway.view import view_of
from forebay.observe.log import JsonLog
from forebay.observe.page import CounterPage
from forebay.testing.fake_engine import completion
from forebay.testing.worker import GatewayWorker
from forebay.wire import response
from forebay.wire.request import RequestHead
from forebay.wire.request_reader import RequestReader
from forebay.wire.usage import usage_in

_CALLS = 10_000
_PEER = ("127.0.0.1", 40000)
Stage = tuple[str, float, str]


class Nowhere:
    """A transport that sends nothing."""

    def write(self, data: bytes) -> None:
        self.written = data

    def get_extra_info(self, name: str) -> object:
        return _PEER if name == "peername" else None

    def is_closing(self) -> bool:
        return False


def measure() -> list[Stage]:
    """Every stage of one whole answer in the order of the path, what lies between them, and the whole path."""
    with tempfile.TemporaryDirectory(prefix="forebay-stages-") as folder:
        *stages, count, both, whole = _measure(Path(folder))
    stages += [count, ("log", both[1] - count[1], "one JSON line")]
    between_us = whole[1] - sum(cost_us for _, cost_us, _ in stages)
    return [*stages, ("between the stages", between_us, "callbacks, coroutines, clocks, deadlines, pooling"), whole]


def _measure(folder: Path) -> list[Stage]:
    worker = limited(GatewayWorker(folder, [1, 2], places=256))
    received = request_bytes(worker.port, worker.key, stream=False)
    answer = whole_answer()
    parts = parts_of(worker, folder)
    view = parts.view
    client = ClientConnection(parts)
    client.connection_made(Nowhere())  # type: ignore[arg-type]
    reader = RequestReader(view.limits)
    head, body = _whole(reader.feed(received))
    route = find_route(head)
    now = time.time()
    asked = screen(head, body, route, view)
    ledger = Ledger(time.monotonic())
    call = Call(client, head, body, ledger)
    engine = parts.fleet.by_model["m"][0]
    _fill(ledger, route.endpoint, engine.ref.name)
    text = answer[answer.index(b"\r\n\r\n") + 4 :]

    key = identify(head, view, now, route, "127.0.0.1")

    silent = msgspec.structs.replace(view, policy=msgspec.structs.replace(view.policy, log_access=False))

    def settle_silently() -> None:
        parts.view = silent
        settle(call, parts)
        parts.view = view

    return _in_turn(
        ("read the request", lambda: reader.feed(received), "lines looked up, or read by the grammar; body cut out"),
        ("open the ledger", lambda: Call(client, head, body, Ledger(now)), "and the call"),
        ("request id", new_request_id, "128 random bits, where the client sent none"),
        ("client address", lambda: client_ip("127.0.0.1", b"", view.trusted), "behind trusted proxies"),
        ("route", lambda: find_route(head), "allow-list"),
        (
            "identify",
            lambda: admit(identify(head, view, now, route, "127.0.0.1"), route, "127.0.0.1"),
            "a key that came before; its HMAC-SHA256 was computed then",
        ),
        ("screen", lambda: screen(head, body, route, view), "JSON parsed, proven unambiguous, every field checked"),
        (
            "limits",
            lambda: _limit(parts, call, key, asked),
            "four of them taken and settled, told in six lines of the answer's head",
        ),
        ("choose", lambda: _choose(parts, call), "a place at the least loaded engine, and back"),
        ("write the request", lambda: request_for(engine.ref, asked, "0" * 32), "a head of our own"),
        ("read the answer", lambda: response.parse_head(answer), "the same"),
        ("read the usage", lambda: usage_in(text), "token counts out of the body"),
        ("write the answer", lambda: respond.whole(200, text, "0" * 32, keep_alive=True), "a head of our own"),
        ("count", settle_silently, "eight series of the counter page"),
        ("count and log", lambda: settle(call, parts), ""),
        (
            "all of it",
            whole_path(client, parts, received, answer),
            "from one transport to the other and back; the rest of the user time is uvloop, the system time the kernel",
        ),
    )


def _fill(ledger: Ledger, endpoint: str, engine: str) -> None:
    """What a call has when it is settled."""
    ledger.client_ip, ledger.endpoint, ledger.model, ledger.engine = "127.0.0.1", endpoint, "m", engine
    ledger.status, ledger.request_id, ledger.tenant, ledger.key_id = 200, "0" * 32, "t1", "0123456789"
    ledger.input_tokens = ledger.output_tokens = 16
    ledger.received_at = ledger.started_at


def _choose(parts: Parts, call: Call) -> None:
    """Take a place and give it back."""
    taken = parts.admission.take(call, "m", frozenset())
    if taken is not None:
        parts.admission.leave(taken)


def _limit(parts: Parts, call: Call, key: KeyRecord, asked: Asked) -> None:
    """Reserve what a call may use, and settle it."""
    if parts.limits is not None:
        parts.limits.reserve(call, key, asked)
        parts.limits.settle(call)
        call.headers = b""


def whole_path(client: ClientConnection, parts: Parts, received: bytes, *pieces: bytes) -> Callable[[], object]:
    """A request in and an answer out, piece by piece, between transports that go nowhere."""
    connections = []
    for slot in parts.fleet.by_model["m"]:
        connection = EngineConnection(slot.pool)
        connection.connection_made(Nowhere())  # type: ignore[arg-type]
        slot.pool.keep(connection)
        connections.append(connection)

    def carry() -> None:
        client.data_received(received)
        for connection in connections:
            if connection.reader is not None:
                for piece in pieces:
                    connection.data_received(piece)

    return carry


def parts_of(worker: GatewayWorker, folder: Path) -> Parts:
    """A worker's own parts, without its sockets."""
    view = view_of("0" * 16, worker.snapshot)
    page = CounterPage(folder / "stages.page")
    fleet = Fleet(page, Siblings(folder, os.getpid()), time.monotonic)
    fleet.update(worker.snapshot.engines)
    admission = Admission(fleet, view.policy.queue_calls, time.monotonic)
    log = JsonLog("forebay", "info", os.open(os.devnull, os.O_WRONLY))
    respond.DATE.update(time.time())
    parts = Parts(view, fleet, admission, Meter(page), log, time.monotonic)
    if worker.snapshot.limits is not None:
        parts.limits = Limiter(worker.snapshot.limits, worker.name, folder / "spent.json", parts.meter, log.write)
    return parts


def whole_answer() -> bytes:
    """What an engine sends for a whole answer."""
    body = completion("a" * 100)
    return b"HTTP/1.1 200 OK\r\nserver: e\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


def _whole(request: tuple[RequestHead, bytes] | None) -> tuple[RequestHead, bytes]:
    assert request is not None  # noqa: S101
    return request


def _in_turn(*stages: tuple[str, Callable[[], object], str]) -> list[Stage]:
    """Median microseconds of each stage, run in turn as a call runs them.

    A stage repeated by itself finds its code in the processor's caches and looks half as dear as it is.
    """
    calls: list[Callable[[], object]] = [lambda: None, *(call for _, call, _ in stages)]
    taken_ns: list[list[int]] = [[] for _ in calls]
    clock = time.perf_counter_ns
    for _ in range(_CALLS):
        for call, taken in zip(calls, taken_ns, strict=True):
            began = clock()
            call()
            taken.append(clock() - began)
    empty, *found = [statistics.median(taken) / 1000 for taken in taken_ns]
    return [(name, max(0.0, cost - empty), text) for (name, _, text), cost in zip(stages, found, strict=True)]
