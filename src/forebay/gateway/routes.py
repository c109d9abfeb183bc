"""The routes that exist. Everything else is 404, whatever an engine would have answered there."""

from __future__ import annotations

import msgspec

from forebay.gateway.refusal import Refusal
from forebay.security.roles import INFERENCE, READ_MODELS
from forebay.wire.anthropic import COUNT_TOKENS, MESSAGES
from forebay.wire.dialect import ANTHROPIC, OPENAI, RESPONSES_API, Dialect
from forebay.wire.openai import (
    CHAT,
    CLASSIFY,
    COMPLETIONS,
    DETOKENIZE,
    EMBEDDINGS,
    RERANK,
    RESPONSES,
    SCORE,
    TOKENIZE,
    Shape,
)
from forebay.wire.request import RequestHead


class Route(msgspec.Struct, frozen=True):
    """A path and its one method. `shape` is the body's allow-list where the route goes to an engine.

    `endpoint` is the bounded label that metrics and logs show; `open` needs no key, `action` is the right that all
    others need. `x_api_key`: the key may come in that header, as Anthropic's clients send it. `engine_path` is its path
    at an engine; `usage_option`: engines count the tokens of its streams only when told to.
    """

    method: bytes
    endpoint: str
    open: bool = False
    action: str = READ_MODELS
    shape: Shape | None = None
    dialect: Dialect = OPENAI
    x_api_key: bool = False
    engine_path: bytes = b""
    usage_option: bool = False


def _to_engines(endpoint: str, shape: Shape, dialect: Dialect = OPENAI) -> Route:
    return Route(
        b"POST",
        endpoint,
        action=INFERENCE,
        shape=shape,
        dialect=dialect,
        x_api_key=dialect is ANTHROPIC,
        engine_path=shape.engine_path,
        usage_option=shape.usage_option,
    )


_ONE_MODEL = Route(b"GET", "/v1/models/{id}")
_MODELS_BELOW = b"/v1/models/"

ROUTES: dict[bytes, Route] = {
    route.endpoint.encode(): route
    for route in (
        _to_engines("/v1/chat/completions", CHAT),
        _to_engines("/v1/completions", COMPLETIONS),
        _to_engines("/v1/responses", RESPONSES, RESPONSES_API),
        _to_engines("/v1/messages", MESSAGES, ANTHROPIC),
        _to_engines("/v1/messages/count_tokens", COUNT_TOKENS, ANTHROPIC),
        _to_engines("/v1/embeddings", EMBEDDINGS),
        _to_engines("/v1/rerank", RERANK),
        _to_engines("/v1/score", SCORE),
        _to_engines("/v1/classify", CLASSIFY),
        _to_engines("/v1/tokenize", TOKENIZE),
        _to_engines("/v1/detokenize", DETOKENIZE),
        Route(b"GET", "/v1/models"),
        _ONE_MODEL,
        Route(b"GET", "/health", open=True),
        Route(b"GET", "/ready", open=True),
    )
}

PROBES = frozenset({"/health", "/ready"})
"""Asked by what watches the workers, not by clients."""

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
        if not head.path.startswith(_MODELS_BELOW) or head.path == _MODELS_BELOW:
            raise Refusal("not_found", "There is no such route.")
        route = _ONE_MODEL
    if head.method != route.method and not (head.method == b"HEAD" and route.open):
        raise MethodNotAllowed(route.method)
    return route


def dialect_of(path: bytes) -> Dialect:
    """How errors are worded for a request whose route was perhaps never looked for."""
    route = ROUTES.get(path)
    return OPENAI if route is None else route.dialect
