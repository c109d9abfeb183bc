"""The API server of a cluster: a few requests, and what goes wrong with them in two kinds."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import msgspec

from forebay.core.errors import ForebayError, RunError
from forebay.discovery.api_server import Said
from forebay.discovery.found import DiscoveryError
from forebay.discovery.http_stream import Server, Streamed, request
from forebay.messages import _
from forebay.substrate.kubernetes.credentials import Credentials

_ANSWER_S = 30.0
_ANSWER_BYTES = 32 * 1024 * 1024
_RETRY_AFTER = re.compile(rb"\r\nretry-after: *(\d{1,4})\r\n", re.IGNORECASE)
_LONGEST_WAIT_S = 60.0
_RETRIED = {408, 409, 425, 429}
FIELD_MANAGER = "forebay"


class Away(ForebayError):
    """No answer, or one that asks for patience: tried again. `wait_s` is what the server asks for."""

    wait_s = 0.0


class Refused(ForebayError):
    """The server has understood, and will not."""

    status = 0
    wait_s = 0.0


class Api:
    """One cluster. Certificates are read once, the token for each request."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._server = Server(credentials.server, credentials.tls())

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        return await self._ask("GET", path, query or {}, b"", "")

    async def post(self, path: str, body: object) -> bytes:
        return await self._ask("POST", path, {}, msgspec.json.encode(body), "application/json")

    async def delete(self, path: str, options: object) -> bytes:
        return await self._ask("DELETE", path, {}, msgspec.json.encode(options), "application/json")

    async def apply(self, path: str, body: object, *, dry: bool = False) -> bytes:
        """Server-side apply: the fields that we name are ours, those that others set stay."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"} | ({"dryRun": "All"} if dry else {})
        return await self._ask("PATCH", path, query, msgspec.json.encode(body), "application/apply-patch+yaml")

    @asynccontextmanager
    async def stream(self, path: str, query: Mapping[str, str], idle_s: float) -> AsyncIterator[Streamed]:
        """An answer that goes on; Away where `idle_s` pass without any of it."""
        try:
            asked = f"GET {path}?{urlencode(query)}"
            async with request(self._server, asked, self._headers(), b"", idle_s) as answer:
                await _judge(answer, "GET", path)
                yield answer
        except DiscoveryError as error:
            raise Away(error.what, detail=error.detail) from error

    async def _ask(self, method: str, path: str, query: Mapping[str, str], body: bytes, kind: str) -> bytes:
        headers = self._headers() | ({"Content-Type": kind} if kind else {})
        target = f"{path}?{urlencode(query)}" if query else path
        try:
            async with request(self._server, f"{method} {target}", headers, body, _ANSWER_S) as answer:
                await _judge(answer, method, path)
                return await answer.whole(_ANSWER_BYTES)
        except DiscoveryError as error:
            raise Away(error.what, detail=error.detail) from error

    def _headers(self) -> dict[str, str]:
        try:
            return self._credentials.authorization()
        except RunError as error:  # a token that is being rotated is back in a moment
            raise Away(str(error)) from error


async def _judge(answer: Streamed, method: str, path: str) -> None:
    if answer.status < 300:
        return
    said = _message(await answer.whole(_ANSWER_BYTES))
    what = f"the API server answered {answer.status} to {method} {path}{': ' if said else ''}{said[:600]}"
    if answer.status in _RETRIED or answer.status >= 500:
        away = Away(what)
        asked = _RETRY_AFTER.search(answer.head)
        away.wait_s = min(float(asked[1]), _LONGEST_WAIT_S) if asked else 0.0
        raise away
    refused = Refused(what, fix=_fix(answer.status, said))
    refused.status = answer.status
    raise refused


def _message(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=Said).message
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _fix(status: int, said: str) -> str:
    if status == 401:
        return _("The token or certificate is not, or no longer, accepted: put a new one into the kubeconfig")
    if status == 403 and "cannot" in said:
        return _("Give the account the rights of `forebay render kubernetes`: kubectl apply --filename rights.yaml")
    if status == 404 and "namespace" in said:
        return _("Create it: kubectl create namespace NAME, or set substrate.namespace to one that is there")
    return ""
