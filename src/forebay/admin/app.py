"""The admin API. Deny by default: a route answers only to the administrators it names, `/health` excepted."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from forebay.admin.consents import ConsentsApi
from forebay.admin.guard import Administrator, Guard
from forebay.admin.keys import KeysApi
from forebay.admin.metrics_page import MetricsPage
from forebay.admin.releases import ReleasesApi
from forebay.config.schema.store import Store
from forebay.observe.log import JsonLog
from forebay.security.roles import AUDIT, SECURITY, SYSTEM, TENANT_ADMIN
from forebay.store.state_dir import StateDir

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_EVERYBODY = (SYSTEM, SECURITY, AUDIT)
_GRANTING = (SECURITY, TENANT_ADMIN)
_OWN = Store()


def admin_app(state: StateDir, hosts: list[str], log: JsonLog, store: Store = _OWN) -> Starlette:
    """The app of the admin port. `hosts` are the names it answers to, so that no foreign page reaches it by DNS.

    `store`: where keys are kept; by default in `state`.
    """
    guard, keys, releases = Guard(state, log), KeysApi(state, store, log), ReleasesApi(state, log)
    consents = ConsentsApi(state)

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def status(request: Request, who: Administrator) -> Response:
        return await run_in_threadpool(_file, state.status)

    one, allow = "/v1/keys/{id:str}", guard.for_roles
    routes = [
        Route("/health", health, methods=["GET"]),
        Route("/v1/status", allow(_EVERYBODY, status), methods=["GET"]),
        Route("/v1/keys", allow((*_GRANTING, AUDIT), keys.every), methods=["GET"]),
        Route("/v1/keys", allow(_GRANTING, keys.create), methods=["POST"]),
        Route(one, allow((*_GRANTING, AUDIT), keys.show), methods=["GET"]),
        Route(one, allow(_GRANTING, keys.revoke), methods=["DELETE"]),
        Route(one + "/rotate", allow(_GRANTING, keys.rotate), methods=["POST"]),
        Route("/v1/consents", allow(_GRANTING, consents.say), methods=["POST"]),
        Route("/v1/consents/find", allow((*_GRANTING, AUDIT), consents.find), methods=["POST"]),
        Route("/v1/release", allow(_EVERYBODY, releases.show), methods=["GET"]),
        Route("/v1/rollout", allow((SYSTEM,), releases.order), methods=["POST"]),
    ]
    return Starlette(routes=routes, middleware=[_known_hosts(hosts)])


def metrics_app(page: MetricsPage, hosts: list[str]) -> Starlette:
    """The app of the metrics port; `hosts` as for the admin port: it asks for no key, but no web page may read it."""

    async def metrics(request: Request) -> Response:
        return Response(await run_in_threadpool(page.text), media_type=_TEXT)

    return Starlette(routes=[Route("/metrics", metrics, methods=["GET"])], middleware=[_known_hosts(hosts)])


def _known_hosts(hosts: list[str]) -> Middleware:
    return Middleware(TrustedHostMiddleware, allowed_hosts=hosts)


def _file(path: Path) -> Response:
    try:
        return Response(path.read_bytes(), media_type="application/json")
    except FileNotFoundError:
        return PlainTextResponse("The controller has not written its status yet.", status_code=503)
