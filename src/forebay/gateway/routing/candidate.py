"""An engine as policies see it: what it is, what it holds, what is known of it. No connection, no page, no clock."""

from __future__ import annotations

from collections import OrderedDict
from itertools import count
from math import exp

from forebay.gateway.routing.prefixes import PrefixIndex
from forebay.gateway.routing.want import NOTHING, Want, digest64
from forebay.gateway.snapshot import EngineRef

_TURNS = count(1)
_TTFT_WEIGHT = 0.3
_TTFT_FORGOTTEN_S = 10.0


class Candidate:
    """`outstanding` and `tokens` are this worker's; `held` and `held_tokens` those of all workers.

    `taken_at` counts turns, not time: the engine with the least has waited longest for a call.
    """

    def __init__(self, ref: EngineRef) -> None:
        self.ref = ref
        self.outstanding = 0
        self.tokens = 0
        self.taken_at = 0
        self.suspended_until = 0.0
        self.ejected = False
        self.cold_from = self.cold_until = 0.0
        self.credit = 0.0
        self.split = 0.0
        self.seed = digest64(ref.name)
        self.prefixes = PrefixIndex()
        self.adapters: OrderedDict[str, None] = OrderedDict()
        self._ttft_s = self._ttft_at = 0.0

    def held(self) -> int:
        """Calls that it holds."""
        return self.outstanding

    def held_tokens(self) -> int:
        """Tokens that it is estimated to have before it."""
        return self.tokens

    def has_place(self, now: float) -> bool:
        """Whether one more call may go there."""
        return self.ref.routable and self.suspended_until <= now and self.held() < self.ref.max_outstanding

    def took(self, want: Want) -> None:
        """Note what a call that enters brings."""
        self.outstanding += 1
        self.taken_at = next(_TURNS)
        if self.credit:
            self.credit = max(0.0, self.credit - 1.0)
        if want is not NOTHING:
            self.tokens += want.tokens
            if want.blocks:
                want.expected = self.prefixes.matched(want.blocks) / len(want.blocks)
                self.prefixes.add(want.blocks)
            if want.adapter:
                self._load(want.adapter)

    def gave_back(self, want: Want) -> None:
        self.outstanding -= 1
        self.tokens -= want.tokens

    def first_token(self, ttft_s: float, now: float) -> None:
        """Note how long it took to the first event; recent ones count most."""
        known = self.ttft_s(now)
        self._ttft_s = ttft_s if known == 0 else known + _TTFT_WEIGHT * (ttft_s - known)
        self._ttft_at = now

    def ttft_s(self, now: float) -> float:
        """Time to first token as it is remembered; it fades while nothing is sent there, so that it is tried again."""
        if self._ttft_s == 0:
            return 0.0
        return self._ttft_s * exp((self._ttft_at - now) / _TTFT_FORGOTTEN_S)

    def warm_ratio(self, now: float) -> float:
        """Which part of its share a fresh engine may have: from 0 to 1 over its warm-up."""
        if now >= self.cold_until:
            return 1.0
        return (now - self.cold_from) / (self.cold_until - self.cold_from)

    def started(self, now: float, *, cold: bool) -> None:
        """It became routable; `cold` where it is known to have just started."""
        self.prefixes.clear()
        self.adapters.clear()
        self._ttft_s = 0.0
        self.credit = 0.0
        self.cold_from, self.cold_until = now, now + (self.ref.routing.warm_up_s if cold else 0.0)

    def _load(self, adapter: str) -> None:
        self.adapters[adapter] = None
        self.adapters.move_to_end(adapter)
        while len(self.adapters) > self.ref.routing.adapter_slots:
            self.adapters.popitem(last=False)
