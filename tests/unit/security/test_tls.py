"""Claims about the development CA and the check of certificates."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from forebay.core.errors import ConfigError, StateError
from forebay.security.development_ca import LEAF_LIFE, RENEW_BEFORE, CertificateFiles, ensure_development
from forebay.security.names import covers, server_name
from forebay.security.tls import WARN_BEFORE, check_certificate

NOW = datetime.now(UTC).replace(microsecond=0)  # certificates hold no smaller part
NAMES = ["localhost", "127.0.0.1", "::1", "api.example.com", "*.example.org"]


def leaf(files: CertificateFiles) -> x509.Certificate:
    return x509.load_pem_x509_certificate(files.chain.read_bytes())


def rules(files: CertificateFiles, names: list[str], now: datetime = NOW) -> set[str]:
    return {finding.rule for finding in check_certificate(files.chain, files.key, names, now)}


def test_a_strict_client_that_trusts_the_ca_accepts_each_name(tmp_path: Path) -> None:
    files = ensure_development(tmp_path, NAMES, NOW)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.chain, files.key)
    client = ssl.create_default_context(cafile=str(files.ca))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in ("localhost", "127.0.0.1", "::1", "a.example.org"):
        handshake(server, client, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client, "other.example.com")


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    here, there = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(there, server_side=True).close()
        except OSError:  # whoever does not believe the other leaves at once
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(here, server_hostname=name):
            pass
    finally:
        here.close()
        thread.join()


def test_the_ca_can_sign_servers_only_and_its_key_is_its_owners(tmp_path: Path) -> None:
    files = ensure_development(tmp_path, NAMES, NOW)
    assert files.ca is not None
    ca = x509.load_pem_x509_certificate(files.ca.read_bytes())
    constraints = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    for key in (tmp_path / "ca-key.pem", files.key):
        assert key.stat().st_mode & 0o777 == 0o600


def test_what_is_good_is_kept(tmp_path: Path) -> None:
    first = leaf(ensure_development(tmp_path, NAMES, NOW))
    assert leaf(ensure_development(tmp_path, NAMES, NOW + LEAF_LIFE - RENEW_BEFORE)) == first
    assert leaf(ensure_development(tmp_path, list(reversed(NAMES)), NOW)) == first


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: ensure_development(folder, NAMES, NOW + LEAF_LIFE - RENEW_BEFORE + timedelta(seconds=1)),
        lambda folder: ensure_development(folder, [*NAMES, "new.example.com"], NOW),
        lambda folder: ensure_development(folder, NAMES[:-1], NOW),
        lambda folder: (folder / "server-key.pem").unlink() or ensure_development(folder, NAMES, NOW),
        lambda folder: (folder / "server.pem").write_text("half") and ensure_development(folder, NAMES, NOW),
    ],
    ids=["near its end", "a name more", "a name less", "key lost", "damaged"],
)
def test_a_new_leaf_is_made_where_needed_and_the_ca_that_clients_trust_stays(
    tmp_path: Path, change: Callable[[Path], CertificateFiles]
) -> None:
    first = leaf(ensure_development(tmp_path, NAMES, NOW))
    ca = (tmp_path / "ca.pem").read_bytes()
    files = change(tmp_path)
    assert leaf(files) != first
    assert (tmp_path / "ca.pem").read_bytes() == ca
    assert {finding.rule for finding in check_certificate(files.chain, files.key, ["localhost"], NOW)} <= {
        "certificate_not_yet_valid"
    }


def test_a_damaged_ca_is_told_not_replaced(tmp_path: Path) -> None:
    ensure_development(tmp_path, NAMES, NOW)
    (tmp_path / "ca.pem").write_text("damaged")
    with pytest.raises(StateError, match="development CA is damaged"):
        ensure_development(tmp_path, NAMES, NOW)
    assert (tmp_path / "ca.pem").read_text() == "damaged"


@pytest.mark.parametrize(
    "name", ["", "a b", "a;b", "https://a", "a:443", "a..b", "-a", "a/b", "*", "*.", "a.*.b", "$host", "a\n", "x" * 254]
)
def test_what_is_no_server_name_reaches_no_certificate(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="not the name or address"):
        ensure_development(tmp_path, [name], NOW)


def test_names_are_lower_case_ascii_or_addresses() -> None:
    assert server_name("API.Example.com") == "api.example.com"
    assert server_name("bücher.example") == "xn--bcher-kva.example"
    assert str(server_name("::1")) == "::1"


def test_a_star_stands_for_one_label() -> None:
    assert covers("*.a.b", "x.a.b")
    assert not covers("*.a.b", "x.y.a.b")
    assert not covers("*.a.b", "a.b")


def test_a_sound_certificate_has_no_findings(tmp_path: Path) -> None:
    assert rules(ensure_development(tmp_path, NAMES, NOW), ["localhost", "127.0.0.1", "x.example.org"]) == set()


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (NOW - timedelta(days=1), {"certificate_not_yet_valid"}),
        (NOW + LEAF_LIFE, {"certificate_expired"}),
        (NOW + LEAF_LIFE - WARN_BEFORE + timedelta(minutes=1), {"certificate_expires_soon"}),
        (NOW + LEAF_LIFE - WARN_BEFORE - timedelta(minutes=1), set()),
    ],
)
def test_the_clock_is_checked(tmp_path: Path, now: datetime, expected: set[str]) -> None:
    assert rules(ensure_development(tmp_path, NAMES, NOW), ["localhost"], now) == expected


def test_a_name_or_address_that_is_not_covered_is_named(tmp_path: Path) -> None:
    files = ensure_development(tmp_path, ["localhost"], NOW)
    (finding,) = check_certificate(files.chain, files.key, ["localhost", "127.0.0.1", "b.example"], NOW)
    assert finding.rule == "certificate_name"
    assert "127.0.0.1, b.example" in finding.why


def test_a_foreign_key_is_noticed(tmp_path: Path) -> None:
    files = ensure_development(tmp_path, NAMES, NOW)
    files.key.write_bytes((tmp_path / "ca-key.pem").read_bytes())
    assert rules(files, ["localhost"]) == {"certificate_key_mismatch"}


def test_a_key_that_others_may_read_is_a_warning(tmp_path: Path) -> None:
    files = ensure_development(tmp_path, NAMES, NOW)
    files.key.chmod(0o644)
    (finding,) = check_certificate(files.chain, files.key, ["localhost"], NOW)
    assert (finding.rule, finding.severity) == ("certificate_key_open", "warning")


def test_an_encrypted_key_is_refused_without_asking_for_its_password(tmp_path: Path) -> None:
    files = ensure_development(tmp_path, NAMES, NOW)
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    secret = serialization.BestAvailableEncryption(b"x")
    files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret))
    assert rules(files, ["localhost"]) == {"certificate_key_unreadable"}


def test_a_chain_in_the_wrong_order_is_noticed(tmp_path: Path) -> None:
    files = ensure_development(tmp_path, NAMES, NOW)
    own, ca = files.chain.read_bytes(), (tmp_path / "ca.pem").read_bytes()
    files.chain.write_bytes(own + ca)
    assert rules(files, ["localhost"]) == set()
    files.chain.write_bytes(own + own)
    assert rules(files, ["localhost"]) == {"certificate_chain"}


@pytest.mark.parametrize("content", [b"", b"\0", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_one_finding(tmp_path: Path, content: bytes) -> None:
    files = ensure_development(tmp_path, NAMES, NOW)
    files.chain.write_bytes(content)
    assert rules(files, ["localhost"]) == {"certificate_unreadable"}


def test_a_finding_never_quotes_the_key(tmp_path: Path) -> None:
    files = ensure_development(tmp_path, NAMES, NOW)
    files.key.write_text("-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n")
    (finding,) = check_certificate(files.chain, files.key, ["localhost"], NOW)
    assert finding.rule == "certificate_key_unreadable"
    assert "canary" not in str(finding)
