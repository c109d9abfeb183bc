"""The head of an engine's answer, read strictly: an engine that frames badly is not trusted with the next call."""

from __future__ import annotations

import re

import msgspec

_HEAD = re.compile(
    rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*+)?"
    rb"((?:\r\n[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+)*+)\r\n\r\n"
)
_WANTED = re.compile(
    rb"\r\n(content-length|transfer-encoding|connection|content-type|retry-after):[\t ]*([^\r]*)", re.IGNORECASE
)
_LINE = re.compile(rb"HTTP/1\.[01] [1-5][0-9]{2}(?: [\t\x20-\x7e\x80-\xff]*+)?\r\n")
_LINE_BEGINS = (b"HTTP/1.0 ", b"HTTP/1.1 ")
_MAX_HEAD_BYTES = 64 * 1024

CHUNKED = -1
UNTIL_CLOSE = -2


class BadAnswer(Exception):
    """The engine's bytes are no answer that can be framed."""


class ResponseHead(msgspec.Struct, frozen=True, gc=False):
    """Status and framing of an answer. `body_bytes` may be CHUNKED or UNTIL_CLOSE."""

    status: int
    body_bytes: int
    keep_alive: bool
    content_type: bytes
    retry_after: bytes


def parse_head(received: bytes) -> tuple[ResponseHead, int] | None:
    """Read one head and the offset behind it; None while incomplete; raises BadAnswer."""
    match = _HEAD.match(received)
    if match is None:
        if len(received) > _MAX_HEAD_BYTES or b"\r\n\r\n" in received or not _may_be_head(received):
            raise BadAnswer("its head is malformed or longer than 64 KiB")
        return None
    minor, status_text, fields_text = match.groups()
    fields: dict[bytes, bytes] = {}
    for name, value in _WANTED.findall(fields_text):
        key = name.lower()
        if key in fields and key in {b"content-length", b"transfer-encoding"}:
            raise BadAnswer(f"it names {key.decode()} twice")
        fields[key] = value.rstrip(b"\t ")
    status = int(status_text)
    take = fields.get
    connection = take(b"connection")
    head = ResponseHead(
        status,
        _body_bytes(status, take(b"content-length"), take(b"transfer-encoding")),
        minor == b"1" and (connection is None or b"close" not in connection.lower()),
        take(b"content-type", b""),
        take(b"retry-after", b""),
    )
    return head, match.end()


def _may_be_head(begun: bytes) -> bool:
    """Whether a head may begin so: an engine that speaks something else is not waited for."""
    line_end = begun.find(b"\n") + 1
    if line_end:
        return _LINE.fullmatch(begun, 0, line_end) is not None
    return any(line.startswith(begun[:9]) for line in _LINE_BEGINS)


def _body_bytes(status: int, length: bytes | None, encoding: bytes | None) -> int:
    if encoding is not None:
        if length is not None or encoding.lower() != b"chunked":
            raise BadAnswer("its length is ambiguous")
        return CHUNKED
    if status in {204, 304} or status < 200:
        return 0
    if length is None:
        return UNTIL_CLOSE
    if not length.isdigit() or len(length) > 18:
        raise BadAnswer("its Content-Length is not one decimal number")
    return int(length)
