"""What the request path of one worker works with. Made once by the worker, read by every call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from forebay.gateway.admission import Admission
from forebay.gateway.auditing.trail import Auditor
from forebay.gateway.cascade.record import Cascades
from forebay.gateway.consent.ledger import Ledger as Consents
from forebay.gateway.fleet import Fleet
from forebay.gateway.idempotency.claims import Claims
from forebay.gateway.limits.limiter import Limiter
from forebay.gateway.meter import Meter
from forebay.gateway.privacy.turns import Turns
from forebay.gateway.refusal import Refusal
from forebay.gateway.reuse.memory import Reuse
from forebay.gateway.view import View
from forebay.observe.log import JsonLog
from forebay.security.failures import Failures
from forebay.security.network import source_of

if TYPE_CHECKING:
    from forebay.gateway.ingress import ClientConnection


class Parts:
    """`view` alone is replaced, by a reload, between two calls; a call keeps the one it began with."""

    __slots__ = (
        "admission",
        "audit",
        "budget",
        "cascades",
        "claims",
        "clients",
        "clock",
        "consents",
        "draining",
        "failures",
        "fleet",
        "limits",
        "log",
        "meter",
        "reuse",
        "turns",
        "view",
    )

    def __init__(
        self, view: View, fleet: Fleet, admission: Admission, meter: Meter, log: JsonLog, clock: Callable[[], float]
    ) -> None:
        self.view = view
        self.fleet = fleet
        self.admission = admission
        self.budget = fleet.retry_budget(view.policy.retry_budget_ratio)
        self.meter = meter
        self.log = log
        self.clock = clock
        self.reuse = Reuse(view.models.values(), view.pepper, meter, clock)
        self.cascades = Cascades(meter)
        self.turns = Turns()
        self.clients: set[ClientConnection] = set()
        self.limits: Limiter | None = None
        self.claims: Claims | None = None
        self.audit: Auditor | None = None
        self.consents: Consents | None = None
        self.draining = False
        self.failures = Failures(view.failures, clock)

    def slow_down(self, refusal: Refusal, address: str) -> Refusal:
        """What one who sent a wrong key is told: that it was wrong, or to wait where there were many from there."""
        wait_s = self.failures.failed(source_of(address))
        if not wait_s:
            return refusal
        return Refusal("too_many_failures", "Too many wrong keys came from this address.", retry_after_s=wait_s)
