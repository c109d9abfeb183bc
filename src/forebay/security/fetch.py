"""One document over HTTPS from where the configuration says: verified, bounded, and never led elsewhere."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from pathlib import Path
from urllib.parse import urlsplit

from forebay.security.json_object import BadJson, read_object

_TIMEOUT_S, _WHOLE_S = 5.0, 15.0
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_DISCOVERY_BYTES = 64 * 1024
_WELL_KNOWN = "/.well-known/openid-configuration"


class NotFetched(Exception):
    """The document is not to be had; the text says why."""


def fetch(url: str, ca: Path | None, limit_bytes: int) -> bytes:
    """GET `url`. Blocks for seconds at most; plain HTTP to this machine alone; a redirect is a failure.

    No proxy of the environment is asked: only what the file names is talked to. Raises NotFetched.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise NotFetched("the address is not https://")
    trust = _trust(ca) if parts.scheme == "https" else None
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    over = threading.Event()
    try:
        port = parts.port or (80 if trust is None else 443)
        with _Bounded(socket.create_connection((host, port), _TIMEOUT_S), over) as bounded:
            connection = bounded.speaking(host, port, trust)
            connection.request("GET", target, headers={"Accept": "application/json", "Connection": "close"})
            with connection.getresponse() as answer:
                content = answer.read(limit_bytes + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if not over.is_set():
            raise NotFetched(f"{type(error).__name__}: {error}") from None
    if over.is_set():
        raise NotFetched(f"not all of it within {_WHOLE_S:g} s")
    if answer.status != 200:
        raise NotFetched(f"the answer is {answer.status}")
    if len(content) > limit_bytes:
        raise NotFetched(f"the answer is longer than {limit_bytes} bytes")
    return content


def keys_address(issuer: str, ca: Path | None) -> str:
    """Where an issuer's discovery document says that its keys are. Raises NotFetched.

    A document that is another issuer's is refused: OpenID Connect Discovery 4.3, RFC 8414 3.3.
    """
    try:
        document = read_object(fetch(issuer.rstrip("/") + _WELL_KNOWN, ca, _DISCOVERY_BYTES), _DISCOVERY_BYTES)
    except BadJson as error:
        raise NotFetched(f"the discovery document is {error}") from None
    if document.get("issuer") != issuer:
        raise NotFetched("the discovery document is another issuer's")
    found = document.get("jwks_uri")
    if not isinstance(found, str) or not found.startswith("https://"):
        raise NotFetched("the discovery document names no https:// address of keys")
    return found


def _trust(ca: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (OSError, ssl.SSLError) as error:
        raise NotFetched(f"the authority cannot be read: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _Bounded:
    """A connection that ends with its time: a timeout begins anew with each byte, and whoever sends few never ends."""

    def __init__(self, connection: socket.socket, over: threading.Event) -> None:
        self._socket = connection
        self._over = over
        self._timer = threading.Timer(_WHOLE_S, self._end)
        self._timer.daemon = True

    def __enter__(self) -> _Bounded:
        self._timer.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()
        self._socket.close()

    def speaking(self, host: str, port: int, trust: ssl.SSLContext | None) -> http.client.HTTPConnection:
        """The connection ready for HTTP, over TLS where there is whom to trust."""
        if trust is None:
            connection = http.client.HTTPConnection(host, port)
        else:
            connection = http.client.HTTPSConnection(host, port, context=trust)
            sealed = trust.wrap_socket(self._socket, server_hostname=host, do_handshake_on_connect=False)
            self._socket = sealed
            sealed.do_handshake()
        connection.sock = self._socket
        return connection

    def _end(self) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # not of TLS, which another thread is using
