"""For which side a call speaks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from forebay.release.judge.observation import Observation, Side, observed, stratum

_FAILED = 500


class Sides(msgspec.Struct, frozen=True):
    """The engines of a model on either side; without a baseline all others are it.

    `shadow`: copies are compared, not the calls themselves. `errors_only`: the two sides did not serve at one time, so
    that no figure but the share of errors can be compared.
    """

    canary: frozenset[str]
    baseline: frozenset[str] = frozenset()
    shadow: bool = False
    errors_only: bool = False

    def seen(self, line: Mapping[str, Any]) -> Observation | None:
        """What a line of the access log says of a side; None where it says nothing.

        A lane is a preference: a call that found no place in its own went elsewhere at once, and tells nothing. One
        that went elsewhere after a failure tells of the failure, although its client saw none.
        """
        if (line["message"] == "shadow") is not self.shadow:
            return None
        lane, engine, retries = line["lane"], line.get("engine", ""), line.get("retries", 0)
        side, own = self._of(lane)
        if side is None:
            return None
        inside = engine in own if own else engine not in self.canary
        if retries and (not inside or len(own) != 1 or line["status"] >= _FAILED):
            tokens = line["tokens"]
            return Observation(side=side, stratum=stratum(tokens["input"]), ok=False)
        if not engine or not inside or retries:
            return None
        found = observed(line, side)
        if found is not None and self.errors_only:
            return Observation(side=side, stratum=found.stratum, ok=found.ok)
        return found

    def _of(self, lane: str) -> tuple[Side | None, frozenset[str]]:
        if lane == "canary":
            return "canary", self.canary
        if lane == ("baseline" if self.baseline else "stable"):
            return "baseline", self.baseline
        return None, frozenset()
