"""One document over HTTPS from where the configuration says: verified, bounded, and never led elsewhere."""

from __future__ import annotations

import http.client
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from forebay.security.json_object import BadJson, read_object

_TIMEOUT_S = 5.0
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
    if parts.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, parts.port or 443, timeout=_TIMEOUT_S, context=_trust(ca)
        )
    elif parts.scheme == "http" and host in _LOOPBACK:
        connection = http.client.HTTPConnection(host, parts.port or 80, timeout=_TIMEOUT_S)
    else:
        raise NotFetched("the address is not https://")
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"Accept": "application/json", "Connection": "close"})
        answer = connection.getresponse()
        content = answer.read(limit_bytes + 1)
        if answer.status != 200:
            raise NotFetched(f"the answer is {answer.status}")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotFetched(f"{type(error).__name__}: {error}") from None
    finally:
        connection.close()
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
