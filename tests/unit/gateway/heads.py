"""The head of a request that says nothing, for tests to which it hardly matters."""

from __future__ import annotations

from forebay.wire.request import RequestHead

HEAD = RequestHead(
    method=b"POST",
    path=b"/",
    body_bytes=0,
    keep_alive=True,
    http_1_1=True,
    content_type=b"",
    content_encoding=b"",
    authorization=b"",
    ambiguous_authorization=False,
    expects_continue=False,
    forwarded_for=b"",
    request_id="",
    started_at=b"",
)
