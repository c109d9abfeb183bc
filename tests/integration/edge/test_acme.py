"""Certificates from a real ACME authority through a real edge: obtained, renewed under streams, and refused."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from tests.certificates import Authority
from tests.integration.edge import real_edge
from tests.integration.edge.fake_gateway import FakeGateway
from tests.integration.edge.pebble import EXTERNAL_KEY, Pebble, pebble
from tests.integration.edge.real_edge import DEADLINE_S, Edge, until

from forebay.controller.journal import Journal
from forebay.controller.renewals import Renewals
from forebay.render.edge_certificate import challenge_of
from forebay.render.renewal import days_left, failures
from forebay.security.acme.due import CERTIFICATE, read_attempts
from forebay.testing.worker import free_port

pytestmark = pytest.mark.timeout(240)
NAMES = ["localhost", "127.0.0.1"]


class Ordered:
    """An edge in production that has no certificate but what the authority gives."""

    def __init__(self, edge: Edge, authority: Pebble) -> None:
        self.edge, self.authority = edge, authority

    def configure(self, **acme: Any) -> None:
        section = {"acme": self.authority.acme(**acme), "server_names": NAMES}
        self.edge.config = self.edge.configured(edge=section, environment="production")

    def order(self) -> str:
        """Let the controller's part run until it has got a certificate or given up; returns why it has none."""
        got: list[int] = []
        root = self.edge.state.root
        renewals = Renewals(self.edge.state, root, Journal("t", "error"), lambda: True, lambda: got.append(1))
        (self.edge.state.acme / "attempts.json").unlink(missing_ok=True)
        renewals.retarget(self.edge.config)

        async def run() -> None:
            task = asyncio.create_task(renewals.run())
            end_s = time.monotonic() + 120
            while not got and not renewals.trouble and time.monotonic() < end_s:
                await asyncio.wait([task], timeout=0.02)
            task.cancel()
            assert got or renewals.trouble

        asyncio.run(run())
        return renewals.trouble

    def serve(self) -> None:
        assert self.edge.write()
        self.edge.reload()

    def serial(self) -> int:
        shown = x509.load_der_x509_certificate(self._shown())
        return shown.serial_number

    def _shown(self) -> bytes:
        with (
            socket.create_connection(("127.0.0.1", self.edge.https_port), DEADLINE_S) as plain,
            self.authority.trust().wrap_socket(plain, server_hostname="localhost") as tls,
        ):
            shown = tls.getpeercert(binary_form=True)
        assert shown is not None
        return shown

    def plain(self, path: str) -> tuple[int, bytes, str | None]:
        connection = http.client.HTTPConnection("127.0.0.1", self.edge.http_port, timeout=DEADLINE_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.getheader("strict-transport-security")
        finally:
            connection.close()


@pytest.fixture(scope="module")
def ordered(kind: str, gateway: FakeGateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ordered]:
    root: Path = tmp_path_factory.mktemp("ordered")
    with real_edge.edge(root, kind, [gateway.port]) as edge, pebble(root, edge.http_port) as authority:
        found = Ordered(edge, authority)
        found.configure()
        found.serve()
        yield found


def is_closed(edge: Edge) -> bool:
    """Whether a greeting is answered with no certificate: by an alert, or by nothing at all."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    try:
        with socket.create_connection(("127.0.0.1", edge.https_port), DEADLINE_S) as plain:
            plain.sendall(outgoing.read())
            return plain.recv(1) in {b"", b"\x15"}
    except ConnectionError:
        return True


def test_from_nothing_to_a_certificate_and_to_the_next_without_losing_a_stream(
    ordered: Ordered, gateway: FakeGateway
) -> None:
    edge = ordered.edge
    until(lambda: is_closed(edge), "without a certificate nobody is let in")
    assert days_left(edge.state) == 0.0
    proof = challenge_of(edge.config, edge.state)
    token = "0123456789abcdefABCDEF-_"
    right = (200, f"{token}.{proof}".encode(), None)
    until(lambda: ordered.plain(f"/.well-known/acme-challenge/{token}") == right, "the edge answers the authority")
    for other in ("short", token + "/x", "a" * 129, token + "%0d%0ax:y", "", "x" * 30 + "?q", "../" + token):
        path = f"/.well-known/acme-challenge/{other}"
        assert ordered.plain(path)[0] == (200 if other.endswith("?q") else 308), path
    assert ordered.plain("/v1/models")[0] == 308

    assert ordered.order() == ""
    assert (edge.state.acme / CERTIFICATE).stat().st_mode & 0o777 == 0o600
    assert (edge.state.acme / "account-key.pem").stat().st_mode & 0o777 == 0o600
    ordered.serve()
    until(lambda: not is_closed(edge), "the certificate is served")
    first = ordered.serial()
    assert 29 < (days_left(edge.state) or 0) <= 30

    streams = []
    for _ in range(20):
        connection = http.client.HTTPSConnection(
            "localhost", edge.https_port, context=ordered.authority.trust(), timeout=DEADLINE_S
        )
        connection.request("GET", "/events")
        streams.append((connection, connection.getresponse()))
    assert [response.read1() for _connection, response in streams] == [b"data: first\n\n"] * 20
    ordered.configure(renew_before="29d")  # it is time
    assert edge.write() is False, "what is asked of the authority is no matter of the edge's"
    (edge.state.acme / CERTIFICATE).replace(edge.state.acme / "old.pem")  # a jitter of a day is nothing to wait for
    assert ordered.order() == ""
    ordered.serve()
    until(lambda: ordered.serial() != first, "the next certificate is served")
    for _ in streams:
        gateway.more.release()
    assert [response.read() for _connection, response in streams] == [b"data: second\n\n"] * 20
    for connection, _response in streams:
        connection.close()


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "terms that nobody agreed to": ({"terms_agreed": False}, "terms of service"),
    "an authority that nobody vouches for": ({"ca": "stranger"}, "certificate verify failed"),
    "nobody there": ({"directory": "https://localhost:1/dir"}, "refused"),
    "no directory": ({"directory": "/nonce-plz"}, ""),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_an_authority_refuses_is_said_and_what_is_served_stays(
    ordered: Ordered, case: str, tmp_path: Path
) -> None:
    edge, (changes, why) = ordered.edge, REFUSALS[case]
    if changes.get("ca") == "stranger":
        changes = {"ca": str(Authority(tmp_path / "stranger").ca)}
    if changes.get("directory", "").startswith("/"):
        changes = {"directory": f"https://localhost:{ordered.authority.port}{changes['directory']}"}
    kept = edge.state.acme / CERTIFICATE
    before, conf = kept.read_bytes() if kept.exists() else b"", edge.conf.read_bytes()
    kept.unlink(missing_ok=True)
    try:
        ordered.configure(**changes)
        said = ordered.order()
        assert said
        assert why in said
        attempts = read_attempts(edge.state.acme)
        assert (attempts.failures, failures(edge.state)) == (1, 1)
        assert not kept.exists()
    finally:
        if before:
            kept.write_bytes(before)
            kept.chmod(0o600)
    assert edge.conf.read_bytes() == conf


@pytest.mark.long
def test_a_name_that_leads_elsewhere_gets_no_certificate(ordered: Ordered, gateway: FakeGateway) -> None:
    """The authority asks the name itself: an account alone proves nothing."""
    with pebble_elsewhere(ordered) as elsewhere:
        section = {"acme": elsewhere.acme(), "server_names": NAMES}
        ordered.edge.config = ordered.edge.configured(edge=section, environment="production")
        (ordered.edge.state.acme / CERTIFICATE).unlink(missing_ok=True)
        said = ordered.order()
        assert "localhost" in said or "127.0.0.1" in said


def pebble_elsewhere(ordered: Ordered) -> Any:
    folder = ordered.edge.state.root / "elsewhere"
    folder.mkdir(exist_ok=True)
    return pebble(folder, free_port())


@pytest.mark.long
def test_an_authority_that_knows_its_customers(ordered: Ordered) -> None:
    folder = ordered.edge.state.root / "external"
    folder.mkdir()
    (folder / "key").write_text(EXTERNAL_KEY)
    with pebble(folder, ordered.edge.http_port, external=True) as authority:
        for account, is_known in ((None, False), ({"id": "kid-2"}, False), ({"id": "kid-1"}, True)):
            more = {} if account is None else {"external_account": {**account, "key": f"file:{folder / 'key'}"}}
            section = {"acme": authority.acme(**more), "server_names": NAMES}
            ordered.edge.config = ordered.edge.configured(edge=section, environment="production")
            (ordered.edge.state.acme / CERTIFICATE).unlink(missing_ok=True)
            assert (ordered.order() == "") is is_known
