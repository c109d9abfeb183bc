"""Consents over the admin API, for whoever keeps them elsewhere. Names of people are in bodies, never in a path."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from forebay.admin.answers import Refused, answer, forbidden
from forebay.admin.body import read_body
from forebay.admin.guard import Administrator
from forebay.audit.client import book
from forebay.audit.consents import said_by
from forebay.audit.persons import person
from forebay.gateway.snapshot import read
from forebay.security.roles import TENANT_ADMIN
from forebay.store.state_dir import StateDir


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a person says of a purpose. Without a tenant it is the caller's."""

    subject: str
    purpose: str
    granted: bool
    tenant: str = ""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Whose consents are asked for."""

    subject: str
    tenant: str = ""


class ConsentsApi:
    """The handlers."""

    def __init__(self, state: StateDir) -> None:
        self._state = state

    async def say(self, request: Request, who: Administrator) -> Response:
        """Record a person's word: it counts when this is answered, on every worker within two seconds."""
        said = await read_body(request, Said)
        return answer(await run_in_threadpool(self._said, said, who), 201)

    async def find(self, request: Request, who: Administrator) -> Response:
        """The last word of a person on each purpose."""
        wanted = await read_body(request, Person)
        return answer(await run_in_threadpool(self._found, wanted.subject, _tenant(wanted.tenant, who)))

    def _said(self, said: Said, who: Administrator) -> dict[str, Any]:
        tenant = _tenant(said.tenant, who)
        policy = read(self._state.current_snapshot)[1].consent
        if said.granted and (policy is None or said.purpose not in policy.needed):
            raise Refused(400, "unknown_purpose", "That is no purpose that needs consent.")
        if not said.subject:
            raise Refused(400, "invalid_value", "Say whose consent it is.")
        with book(self._state.audit, self._state.audit_socket) as log:
            log.consent(tenant, said.subject, said.purpose, who.id, granted=said.granted)
        return self._found(said.subject, tenant)

    def _found(self, subject: str, tenant: str) -> dict[str, Any]:
        found = said_by(self._state.consents, person(tenant, subject))
        return {"tenant": tenant, "subject": subject, "consents": msgspec.to_builtins(found)}


def _tenant(named: str, who: Administrator) -> str:
    """Whose subject it is: a tenant's administrator speaks for that tenant's people alone."""
    if who.role == TENANT_ADMIN and named not in ("", who.tenant):
        raise forbidden("This key speaks for people of its own tenant.")
    return named or who.tenant
