"""Answers of the admin API: errors in one shape, and nothing that a browser may keep, frame or read across sites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

_ALWAYS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


class Refused(Exception):
    """A request that is not carried out; `status` and `code` are for the client, who learns no more than `message`."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})


def answer(value: Any, status: int = 200) -> JSONResponse:
    """A value as JSON."""
    return JSONResponse(value, status, headers=_ALWAYS)


def refusal(refused: Refused) -> JSONResponse:
    """A refusal as JSON."""
    body = {"error": {"code": refused.code, "message": str(refused)}}
    return JSONResponse(body, refused.status, headers=_ALWAYS | refused.headers)


def not_found() -> Refused:
    """What does not exist and what is another's are told apart by nobody."""
    return Refused(404, "not_found", "There is no such thing.")


def forbidden(message: str) -> Refused:
    """The caller is known, and may not."""
    return Refused(403, "permission_denied", message)
