"""What the edge itself answers when it must refuse a request or finds no gateway: OpenAI-shaped, never HTML."""

from __future__ import annotations

from typing import NamedTuple

import orjson

from forebay.render.nginx_text import quoted

PREFIX = "/.forebay-edge/"
"""Where the pages lie; `internal`, so that no client can ask for them."""


class Page(NamedTuple):
    """nginx's own status, what the client is told, and when another try may help."""

    status: int
    answer: int
    type: str
    code: str
    message: str
    retry_after_s: int | None = None


_BAD = "invalid_request_error"
PAGES = (
    Page(400, 400, _BAD, "malformed_request", "The request is malformed."),
    Page(404, 404, _BAD, "not_found", "There is no such route."),
    Page(405, 405, _BAD, "method_not_allowed", "This method is not accepted."),
    Page(408, 408, _BAD, "request_timeout", "The request did not arrive in time."),
    Page(413, 413, _BAD, "body_too_large", "The body of the request is too large."),
    Page(414, 414, _BAD, "target_too_long", "The request's target is too long."),
    Page(421, 421, _BAD, "misdirected_request", "This connection does not serve that host."),
    Page(429, 429, "rate_limit_error", "rate_limited", "There were too many requests.", 1),
    Page(494, 431, _BAD, "head_too_large", "The request's headers are too large."),
    Page(497, 400, _BAD, "https_required", "This port speaks HTTPS only."),
    Page(500, 500, "server_error", "edge_failed", "The edge failed to handle the request."),
    Page(501, 501, _BAD, "not_implemented", "This transfer encoding is not accepted."),
    Page(502, 502, "server_error", "gateway_unreachable", "The gateway did not answer.", 1),
    Page(503, 503, "server_error", "gateway_unavailable", "The gateway is not available.", 1),
    Page(504, 504, "server_error", "gateway_timeout", "The gateway did not answer in time.", 1),
    Page(505, 505, _BAD, "http_version", "This version of HTTP is not accepted."),
)


def body(page: Page) -> str:
    """The JSON answer, as the gateway would write it."""
    error = {"message": page.message, "type": page.type, "param": None, "code": page.code}
    return orjson.dumps({"error": error}).decode()


def error_pages() -> list[str]:
    """Directives that lead each status to its page. A URI, not a named location: that fails on a bad request line."""
    changed = {page: f"={page.answer} " for page in PAGES if page.answer != page.status}
    return [f"error_page {page.status} {changed.get(page, '')}{PREFIX}{page.status};" for page in PAGES]


def locations(headers: list[str]) -> list[str]:
    """A location for each page. `headers` are repeated in each: `add_header` in a location drops inherited ones."""
    lines = []
    for page in PAGES:
        retry = [] if page.retry_after_s is None else [f'add_header Retry-After "{page.retry_after_s}" always;']
        lines += [
            f"location = {PREFIX}{page.status} {{",
            "    internal;",
            "    default_type application/json;",
            *(f"    {line}" for line in [*headers, *retry]),
            f"    return {page.answer} {quoted(body(page), 'edge')};",
            "}",
        ]
    return lines
