"""The admin API. Deny by default: a route answers only to a key with the scope `admin`, `/health` excepted."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from forebay.admin.metrics_page import MetricsPage
from forebay.core.errors import StateError
from forebay.gateway.snapshot import read
from forebay.security.keys import verify
from forebay.store.state_dir import StateDir

ADMIN = "admin"
_TEXT = "text/plain; version=0.0.4; charset=utf-8"
Handler = Callable[[Request], Awaitable[Response]]


def admin_app(state: StateDir, hosts: list[str]) -> Starlette:
    """The app of the admin port. `hosts` are the names it answers to, so that no foreign page reaches it by DNS."""

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def status(request: Request) -> Response:
        return await run_in_threadpool(_file, state.status)

    routes = [
        Route("/health", health, methods=["GET"]),
        Route("/v1/status", _for_admins(state, status), methods=["GET"]),
    ]
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)])


def metrics_app(page: MetricsPage) -> Starlette:
    """The app of the metrics port."""

    async def metrics(request: Request) -> Response:
        return Response(await run_in_threadpool(page.text), media_type=_TEXT)

    return Starlette(routes=[Route("/metrics", metrics, methods=["GET"])])


def _for_admins(state: StateDir, handler: Handler) -> Handler:
    async def guarded(request: Request) -> Response:
        given = request.headers.getlist("authorization")
        if len(given) != 1 or not await run_in_threadpool(_is_admin, state, given[0]):
            return JSONResponse(
                {"error": {"code": "invalid_api_key", "message": "Send a key that has the scope `admin`."}},
                status_code=401,
                headers={"www-authenticate": 'Bearer realm="forebay admin"'},
            )
        return await handler(request)

    return guarded


def _is_admin(state: StateDir, authorization: str) -> bool:
    scheme, _, text = authorization.partition(" ")
    if scheme != "Bearer":
        return False
    try:
        _, snapshot = read(state.current_snapshot)
    except StateError:
        return False
    key = verify({record.id: record for record in snapshot.keys}, snapshot.pepper, text, time.time())
    return key is not None and ADMIN in key.scopes


def _file(path: Path) -> Response:
    try:
        return Response(path.read_bytes(), media_type="application/json")
    except FileNotFoundError:
        return PlainTextResponse("The controller has not written its status yet.", status_code=503)
