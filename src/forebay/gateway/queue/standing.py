"""Where a call stands: its class, and how long it may wait for a place."""

from __future__ import annotations

from forebay.gateway.queue.policy import UNNAMED, QueuePolicy
from forebay.gateway.refusal import Refusal
from forebay.wire.request import RequestHead

CLASS_HEADER, DEADLINE_HEADER = "x-forebay-class", "x-forebay-deadline-ms"
_DEADLINE_DIGITS = 9


class Standings:
    """A queue policy made ready for look-ups."""

    def __init__(self, policy: QueuePolicy, wait_s: float) -> None:
        self._plain = not policy.classes
        self._names = [each.name for each in policy.classes] or [UNNAMED]
        self._waits_s = [wait_s if each.wait_s is None else min(wait_s, each.wait_s) for each in policy.classes]
        self._waits_s = self._waits_s or [wait_s]
        self._ranks = {name: rank for rank, name in enumerate(self._names)}
        self._default = self._ranks.get(policy.default, len(self._names) - 1)
        self._by_tenant = {tenant: self._ranks.get(name, self._default) for tenant, name in policy.tenants.items()}

    @property
    def lowest(self) -> str:
        """The class of what nobody waits for."""
        return self._names[-1]

    def of(self, tenant: str, head: RequestHead, *, flex: bool) -> tuple[str, float]:
        """The call's class and how long it may wait, in seconds.

        Its tenant's class, or a lower one if it asks for that: `x-forebay-class` names one, `service_tier: flex` means
        the lowest. Asking for a higher one changes nothing, since one client may be set up for several keys.
        Raises Refusal for a class that does not exist and for a deadline that is no number.
        """
        if self._plain and not head.deadline_ms:
            return UNNAMED, self._waits_s[0]
        rank = 0
        if not self._plain:
            rank = self._by_tenant.get(tenant, self._default)
            if flex:
                rank = len(self._names) - 1
            if head.queue_class:
                rank = max(rank, self._asked_for(head.queue_class))
        wait_s = self._waits_s[rank]
        if head.deadline_ms:
            wait_s = min(wait_s, _milliseconds(head.deadline_ms) / 1000)
        return self._names[rank], wait_s

    def _asked_for(self, written: bytes) -> int:
        rank = self._ranks.get(written.decode("latin-1"))
        if rank is None:
            message = f"{CLASS_HEADER} must be one of: {', '.join(self._names)}."
            raise Refusal("invalid_value", message, param=CLASS_HEADER)
        return rank


def _milliseconds(written: bytes) -> int:
    if not written.isdigit() or len(written) > _DEADLINE_DIGITS:
        message = f"{DEADLINE_HEADER} must be a whole number of milliseconds."
        raise Refusal("invalid_value", message, param=DEADLINE_HEADER)
    return int(written)
