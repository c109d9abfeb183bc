"""Which lane of a rollout a call takes, and which engines that leaves out.

A lane is a preference, not a wall: where none of its engines can take the call, any other of the model does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from forebay.gateway.rollout.policy import RolloutPolicy
from forebay.gateway.routing.want import digest64

if TYPE_CHECKING:
    from forebay.gateway.call import Ledger

Lane = Literal["stable", "canary", "baseline", "chosen", "shadow"]
_NAMED = {b"canary", b"stable"}
_CANARY = {"canary", "chosen"}
_ALL = 2.0**64


class Lanes:
    """A rollout made ready for the request path. `copies` are under way."""

    def __init__(self, policy: RolloutPolicy, engines: Iterable[str]) -> None:
        self.policy = policy
        self.copies = 0
        names, canary, baseline = frozenset(engines), frozenset(policy.canary), frozenset(policy.baseline)
        self._canary = canary
        self._tenants = frozenset(policy.tenants)
        # The baseline's engines are like any other but for being watched: nobody else's calls are kept from them unless
        # there are others, so that canary and baseline stay equally busy.
        others = names - canary - baseline
        self._left_out: dict[Lane, frozenset[str]] = {
            "canary": names - canary,
            "chosen": names - canary,
            "shadow": names - canary,
            "baseline": names - baseline,
            "stable": canary | baseline if others else canary,
        }

    def assign(self, ledger: Ledger, session: str, header: bytes) -> frozenset[str]:
        """Note the call's lane in its ledger; returns the engines that it is to avoid.

        Calls of one session go one way: an engine that had the first turn in its cache gets the second. What a client
        or a tenant's entry chose is not compared: `chosen`, not `canary`.
        """
        ledger.lane = lane = self._lane(ledger, session, header)
        return self._left_out[lane]

    def apart(self, ledger: Ledger) -> tuple[str, ...]:
        """What keeps answers of the canary from calls of other lanes, and from who is served after the rollout."""
        return ("canary", self.policy.id) if ledger.lane in _CANARY else ()

    def mirrors(self, ledger: Ledger) -> bool:
        """Whether a copy of the call goes to the canary."""
        ratio = self.policy.shadow_ratio
        return ratio > 0 and ledger.lane == "stable" and _lot(self.policy.id, "shadow", ledger.request_id) < ratio

    def left_out(self, lane: Lane) -> frozenset[str]:
        """The engines that a lane's calls avoid."""
        return self._left_out[lane]

    def foreign(self, engine: str) -> frozenset[str]:
        """The engines of the other release: what `engine` began they would end in words of another model."""
        return self._left_out["canary"] if engine in self._canary else self._canary

    def _lane(self, ledger: Ledger, session: str, header: bytes) -> Lane:
        policy = self.policy
        if policy.by_header and header in _NAMED:
            return "chosen" if header == b"canary" else "stable"
        if ledger.tenant in self._tenants:
            return "chosen"
        share = policy.share_ratio
        if share <= 0:
            return "stable"
        drawn = _lot(policy.id, ledger.tenant, session) if session else _lot(policy.id, "", ledger.request_id)
        if drawn < share:
            return "canary"
        return "baseline" if policy.baseline and drawn >= 1 - share else "stable"


def _lot(*texts: str) -> float:
    """A number from 0 to 1 that is the same in every worker and replica."""
    return digest64(*texts) / _ALL
