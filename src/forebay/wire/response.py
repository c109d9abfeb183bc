"""The head of an engine's answer, read strictly: an engine that frames badly is not trusted with the next call."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from forebay.wire.memo import Line, Memo, meanings

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*+)?")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]++):([\t\x20-\x7e\x80-\xff]*+)")
_SINGLE = (b"content-length", b"transfer-encoding")
_LINE = re.compile(rb"HTTP/1\.[01] [1-5][0-9]{2}(?: [\t\x20-\x7e\x80-\xff]*+)?\r\n")
_LENGTH_DIGITS = 18
_BODILESS = (204, 304)
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
    end = received.find(b"\r\n\r\n")
    if end < 0:
        if len(received) > _MAX_HEAD_BYTES or not _may_be_head(received):
            raise BadAnswer("its head is malformed or longer than 64 KiB")
        return None
    # An engine's heads differ in a length, and in a date once a second: a busy one says most of them again.
    text = received[:end]
    return _HEADS.known.get(text) or _HEADS.read(text), end + 4


def _head(text: bytes) -> ResponseHead:
    lines = text.split(b"\r\n")
    first = lines.pop(0)
    status, http_1_1 = _STATUS_LINES.known.get(first) or _STATUS_LINES.read(first)
    return _usual_head(status, http_1_1, lines) or _closer_head(status, http_1_1, lines)


def _usual_head(status: int, http_1_1: bool, lines: list[bytes]) -> ResponseHead | None:
    """What is made of a head that says nothing twice and nothing wrong, as most do; None of any other."""
    means = meanings(lines, _FIELDS, _PLACES)
    if means is None:
        return None
    length, chunked, keep_alive, content_type, retry_after, _nowhere, odd = means
    if odd or (chunked and length is not None):
        return None
    if chunked:
        length = CHUNKED
    elif status < 200 or status in _BODILESS:
        length = 0
    elif length is None:
        length = UNTIL_CLOSE
    return ResponseHead(status, length, http_1_1 and keep_alive is not False, content_type or b"", retry_after or b"")


def _closer_head(status: int, http_1_1: bool, lines: list[bytes]) -> ResponseHead:
    found = [_field(line)[2:] for line in lines]
    fields = dict(found)
    if len(fields) < len(found) and any([name for name, _ in found].count(each) > 1 for each in _SINGLE):
        raise BadAnswer("it names its length twice")
    take = fields.get
    connection = take(b"connection")
    return ResponseHead(
        status,
        _body_bytes(status, take(b"content-length"), take(b"transfer-encoding")),
        http_1_1 and (connection is None or b"close" not in connection.lower()),
        take(b"content-type", b""),
        take(b"retry-after", b""),
    )


def _status_line(line: bytes) -> tuple[int, bool]:
    """The status, and whether it is HTTP/1.1."""
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise BadAnswer("its first line is malformed")
    return int(match[2]), match[1] == b"1"


# What the lines of most heads mean, in this order; `_ODD` is what `_body_bytes` refuses.
_LENGTH, _CHUNKED, _KEEP_ALIVE, _TYPE, _RETRY_AFTER, _NOWHERE, _ODD = range(7)
_PLACES = _ODD + 1


def _field(line: bytes) -> Line:
    match = _FIELD.fullmatch(line)
    if match is None:
        raise BadAnswer("its head is malformed")
    name, value = match[1].lower(), match[2].strip(b"\t ")
    return *_meaning(name, value), name, value


def _meaning(name: bytes, value: bytes) -> tuple[int, Any]:
    if name == b"content-length":
        return (_LENGTH, int(value)) if value.isdigit() and len(value) <= _LENGTH_DIGITS else (_ODD, True)
    if name == b"transfer-encoding":
        return (_CHUNKED if value.lower() == b"chunked" else _ODD), True
    if name == b"connection":
        return _KEEP_ALIVE, b"close" not in value.lower()
    if name == b"content-type":
        return _TYPE, value
    return (_RETRY_AFTER, value) if name == b"retry-after" else (_NOWHERE, None)


_HEADS, _STATUS_LINES, _FIELDS = Memo(_head), Memo(_status_line), Memo(_field)


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
    if status < 200 or status in _BODILESS:
        return 0
    if length is None:
        return UNTIL_CLOSE
    if not length.isdigit() or len(length) > _LENGTH_DIGITS:
        raise BadAnswer("its Content-Length is not one decimal number")
    return int(length)
