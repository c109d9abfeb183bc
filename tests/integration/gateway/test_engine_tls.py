"""Engines over TLS: chain and host are checked with every connection, and nothing is sent where they are not right."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import orjson
import pytest
from tests.certificates import Authority, Issued, pem

from forebay.core.tls import EngineTls, engine_context
from forebay.testing.fake_engine import FakeEngine
from forebay.testing.worker import GatewayWorker

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def serving(issued: Issued, clients: Path | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.chain, issued.key_file)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    return context


@contextmanager
def gateway(
    folder: Path, engine: FakeEngine, tls: EngineTls | None, queue_wait_s: float = 30.0
) -> Iterator[GatewayWorker]:
    worker = GatewayWorker(folder, [engine.port])
    (ref,) = worker.snapshot.engines
    worker.snapshot = msgspec.structs.replace(
        worker.snapshot, engines=(msgspec.structs.replace(ref, host="localhost", tls=tls),)
    )
    with worker.policy(connect_s=20.0, queue_wait_s=queue_wait_s):
        yield worker


def test_whole_answers_and_streams_come_over_tls_and_connections_are_kept(authority: Authority, tmp_path: Path) -> None:
    with (
        FakeEngine(tls=serving(authority.issue("good"))) as engine,
        gateway(tmp_path, engine, EngineTls(ca=str(authority.ca))) as worker,
    ):
        for _ in range(3):
            status, body = worker.post(CHAT)
            assert (status, orjson.loads(body)["choices"][0]["message"]["content"]) == (200, "hello")
        status, body = worker.post(CHAT | {"stream": True})
        assert status == 200
        assert body.endswith(b"data: [DONE]\n\n")
        assert (engine.connections, engine.requests) == (1, 4)


def _without_its_issuer(authority: Authority, case: str) -> Issued:
    issued = authority.issue(case, through=authority.issue("between", [], ca=True))
    issued.chain.write_bytes(pem(issued.certificate))
    return issued


BAD: dict[str, Callable[[Authority, str], Issued]] = {
    "expired": lambda authority, case: authority.issue(case, days=(-10, -1)),
    "not valid yet": lambda authority, case: authority.issue(case, days=(1, 10)),
    "wrong host": lambda authority, case: authority.issue(case, ["other.example"]),
    "common name only": lambda authority, case: authority.issue(case, []),
    "intermediate missing": _without_its_issuer,
    "for clients": lambda authority, case: authority.issue(case, client=True),
    "issued by a leaf": lambda authority, case: authority.issue(case, through=authority.issue("leaf")),
    "another authority": lambda authority, case: Authority(authority.folder / "other", "other").issue(case),
}


@pytest.fixture(scope="module")
def answers(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, tuple[int, str, int]]]:
    """Status, code and what reached the engine, for each certificate that must not be believed; one worker for all."""
    found: dict[str, tuple[int, str, int]] = {}
    folder = tmp_path_factory.mktemp("bad")
    with FakeEngine() as first, gateway(folder, first, EngineTls(ca=str(authority.ca))) as worker:
        crl = EngineTls(ca=str(authority.ca), crl=str(authority.revoked(gone := authority.issue("taken back"))))
        cases = {case: (serving(make(authority, case)), EngineTls(ca=str(authority.ca))) for case, make in BAD.items()}
        cases["taken back"] = serving(gone), crl
        for case, (context, tls) in cases.items():
            with FakeEngine(tls=context) as engine:
                (ref,) = worker.snapshot.engines
                moved = msgspec.structs.replace(ref, name=case.replace(" ", "-"), port=engine.port, tls=tls)
                worker.snapshot = msgspec.structs.replace(worker.snapshot, engines=(moved,))
                worker.reload()
                status, body = worker.post(CHAT)
                found[case] = status, json.loads(body)["error"]["code"], engine.requests
        found["plaintext"] = _plain(worker)
    return found


def _plain(worker: GatewayWorker) -> tuple[int, str, int]:
    with FakeEngine() as engine:
        (ref,) = worker.snapshot.engines
        moved = msgspec.structs.replace(ref, name="plain", port=engine.port)
        worker.snapshot = msgspec.structs.replace(worker.snapshot, engines=(moved,))
        worker.policy(connect_s=0.5, queue_wait_s=0.5).reload()
        status, body = worker.post(CHAT)
        return status, json.loads(body)["error"]["code"], engine.requests


@pytest.mark.parametrize("case", [*BAD, "taken back"])
def test_an_engine_that_cannot_be_believed_gets_no_request(answers: dict[str, tuple[int, str, int]], case: str) -> None:
    assert answers[case] == (502, "engine_lost", 0)


def test_an_engine_that_speaks_no_tls_gets_no_request(answers: dict[str, tuple[int, str, int]]) -> None:
    status, _code, requests = answers["plaintext"]
    assert status in {502, 503}
    assert requests == 0


def test_an_engine_may_ask_who_calls(authority: Authority, tmp_path: Path) -> None:
    mine = authority.issue("gateway", ["gateway.internal"], client=True)
    context = serving(authority.issue("asking"), clients=authority.ca)
    without = EngineTls(ca=str(authority.ca))
    shown = msgspec.structs.replace(without, chain=str(mine.chain), key=str(mine.key_file))
    with FakeEngine(tls=context) as engine:
        with gateway(tmp_path / "with", engine, shown) as worker:
            assert worker.post(CHAT)[0] == 200
        before = engine.requests
        with gateway(tmp_path / "without", engine, without) as worker:
            assert worker.post(CHAT)[0] == 502
        assert engine.requests == before


def test_a_file_that_is_gone_is_no_reason_to_go_without_tls(authority: Authority, tmp_path: Path) -> None:
    with FakeEngine() as engine:
        gone = EngineTls(ca=str(tmp_path / "gone.pem"))
        with gateway(tmp_path, engine, gone, queue_wait_s=0.5) as worker:
            assert worker.post(CHAT)[0] in {502, 503}
        assert engine.requests == 0


def test_an_authority_s_file_that_changes_is_read_again(authority: Authority, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.ca.read_bytes())
    first = engine_context(EngineTls(ca=str(ca)))
    assert engine_context(EngineTls(ca=str(ca))) is first
    other = Authority(tmp_path / "other", "other")
    ca.write_bytes(other.ca.read_bytes() + b"\n")
    assert engine_context(EngineTls(ca=str(ca))) is not first
    assert first.verify_mode is ssl.CERT_REQUIRED
    assert first.check_hostname
    assert http.client.HTTPSConnection("localhost", context=first) is not None
