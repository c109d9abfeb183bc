"""The head of a client's request: a strict grammar, and nothing but the headers that mean something here.

One regular expression a line is the whole grammar of RFC 9112 that forebay accepts: no obs-fold, no bare LF, no space
before a colon, no control character, origin-form targets alone. A line that was read before is looked up (`memo`), so a
head costs half of what httptools takes for it; bytes behind the request stay where they are.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from forebay.wire.memo import Line, Memo, meanings

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) (/[!-~]*+) HTTP/1\.([01])")
_FIELD = re.compile(rb"(" + _TOKEN + rb"++):([\t\x20-\x7e\x80-\xff]*+)")
# The same grammar, of a head that is not whole yet.
_LINE = re.compile(rb"[A-Z]{1,16} (/[!-~]*+) HTTP/1\.[01]\r\n")
_LINE_BEGUN = re.compile(rb"[A-Z]{0,16}(?:(?<=[A-Z]) (?:/[!-~]*+(?: ([!-~]*+\r?))?)?)?\Z")
_LINE_ENDS = (b"HTTP/1.0\r", b"HTTP/1.1\r")
_FIELDS_BEGUN = re.compile(
    rb"(?:" + _TOKEN + rb"++:[\t\x20-\x7e\x80-\xff]*+\r\n)*+"
    rb"(?:\r|" + _TOKEN + rb"++(?::[\t\x20-\x7e\x80-\xff]*+\r?)?)?\Z"
)
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_OVERRIDES = {b"x-http-method", b"x-http-method-override", b"x-method-override"}
# Headers that few requests have, with their fields of RequestHead: looked for one by one only where there is any.
_RARE = {
    b"x-forebay-cache": "cache",
    b"x-forebay-class": "queue_class",
    b"x-forebay-deadline-ms": "deadline_ms",
    b"x-session-id": "session",
    b"x-split-by": "split_by",
    b"x-api-key": "api_key",
    b"idempotency-key": "idempotency_key",
    b"x-forebay-release": "release",
    b"x-forebay-purpose": "purpose",
    b"x-forebay-client-certificate": "client_certificate",
}
_RARE_OR_REFUSED = _RARE.keys() | _OVERRIDES
_MAX_HEADERS = 100
_LENGTH_DIGITS = 18
_HASH = ord("#")  # as a number: bytes in bytes are looked for fifty times as slowly
# What a head holds beside its target and its fields: method, version, spaces, line breaks.
_BESIDE_BYTES = 32
# What must not stand in a head twice, X-Forwarded-For apart, which is then one list. All else means nothing here.
_SINGLE = {
    *(b"host", b"content-length", b"transfer-encoding", b"connection", b"content-type", b"content-encoding"),
    *(b"authorization", b"expect", b"x-forwarded-for", b"x-request-id", b"x-request-start"),
    *_RARE,
    *_OVERRIDES,
}

CHUNKED = -1
"""`body_bytes` of a request whose length only its chunks tell."""


class Malformed(Exception):
    """Bytes that are no request. After it the connection is closed: where the next request begins is unknown."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class _BadLine(Exception):
    """A line that breaks the grammar."""


def _request_line(line: bytes) -> tuple[bytes, bytes, bytes, bool]:
    """Method, target, path and whether it is HTTP/1.1."""
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise _BadLine
    method, target, minor = match.groups()
    return method, target, target.partition(b"?")[0], minor == b"1"


# What the lines of most heads mean, in this order; a line that means nothing here is nowhere. `_ODD` is whatever needs
# a closer look: a header that few requests have, and one whose value is wrong.
_HOST_GIVEN, _LENGTH, _KEEP_ALIVE, _TYPE, _ENCODING, _KEY, _FORWARDED, _ID, _STARTED, _NOWHERE, _ODD = range(11)
_PLACES = _ODD + 1
_AS_IT_IS = {
    b"content-type": _TYPE,
    b"content-encoding": _ENCODING,
    b"authorization": _KEY,
    b"x-forwarded-for": _FORWARDED,
    b"x-request-start": _STARTED,
}


def _field(line: bytes) -> Line:
    match = _FIELD.fullmatch(line)
    if match is None:
        raise _BadLine
    name, value = match[1].lower(), match[2].strip(b"\t ")
    return *_meaning(name, value), name, value


def _meaning(name: bytes, value: bytes) -> tuple[int, Any]:
    if name in _AS_IT_IS:
        return _AS_IT_IS[name], value
    if name == b"host" and _HOST.fullmatch(value):
        return _HOST_GIVEN, True
    if name == b"content-length" and value.isdigit() and len(value) <= _LENGTH_DIGITS:
        return _LENGTH, int(value)
    if name == b"connection":
        return _KEEP_ALIVE, b"close" not in value.lower()
    if name == b"x-request-id":
        return _ID, value.decode() if _REQUEST_ID.fullmatch(value) else ""
    return (_ODD, True) if name in _SINGLE else (_NOWHERE, None)


_REQUEST_LINES, _FIELDS = Memo(_request_line), Memo(_field)


class RequestHead(msgspec.Struct, frozen=True, gc=False):
    """What a request's head says. Absent headers are empty bytes; `path` is the raw target up to `?`.

    `ambiguous_authorization`: the header stood there twice, so neither is believed.
    """

    method: bytes
    path: bytes
    body_bytes: int
    keep_alive: bool
    http_1_1: bool
    content_type: bytes
    content_encoding: bytes
    authorization: bytes
    ambiguous_authorization: bool
    expects_continue: bool
    forwarded_for: bytes
    request_id: str
    started_at: bytes
    cache: bytes = b""
    queue_class: bytes = b""
    deadline_ms: bytes = b""
    session: bytes = b""
    split_by: bytes = b""
    api_key: bytes = b""
    idempotency_key: bytes = b""
    release: bytes = b""
    purpose: bytes = b""
    client_certificate: bytes = b""


def parse_head(received: bytes, target_limit_bytes: int, head_limit_bytes: int) -> tuple[RequestHead, int] | None:
    """Read one head from the start of `received`; None while it is incomplete.

    Returns the head and the offset of its body. Raises Malformed with the status the client shall see.
    """
    end = received.find(b"\r\n\r\n")
    if end < 0:
        _explain(received, target_limit_bytes, head_limit_bytes)
        return None
    lines = received[:end].split(b"\r\n")
    first = lines.pop(0)
    try:
        method, target, path, http_1_1 = _REQUEST_LINES.known.get(first) or _REQUEST_LINES.read(first)
        head = _usual_head(method, path, http_1_1, lines)
        found = [_FIELDS.known.get(line) or _FIELDS.read(line) for line in lines] if head is None else []
    except _BadLine:
        _explain(received, target_limit_bytes, head_limit_bytes)
        raise _bad_line() from None
    if len(target) > target_limit_bytes:
        raise _target_too_long(target_limit_bytes)
    if end - len(first) > head_limit_bytes or len(lines) > _MAX_HEADERS:
        raise _too_large(head_limit_bytes)
    if _HASH in target:
        raise Malformed(400, "bad_target", "A request target has no fragment.")
    if head is None:
        head = _head(method, path, http_1_1, [(name, value) for _place, _meaning, name, value in found])
    return head, end + 4


def _usual_head(method: bytes, path: bytes, http_1_1: bool, lines: list[bytes]) -> RequestHead | None:
    """What `_head` makes of a head that says nothing twice and nothing unusual, as most do; None of any other."""
    means = meanings(lines, _FIELDS, _PLACES)
    if means is None:
        return None
    host, length, keep_alive, content_type, encoding, key, forwarded, request_id, started, _, odd = means
    if odd or (http_1_1 and host is None):
        return None
    return RequestHead(
        method,
        path,
        length or 0,
        http_1_1 and keep_alive is not False,
        http_1_1,
        content_type or b"",
        encoding or b"",
        key or b"",
        False,
        False,
        forwarded or b"",
        request_id or "",
        started or b"",
    )


def _head(method: bytes, path: bytes, http_1_1: bool, found: list[tuple[bytes, bytes]]) -> RequestHead:
    fields, ambiguous_authorization = dict(found), False
    if len(fields) < len(found):
        fields, ambiguous_authorization = _repeated(found)
    take = fields.get
    _check_host(take(b"host"), http_1_1)
    expect, connection, request_id = take(b"expect"), take(b"connection"), take(b"x-request-id")
    if expect and expect.lower() != b"100-continue":
        raise Malformed(417, "expectation_failed", "The only expectation that can be met is 100-continue.")
    head = RequestHead(
        method,
        path,
        _body_bytes(take(b"content-length"), take(b"transfer-encoding"), http_1_1),
        http_1_1 and (connection is None or b"close" not in connection.lower()),
        http_1_1,
        take(b"content-type", b""),
        take(b"content-encoding", b""),
        take(b"authorization", b""),
        ambiguous_authorization,
        bool(expect),
        take(b"x-forwarded-for", b""),
        request_id.decode() if request_id and _REQUEST_ID.fullmatch(request_id) else "",
        take(b"x-request-start", b""),
    )
    return head if _RARE_OR_REFUSED.isdisjoint(fields) else _with_rare(head, fields)


def _with_rare(head: RequestHead, fields: dict[bytes, bytes]) -> RequestHead:
    if not _OVERRIDES.isdisjoint(fields):
        raise Malformed(400, "method_override", "Method overrides are not accepted.")
    return msgspec.structs.replace(head, **{_RARE[name]: fields[name] for name in _RARE.keys() & fields.keys()})


def _repeated(found: list[tuple[bytes, bytes]]) -> tuple[dict[bytes, bytes], bool]:
    """The fields of a head that names some twice, and whether Authorization is among these."""
    fields: dict[bytes, bytes] = {}
    ambiguous_authorization = False
    for name, value in found:
        if name not in fields or name not in _SINGLE:
            fields[name] = value
        elif name == b"authorization":
            ambiguous_authorization = True
        elif name == b"x-forwarded-for":
            fields[name] += b"," + value
        else:
            raise Malformed(400, "duplicate_header", f"The header {name.decode()} stands there twice.")
    return fields, ambiguous_authorization


def _check_host(host: bytes | None, http_1_1: bool) -> None:
    if host is None:
        if http_1_1:
            raise Malformed(400, "missing_host", "An HTTP/1.1 request needs a Host header.")
    elif not _HOST.fullmatch(host):
        raise Malformed(400, "bad_host", "The Host header is not a host name.")


def _body_bytes(length: bytes | None, encoding: bytes | None, http_1_1: bool) -> int:
    if encoding is not None:
        if length is not None:
            raise Malformed(400, "ambiguous_length", "Content-Length and Transfer-Encoding exclude each other.")
        if not http_1_1:
            raise Malformed(400, "ambiguous_length", "HTTP/1.0 has no Transfer-Encoding.")
        if encoding.lower() != b"chunked":
            raise Malformed(501, "unknown_transfer_encoding", "The only transfer encoding is chunked.")
        return CHUNKED
    if length is None:
        return 0
    if not length.isdigit() or len(length) > _LENGTH_DIGITS:
        raise Malformed(400, "bad_content_length", "Content-Length is not one decimal number.")
    return int(length)


def _explain(received: bytes, target_limit_bytes: int, head_limit_bytes: int) -> None:
    """Raise Malformed if no further byte can make `received` a head; return if more may come."""
    line_end = received.find(b"\n") + 1
    if not line_end:
        if len(received) > target_limit_bytes + _BESIDE_BYTES:
            raise _target_too_long(target_limit_bytes)
        begun = _LINE_BEGUN.match(received)
        if begun is None or not any(end.startswith(begun[1] or b"") for end in _LINE_ENDS):
            raise _bad_line()
        return
    line = _LINE.fullmatch(received, 0, line_end)
    if line is None:
        raise _bad_line()
    if len(line[1]) > target_limit_bytes:
        raise _target_too_long(target_limit_bytes)
    end = received.find(b"\r\n\r\n")
    if (len(received) if end < 0 else end) > head_limit_bytes + target_limit_bytes + _BESIDE_BYTES:
        raise _too_large(head_limit_bytes)
    if not _FIELDS_BEGUN.match(received, line_end):
        raise Malformed(400, "bad_header", "A header line is not `name: value`.")


def _bad_line() -> Malformed:
    return Malformed(400, "bad_request_line", "The request line is not METHOD /path HTTP/1.1.")


def _target_too_long(limit_bytes: int) -> Malformed:
    return Malformed(414, "target_too_long", f"The request target is longer than {limit_bytes} bytes.")


def _too_large(limit_bytes: int) -> Malformed:
    message = f"The headers are larger than {limit_bytes} bytes or more than {_MAX_HEADERS}."
    return Malformed(431, "headers_too_large", message)
