"""Rounds of load on every peer in turn, so that whatever else the machine does falls on all of them alike."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks.overhead.cpu import Spent, spent
from benchmarks.overhead.peers import Peer
from benchmarks.overhead.programs import EVENTS_A_STREAM, MockEngine, load

_WARM_REQUESTS = 3000
_REQUEST_BYTES = 560
NUMBER = "@" * 16
"""What the load generator puts another number for each time."""
_HEAD = (
    "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\n"
    "Content-Type: application/json\r\nUser-Agent: benchmark\r\nAuthorization: Bearer {key}\r\n"
    "Content-Length: {length}\r\n\r\n"
)


class Cost(msgspec.Struct, frozen=True):
    """CPU microseconds for each request or event, a value a round."""

    total_us: tuple[float, ...]
    user_us: tuple[float, ...]
    system_us: tuple[float, ...]

    @property
    def median_us(self) -> float:
        return statistics.median(self.total_us)

    @property
    def spread(self) -> float:
        """Widest distance from the median, as a share of it."""
        return max(abs(value - self.median_us) for value in self.total_us) / self.median_us


class Row(msgspec.Struct, frozen=True):
    """One peer's result."""

    peer: str
    request: Cost
    event: Cost


class Plan(msgspec.Struct, frozen=True):
    """How much is measured, and where the load runs."""

    rounds: int
    requests: int
    streams: int
    load_core: int


def measure(peers: Sequence[Peer], engine: MockEngine, folder: Path, plan: Plan) -> list[Row]:
    """Load every peer once a round. RuntimeError where an answer was wrong or the engine counted otherwise."""
    requests: dict[str, list[Spent]] = {peer.name: [] for peer in peers}
    events: dict[str, list[Spent]] = {peer.name: [] for peer in peers}
    files = {peer.name: _request_files(peer, folder) for peer in peers}
    for peer in peers:
        load(plan.load_core, peer.port, _WARM_REQUESTS // peer.slowness, files[peer.name][0], stream=False)
        engine.counts()
    for peer in _in_turn(peers, plan.rounds):
        whole, stream = files[peer.name]
        answers, streams = plan.requests // peer.slowness, plan.streams // peer.slowness
        requests[peer.name].append(_spent_on(peer, engine, answers, 0, whole, plan.load_core))
        events[peer.name].append(_spent_on(peer, engine, streams, streams * EVENTS_A_STREAM, stream, plan.load_core))
    return [
        Row(
            peer.name,
            _cost(requests[peer.name], plan.requests // peer.slowness),
            _cost(events[peer.name], plan.streams // peer.slowness * EVENTS_A_STREAM),
        )
        for peer in peers
    ]


def _in_turn(peers: Sequence[Peer], rounds: int) -> Iterator[Peer]:
    """Each round goes through the peers the other way round: no peer is always the one after another."""
    for number in range(rounds):
        yield from peers if number % 2 == 0 else reversed(peers)


def _spent_on(peer: Peer, engine: MockEngine, answers: int, events: int, request: Path, core: int) -> Spent:
    before = spent(peer.pid)
    load(core, peer.port, answers, request, stream=events > 0)
    used = spent(peer.pid).since(before)
    counted = engine.counts()
    if counted != {"requests": answers, "chunks": events}:
        raise RuntimeError(f"{peer.name}: the engine counted {counted}, not {answers} requests and {events} events")
    return used


def _cost(used: list[Spent], units: int) -> Cost:
    return Cost(
        tuple(round(each.total_s / units * 1e6, 2) for each in used),
        tuple(round(each.user_s / units * 1e6, 2) for each in used),
        tuple(round(each.system_s / units * 1e6, 2) for each in used),
    )


def request_bytes(port: int, key: str, *, stream: bool, temperature: str = "0.7", differ: bool = False) -> bytes:
    """A chat request of 560 bytes, as a client library writes it; `differ`: the load generator makes each another."""
    fields = f'"temperature":{temperature},' + ('"stream":true' if stream else '"max_tokens":16')
    before, after = '{"model":"m","messages":[{"role":"user","content":"', '"}],' + fields + "}"
    head = _HEAD.format(port=port, key=key, length=100)  # any length of three digits
    text = "a" * (_REQUEST_BYTES - len(head) - len(before) - len(after))
    body = before + (NUMBER + text[len(NUMBER) :] if differ else text) + after
    return (_HEAD.format(port=port, key=key, length=len(body)) + body).encode()


def _request_files(peer: Peer, folder: Path) -> tuple[Path, Path]:
    paths = []
    for kind in ("whole", "stream"):
        path = folder / f"{peer.name.replace(', ', '-').replace(' ', '-')}-{kind}.http"
        path.write_bytes(request_bytes(peer.port, peer.key, stream=kind == "stream"))
        paths.append(path)
    return paths[0], paths[1]
