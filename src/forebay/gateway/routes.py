"""The routes that exist. Everything else is 404, whatever an engine would have answered there."""

from __future__ import annotations

import msgspec

from forebay.gateway.refusal import Refusal
from forebay.wire.openai import CHAT, COMPLETIONS, Shape
from forebay.wire.request import RequestHead


class Route(msgspec.Struct, frozen=True):
    """A path and its one method. `shape` is the body's allow-list where the route goes to an engine.

    `endpoint` is the bounded label that metrics and logs show; `open` needs no key.
    """

    method: bytes
    endpoint: str
    open: bool = False
    shape: Shape | None = None


ROUTES: dict[bytes, Route] = {
    b"/v1/chat/completions": Route(b"POST", "/v1/chat/completions", shape=CHAT),
    b"/v1/completions": Route(b"POST", "/v1/completions", shape=COMPLETIONS),
    b"/v1/models": Route(b"GET", "/v1/models"),
    b"/health": Route(b"GET", "/health", open=True),
    b"/ready": Route(b"GET", "/ready", open=True),
}

METHODS = {
    name: name.decode() for name in (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE")
}
"""Methods that are a label by their own name; any other is `other`."""


class MethodNotAllowed(Refusal):
    """The route exists; `allow` is the method it has."""

    def __init__(self, allow: bytes) -> None:
        super().__init__("method_not_allowed", f"This route takes {allow.decode()} alone.")
        self.allow = b"allow: " + allow + b"\r\n"


def find_route(head: RequestHead) -> Route:
    """The route of a request. Raises Refusal: `not_found`, `method_not_allowed`."""
    route = ROUTES.get(head.path)
    if route is None:
        raise Refusal("not_found", "There is no such route.")
    if head.method != route.method and not (head.method == b"HEAD" and route.open):
        raise MethodNotAllowed(route.method)
    return route
