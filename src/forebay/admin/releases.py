"""What runs, and what a person wants of a rollout, over the admin API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from forebay.admin.answers import Refused, answer, not_found
from forebay.admin.body import read_body
from forebay.admin.guard import Administrator
from forebay.admin.unrecorded import unrecorded
from forebay.audit.client import decided
from forebay.audit.record import Fact
from forebay.observe.log import JsonLog
from forebay.release.rollout.orders import Order, Wish, leave
from forebay.release.running import Running, Side, read_running
from forebay.store.state_dir import StateDir


class WishBody(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of the rollout under way; `change` is its id, so that it is not said to a later one."""

    wish: Wish
    change: str
    reason: str = ""


class ReleasesApi:
    """The handlers."""

    def __init__(self, state: StateDir, log: JsonLog) -> None:
        self._state, self._log = state, log

    async def show(self, _request: Request, _who: Administrator) -> Response:
        """The release that runs, and the change under way."""
        running = await run_in_threadpool(read_running, self._state.running)
        if running is None:
            raise not_found()
        return answer(_public(running))

    async def order(self, request: Request, who: Administrator) -> Response:
        """Leave a wish for the controller, which takes it within a second."""
        wanted = await read_body(request, WishBody)
        running = await run_in_threadpool(read_running, self._state.running)
        change = None if running is None else running.change
        if change is None or change.rollout is None or change.id != wanted.change:
            raise Refused(409, "no_rollout", "No rollout of this id is under way.")
        order = Order(change=change.id, wish=wanted.wish, by=f"key {who.id}", reason=wanted.reason[:500])
        # A rollout that does harm is ended, recorded or not.
        urgent = order.wish in {"abort", "pause"}
        tell = unrecorded(self._log, f"rollout.{order.wish}", who) if urgent else None
        await run_in_threadpool(self._left, order, who, tell)
        return answer({"change": change.id, "wish": wanted.wish}, 202)

    def _left(self, order: Order, who: Administrator, tell: Callable[[str], None] | None) -> None:
        facts: dict[str, Fact] = {"change": order.change, "reason": order.reason}
        with decided(self._state, f"rollout.{order.wish}", who.id, facts, tell):
            leave(self._state.run, order)


def _public(running: Running) -> dict[str, Any]:
    change, last = running.change, running.last
    return {
        "environment": running.environment,
        "release": _side(running.release),
        "change": None
        if change is None
        else {"id": change.id, "kind": change.kind, "to": _side(change.to), "phase": change.phase, "why": change.why},
        "last": None if last is None else msgspec.to_builtins(last),
    }


def _side(side: Side) -> dict[str, str]:
    """Name and digest; the configuration stays inside."""
    return {"name": side.name, "digest": side.digest}
