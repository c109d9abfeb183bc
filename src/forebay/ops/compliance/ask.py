"""Asks the running service, as a stranger would."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from forebay.core.errors import RunError
from forebay.messages import _

PATIENCE_S = 5.0


class Answer(msgspec.Struct, frozen=True):
    """What came back; header names in lower case."""

    status: int
    headers: dict[str, str]


def ask(url: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """GET `path`, or POST `body` to it; RunError where nothing sensible comes back.

    Who answers is not looked at here: the certificate is a probe's own.
    """
    place = urlsplit(url)
    connection = _connection(place.scheme, place.hostname or "", place.port)
    try:
        connection.request("GET" if body is None else "POST", path, body, dict(headers or {}))
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()})
    except (OSError, http.client.HTTPException) as error:
        why = str(error) or type(error).__name__
        raise RunError(_("no answer: {why}").format(why=why), where=f"{url}{path}") from error
    finally:
        connection.close()


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=PATIENCE_S, context=context)
