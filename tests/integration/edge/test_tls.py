"""Claims about TLS, HTTP/2, HSTS and the redirect, with a real nginx and a real HAProxy."""

from __future__ import annotations

import http.client
import socket
import ssl

import pytest
from tests.integration.edge import http2
from tests.integration.edge.fake_gateway import FakeGateway
from tests.integration.edge.real_edge import DEADLINE_S, Edge, drained

HSTS = "strict-transport-security"


def test_a_client_that_trusts_the_development_ca_is_served(edge: Edge) -> None:
    assert edge.call("GET", "/echo").status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_older_tls_is_refused(edge: Edge, version: ssl.TLSVersion) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", edge.https_port), DEADLINE_S) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname="localhost")


def test_tls_1_3_is_spoken_and_no_session_is_resumed(edge: Edge) -> None:
    request = b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with edge.tls_socket() as first:
        first.sendall(request)
        drained(first)
        assert first.version() == "TLSv1.3"
        session, context = first.session, first.context
    plain = socket.create_connection(("127.0.0.1", edge.https_port), DEADLINE_S)
    with context.wrap_socket(plain, server_hostname="localhost", session=session) as second:
        assert second.session_reused is False


def test_http_2_carries_a_call(edge: Edge) -> None:
    fields = [(":method", "GET"), (":scheme", "https"), (":path", "/echo?over=2"), (":authority", "localhost")]
    block = body = b""
    with edge.tls_socket("h2") as tls:
        assert tls.selected_alpn_protocol() == "h2"
        http2.begin(tls)
        tls.sendall(http2.request(1, fields))
        for found in http2.frames(tls):
            block += found.payload if found.kind == http2.HEADERS else b""
            body += found.payload if found.kind == http2.DATA else b""
            if found.stream == 1 and found.flags & http2.END_STREAM:
                break
    assert block[:1] == b"\x88"  # HPACK's index for `:status: 200`
    assert b'"target": "/echo?over=2"' in body
    assert b'["host", "localhost"]' in body


@pytest.mark.parametrize("target", ["/echo", "/status/201", "/status/401", "/status/404", "/status/500", "/status/503"])
def test_every_answer_over_https_carries_hsts_once(edge: Edge, target: str) -> None:
    connection = edge.connect()
    connection.request("GET", target)
    response = connection.getresponse()
    assert response.headers.get_all(HSTS) == ["max-age=63072000"]
    connection.close()


def test_errors_of_the_edge_itself_carry_hsts(edge: Edge) -> None:
    answer = edge.raw(b"GET / HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"strict-transport-security: max-age=63072000\r\n" in answer.lower()


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_plain_http_redirects_keeps_the_method_and_proxies_nothing(
    edge: Edge, gateway: FakeGateway, method: str
) -> None:
    seen = len(gateway.targets)
    connection = http.client.HTTPConnection("127.0.0.1", edge.http_port, timeout=DEADLINE_S)
    # nginx reads what it does not want; HAProxy closes, so nothing large is sent to it.
    body = b"x" * (1_000_000 if edge.kind == "nginx" else 1_000) if method == "POST" else None
    connection.request(method, "/v1//chat?a=%2F", body, {"Host": "localhost", "Authorization": "Bearer x"})
    response = connection.getresponse()
    assert response.status == 308
    assert response.headers["Location"] == f"https://localhost:{edge.https_port}/v1//chat?a=%2F"
    assert HSTS not in response.headers
    connection.close()
    assert len(gateway.targets) == seen


def test_a_redirect_never_leads_to_a_foreign_host(edge: Edge) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", edge.http_port, timeout=DEADLINE_S)
    connection.request("GET", "/", headers={"Host": "evil.example"})
    location = connection.getresponse().headers["Location"]
    assert location == f"https://localhost:{edge.https_port}/"
    connection.close()


def test_plain_http_on_the_https_port_is_refused_without_hsts(edge: Edge) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", edge.https_port, timeout=DEADLINE_S)
    connection.request("GET", "/echo")
    if edge.kind == "haproxy":  # it takes the bytes for a broken handshake
        with pytest.raises(ConnectionError):
            connection.getresponse()
    else:
        response = connection.getresponse()
        assert (response.status, HSTS in response.headers) == (400, False)
        assert b'"code":"https_required"' in response.read()
    connection.close()
