"""What the edge itself answers when it must refuse a request or finds no gateway: OpenAI-shaped, never HTML."""

from __future__ import annotations

from typing import NamedTuple

import orjson


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


def page_of(code: str) -> Page:
    """The page with this error code."""
    return next(page for page in PAGES if page.code == code)


def body(page: Page) -> str:
    """The JSON answer, as the gateway would write it."""
    error = {"message": page.message, "type": page.type, "param": None, "code": page.code}
    return orjson.dumps({"error": error}).decode()
