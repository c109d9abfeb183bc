"""A limit as one worker may use it: a gauge, and the cap that the worker holds of the limit. Pure."""

from __future__ import annotations

import msgspec

from forebay.gateway.limits.gauges import Gauge, Rate, Spend

_NEVER = float("inf")
_LARGEST = 2**53
CALLS, TOKENS, MONEY = range(3)
_OF_CALLS = ("requests_per_minute", "concurrency")
# How much of what is left a worker takes in advance, divided by the number of workers: what it holds and does not use,
# others cannot use either, until the next renewal.
_SLICE_DIVISOR = 4
# How long a refusal by the authority is good for: a storm of calls beyond the limit must not become one of questions.
_FULL_S = 0.05


class Statement(msgspec.Struct, frozen=True):
    """What a worker says of a limit: absolute numbers, so that saying it twice changes nothing.

    `floor` cannot be given back, `want` is what it would hold, `kept` stays counted when the worker vanishes (-1: all
    that it holds) for `keep_s`.
    """

    key: str
    limit: int
    floor: int
    want: int
    kept: int
    keep_s: float


class Nonsense(ValueError):
    """An answer that no authority could have given."""


class Limit:
    """One bound on one caller. `name` is (scope, who, measure).

    `asked` is what calls wait for, `others` what all other workers hold, `touched` whether it was used since it was
    stated, `full_until` how long the authority's word holds that there is no more. `kind` is what it counts,
    `settles` whether the end of a call is something to it whatever the call used. `kept`: it is in the book, and
    `plans` of the book meet it.
    """

    __slots__ = (
        "_known",
        "_stated",
        "asked",
        "cap",
        "full_until",
        "gauge",
        "kept",
        "kind",
        "limit",
        "name",
        "others",
        "plans",
        "settles",
        "shares",
        "touched",
        "until",
    )

    def __init__(self, name: tuple[str, str, str], limit: int, gauge: Gauge, shares: int) -> None:
        self.name = name
        self.limit = limit
        self.gauge = gauge
        self.kind = CALLS if name[2] in _OF_CALLS else TOKENS if name[2] == "tokens_per_minute" else MONEY
        self.settles = not isinstance(gauge, Rate)
        self.shares = shares
        self.cap = 0
        self.until = _NEVER
        self.others = 0
        self.asked = 0
        self.full_until = 0.0
        self.touched = False
        self.kept = True
        self.plans = 0
        self._known = False
        self._stated: Statement | None = None

    def fits(self, units: int, now: float) -> bool:
        return not units or (now < self.until and self.gauge.used() + units <= self.cap)

    def remaining(self) -> int:
        """What is left of the limit, as far as this worker knows."""
        left = self.limit - self.others - self.gauge.used()
        return max(0, left)

    def is_idle(self, now: float, *, leased: bool) -> bool:
        """Whether a new one would answer the same: nothing is in use or asked for, and no hold of an authority's."""
        return not (leased and self.cap) and not self.asked and self.gauge.is_idle(now)

    def told(self) -> tuple[int, int, int]:
        """The limit, what is left of it, and the seconds until all of it is, as of the last look at the gauge."""
        gauge = self.gauge
        left = self.limit - self.others - gauge.in_use
        return self.limit, left if left > 0 else 0, gauge.reset_s()  # noqa: FURB136  a call of max: +1,200 instructions

    # -- alone: memory, or without the authority

    def alone(self) -> None:
        """Use the worker's share and ask nobody."""
        self.cap = self.limit // self.shares
        self.until = _NEVER
        self.others = self.limit - self.cap
        self._known = False

    def cut_off(self) -> None:
        """The authority is lost: use no more than is held, and of that no more than an even share.

        All holds together are within the limit, and so are all shares: a minute later, when nothing of before is
        remembered, everybody may use a whole share (`alone`) without the limit ever giving way. Money is remembered
        for longer, so its hold is all there is. What was never asked for is not held: then a share it is at once,
        except of money.
        """
        if isinstance(self.gauge, Spend):
            self.cap = self.cap if self._known else 0
        elif self._known:
            self.cap = min(self.cap, self.limit // self.shares)
        else:
            self.alone()
        self.until = _NEVER

    # -- leased

    @property
    def thin(self) -> bool:
        """Whether more should be asked for before a call has to wait for it."""
        return 2 * (self.cap - self.gauge.used()) < self._slice() and self.cap + self.others < self.limit

    def statement(self, prefix: str, *, joining: bool) -> Statement | None:
        """What to tell the authority now; None where it knows all there is to know.

        `joining`: back after a loss, the share that was used meanwhile is stated and no more is asked for.
        """
        used = self.gauge.used()
        want = floor = used
        if joining:
            want = floor = max(used, self.cap)
        elif self.touched or self.asked:
            want = min(used + max(self.asked, self._slice()), max(self.limit, used))
        kept = -1 if self.gauge.keeps_hold else self.gauge.settled()
        if want == 0 and self.cap == 0:
            return None
        said = Statement(self._key(prefix), self.limit, floor, want, kept, self.gauge.keep_s)
        # Money that is spent stays counted without being stated again.
        return None if kept == want == self.cap and self._stated == said else said

    def granted(self, said: Statement, hold: int, others: int, now: float, until: float) -> None:
        """Take the authority's answer to `said`: a hold `until` a time. Raises Nonsense where it is none."""
        if not (said.floor <= hold <= max(said.want, said.floor) and 0 <= others <= _LARGEST):
            raise Nonsense(f"hold {hold} of {said.floor} to {said.want}, others {others}")
        self._stated, self.touched = said, False
        self.others, self.cap, self._known = others, hold, True
        self.until = until
        if hold < said.want:
            self.full_until = now + _FULL_S
        if isinstance(self.gauge, Spend):
            # A new day has a hold of its own.
            self.until = min(self.until, now + self.gauge.wait_s(0)) if said.key.endswith(self._period()) else now

    def _slice(self) -> int:
        left = self.limit - self.gauge.used() - self.others
        return max(0, left // (_SLICE_DIVISOR * self.shares))

    def _key(self, prefix: str) -> str:
        return prefix + ":".join(self.name) + self._period()

    def _period(self) -> str:
        return f":{self.gauge.period()}" if isinstance(self.gauge, Spend) else ":"

    def retry_after_s(self, units: int) -> float:
        """Seconds after which `units` may fit; inf where they never will."""
        if units > self.limit:
            return _NEVER
        missing = self.gauge.used() + self.others + units - self.limit
        wait_s = self.gauge.wait_s(max(missing, 0))
        if isinstance(self.gauge, Rate):
            # What other workers use is forgotten at a pace that is not known here: assume an even one.
            return min(wait_s, max(1.0, 60.0 * missing / self.limit), 60.0)
        return wait_s
