"""Answers to clients as bytes: every status line and header forebay writes stands here."""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus

from forebay.gateway.refusal import Refusal
from forebay.wire.dialect import OPENAI, Dialect
from forebay.wire.media_type import JSON
from forebay.wire.memo import DECIMALS, decimal

_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Dateline:
    """The Date header, formatted once a second instead of once a call; `heads`, by status, begin answers in JSON."""

    def __init__(self) -> None:
        self._second = 0
        self.line = b""
        self.heads: dict[int, bytes] = {}

    def update(self, now: float) -> None:
        """`now` is seconds since the epoch."""
        if int(now) != self._second:
            self._second = int(now)
            self.line = b"date: " + formatdate(now, usegmt=True).encode() + b"\r\n"
            self.heads.clear()


DATE = Dateline()


def whole(
    status: int, body: bytes, request_id: str, *, keep_alive: bool, extra: bytes = b"", content_type: bytes = JSON
) -> bytes:
    """An answer of known length. `extra` holds further header lines."""
    begun = DATE.heads.get(status) if content_type == JSON else _begun(status, content_type)
    if begun is None:
        begun = DATE.heads[status] = _begun(status, JSON)
    size = len(body)
    # Joined: to format as many pieces takes twice as long.
    return b"".join(
        (
            begun,
            DECIMALS.get(size) or decimal(size),
            b"\r\nx-request-id: " if request_id else b"",
            request_id.encode(),
            b"\r\n" if keep_alive else b"\r\nconnection: close\r\n",
            extra,
            b"\r\n",
            body,
        )
    )


def _begun(status: int, content_type: bytes) -> bytes:
    reason = _REASONS.get(status, b"Unknown")
    return b"HTTP/1.1 %d %b\r\n%bcontent-type: %b\r\ncontent-length: " % (status, reason, DATE.line, content_type)


STREAMED = b"\r\ntransfer-encoding: chunked\r\n"
"""What stands in the head of a streamed answer, and in no other."""


def stream_head(request_id: str, *, keep_alive: bool, extra: bytes = b"") -> bytes:
    """The head of a streamed answer; chunks follow. `x-accel-buffering` keeps proxies from gathering events."""
    return (
        b"HTTP/1.1 200 OK\r\n%bcontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
        b"x-accel-buffering: no\r\ntransfer-encoding: chunked\r\n%b%b%b\r\n"
    ) % (DATE.line, _request_id(request_id), b"" if keep_alive else b"connection: close\r\n", extra)


def refusal(
    refused: Refusal, request_id: str, *, keep_alive: bool, extra: bytes = b"", dialect: Dialect = OPENAI
) -> bytes:
    """A refusal as an answer."""
    if refused.retry_after_s:
        extra += b"retry-after: %d\r\n" % refused.retry_after_s
    if refused.status == 401:
        extra += b'www-authenticate: Bearer realm="forebay"\r\n'
    return whole(refused.status, refused.body(dialect), request_id, keep_alive=keep_alive, extra=extra)


def without_body(answer: bytes) -> bytes:
    """The answer to HEAD: the same head, no body."""
    return answer[: answer.index(b"\r\n\r\n") + 4]


def _request_id(request_id: str) -> bytes:
    return b"x-request-id: %b\r\n" % request_id.encode() if request_id else b""
