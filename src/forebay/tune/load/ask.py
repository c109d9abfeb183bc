"""One blocking request at a time, for what is asked before and beside a run."""

from __future__ import annotations

import http.client
import ssl
from urllib.parse import urlsplit

from forebay.tune.load.target import Target

TIMEOUT_S = 120.0


def post(target: Target, path: str, body: bytes, timeout_s: float = TIMEOUT_S) -> tuple[int, bytes]:
    """Status and body of the answer; OSError or HTTPException where there is none."""
    headers = {"content-type": "application/json"}
    if target.key:
        headers["authorization"] = f"Bearer {target.key}"
    return _ask(target.url + path, target.ca_file, timeout_s, ("POST", body, headers))


def get(url: str, ca_file: str = "", timeout_s: float = 5.0) -> tuple[int, bytes]:
    """Status and body of a page."""
    return _ask(url, ca_file, timeout_s, ("GET", None, {}))


def _ask(
    url: str, ca_file: str, timeout_s: float, request: tuple[str, bytes | None, dict[str, str]]
) -> tuple[int, bytes]:
    address = urlsplit(url)
    connection: http.client.HTTPConnection
    if address.scheme == "https":
        trust = ssl.create_default_context(cafile=ca_file or None)
        connection = http.client.HTTPSConnection(address.netloc, timeout=timeout_s, context=trust)
    else:
        connection = http.client.HTTPConnection(address.netloc, timeout=timeout_s)
    method, body, headers = request
    try:
        connection.request(method, address.path or "/", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
