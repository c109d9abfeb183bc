"""Mutual TLS at the edge: who shows no certificate of the authority does not come in, and a name decides who it is."""

from __future__ import annotations

import http.client
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from tests.certificates import Authority, Issued
from tests.integration.edge import real_edge
from tests.integration.edge.real_edge import DEADLINE_S, Edge

from forebay.core.errors import ConfigError
from forebay.gateway.snapshot import IdentityPolicy
from forebay.security.certificate_grant import CertificateGrant
from forebay.testing.fake_engine import FakeEngine
from forebay.testing.worker import GatewayWorker, wait_for

CHAT = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
NAME = x509.UniformResourceIdentifier("spiffe://example.com/chat")
GRANTS = {
    "uri:spiffe://example.com/chat": CertificateGrant("acme", ("inference",)),
    "dns:reader.internal": CertificateGrant("acme", ("models:read",)),
}


class Setting:
    """A real edge that asks for certificates, before a real worker that knows two names."""

    def __init__(self, edge: Edge, worker: GatewayWorker, engine: FakeEngine, authority: Authority) -> None:
        self.edge, self.worker, self.engine, self.authority = edge, worker, engine, authority

    def call(self, shown: Issued | None, headers: dict[str, str] | None = None) -> int:
        """Status of one call; 0 where no answer came because the handshake was refused."""
        context = self.edge.trust()
        if shown is not None:
            context.load_cert_chain(shown.chain, shown.key_file)
        connection = http.client.HTTPSConnection("localhost", self.edge.https_port, context=context, timeout=DEADLINE_S)
        try:
            said = {"content-type": "application/json", "connection": "close"} | (headers or {})
            connection.request("POST", "/v1/chat/completions", CHAT, said)
            return connection.getresponse().status
        except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
            return 0
        finally:
            connection.close()


@pytest.fixture(scope="module", params=["nginx", "haproxy"])
def setting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    folder: Path = tmp_path_factory.mktemp("mutual")
    authority = Authority(folder / "clients", "clients")
    worker = GatewayWorker(folder / "worker", [])
    with FakeEngine() as engine:
        worker = GatewayWorker(folder / "worker", [engine.port])
        worker.snapshot = msgspec.structs.replace(worker.snapshot, identity=IdentityPolicy(certificates=GRANTS))
        clients: dict[str, Any] = {"clients": {"ca": str(authority.ca), "required": False}}
        with worker, real_edge.edge(folder, request.param, [worker.port], edge=clients) as edge:
            yield Setting(edge, worker, engine, authority)


def test_a_name_of_the_certificate_is_who_calls(setting: Setting) -> None:
    shown = setting.authority.issue("chat", [NAME], client=True)
    assert setting.call(shown) == 200
    wait_for("the call is logged", lambda: any(line.get("tenant") == "acme" for line in setting.worker.log_lines()))
    assert "spiffe" not in str(setting.worker.log_lines())
    assert setting.call(setting.authority.issue("reader", ["reader.internal"], client=True)) == 403


def test_without_a_certificate_a_key_does_where_none_is_required(setting: Setting) -> None:
    assert setting.call(None) == 401
    assert setting.call(None, {"authorization": f"Bearer {setting.worker.key}"}) == 200


@pytest.mark.parametrize(
    "case",
    [
        "another authority",
        "expired",
        "name unknown",
        "common name alone",
        "for servers",
        "authority itself",
        "dns for uri",
    ],
)
def test_a_certificate_that_is_not_right_opens_nothing(setting: Setting, case: str) -> None:
    authority = setting.authority
    before = setting.engine.requests
    match case:
        case "another authority":
            shown = Authority(authority.folder / "other", "other").issue("chat", [NAME], client=True)
        case "expired":
            shown = authority.issue(case, [NAME], client=True, days=(-9, -1))
        case "name unknown":
            shown = authority.issue(case, ["unknown.internal"], client=True)
        case "common name alone":
            shown = authority.issue(case, [], client=True)
        case "for servers":
            shown = authority.issue(case, [NAME])
        case "authority itself":
            shown = authority.issue(case, [NAME], ca=True)
        case _:
            shown = authority.issue(
                case, ["spiffe://example.com/chat".replace("/", "-").replace(":", "-")], client=True
            )
    assert setting.call(shown) in {0, 400, 401}
    assert setting.engine.requests == before


def test_the_header_that_the_edge_writes_is_not_a_client_s_to_write(setting: Setting) -> None:
    shown = setting.authority.issue("copied", [NAME], client=True)
    pem = shown.chain.read_text().replace("\n", "%0A")
    for name in ("X-Forebay-Client-Certificate", "x-forebay-client-certificate", "X_Forebay_Client_Certificate"):
        assert setting.call(None, {name: pem}) == 401


def test_where_one_is_required_nobody_else_comes_in(setting: Setting) -> None:
    edge = setting.edge
    edge.config = edge.configured(edge={"clients": {"ca": str(setting.authority.ca)}})
    try:
        edge.write()
        edge.reload()
        key = {"authorization": f"Bearer {setting.worker.key}"}
        wait_for("nobody comes in without one", lambda: setting.call(None, key) in {0, 400})
        shown = setting.authority.issue("locked", ["unknown.internal"], client=True)
        assert setting.call(shown, key) == 200, "a certificate for the way, a key for who it is"
    finally:
        edge.config = edge.configured(edge={"clients": {"ca": str(setting.authority.ca), "required": False}})
        edge.write()
        edge.reload()


def test_authorities_that_are_none_are_refused_and_the_edge_stays(setting: Setting, tmp_path: Path) -> None:
    edge, before = setting.edge, setting.edge.conf.read_bytes()
    leaf = setting.authority.issue("leaf", ["x.internal"], client=True)
    for bad in (leaf.chain, tmp_path / "gone.pem"):
        edge.config = edge.configured(edge={"clients": {"ca": str(bad)}})
        with pytest.raises(ConfigError, match="authorities"):
            edge.write()
        assert edge.conf.read_bytes() == before


def test_a_certificate_that_was_taken_back_opens_nothing_and_a_bad_list_changes_nothing(
    setting: Setting, tmp_path: Path
) -> None:
    edge, authority = setting.edge, setting.authority
    kept, gone = (authority.issue(name, [NAME], client=True) for name in ("kept", "gone"))
    assert setting.call(kept) == setting.call(gone) == 200
    crl = tmp_path / "crl.pem"
    shutil.copy(authority.revoked(), crl)
    clients = {"ca": str(authority.ca), "required": False, "crl": str(crl)}
    edge.config = edge.configured(edge={"clients": clients})
    try:
        assert edge.write()
        edge.reload()
        wait_for("both come in", lambda: setting.call(kept) == setting.call(gone) == 200)
        shutil.copy(authority.revoked(gone), crl)
        assert edge.write(), "a new list is noticed"
        edge.reload()
        wait_for("it opens nothing", lambda: setting.call(gone) in {0, 400})
        assert setting.call(kept) == 200
        before = edge.conf.read_bytes()
        for bad in (authority.revoked(gone, days=-1), kept.chain, tmp_path / "nowhere.pem"):
            edge.config = edge.configured(edge={"clients": clients | {"crl": str(bad)}})
            with pytest.raises(ConfigError, match="revoked certificates"):
                edge.write()
            assert edge.conf.read_bytes() == before
    finally:
        edge.config = edge.configured(edge={"clients": {"ca": str(authority.ca), "required": False}})
        edge.write()
        edge.reload()
