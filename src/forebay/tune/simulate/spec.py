"""What is simulated: how long an engine's step takes, what an engine can hold, and how the gateway shares work out."""

from __future__ import annotations

import math

import msgspec

from forebay.core.errors import UsageError
from forebay.gateway.routing.policy import RoutingPolicy
from forebay.messages import _


class StepTime(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of one forward step: fixed + a share for each prompt token, sequence, and cached token that is read.

    `attention_s` is for each pair of a prompt token and one before it: what makes long prompts dear. `front_s` is what
    the engine's API process spends on a call before the scheduler sees it, one call after another; `call_s` what a call
    costs beside all that.
    """

    fixed_s: float
    prompt_token_s: float
    sequence_s: float = 0.0
    cached_token_s: float = 0.0
    attention_s: float = 0.0
    front_s: float = 0.0
    call_s: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise bad(f"{name} = {value}", _("Times are seconds, zero or more"))
        if self.fixed_s + self.sequence_s + self.cached_token_s <= 0:
            raise bad("fixed_s", _("A step of an engine that decodes takes some time"))


class EngineShape(msgspec.Struct, frozen=True, kw_only=True):
    """What one engine can hold. `max_outstanding`: calls that the gateway sends there at most; 0 is no bound."""

    step: StepTime
    max_sequences: int
    max_batched_tokens: int
    cache_tokens: int
    block_tokens: int = 16
    prefix_cache: bool = True
    max_outstanding: int = 0

    def __post_init__(self) -> None:
        for name in ("max_sequences", "max_batched_tokens", "block_tokens"):
            if getattr(self, name) < 1:
                raise bad(f"{name} = {getattr(self, name)}", _("It must be at least 1"))
        if self.cache_tokens < self.block_tokens:
            raise bad(f"cache_tokens = {self.cache_tokens}", _("The cache holds one block at least"))
        if self.max_batched_tokens < self.max_sequences:
            fix = _("vLLM wants max-num-batched-tokens to be at least max-num-seqs")
            raise bad(f"max_batched_tokens = {self.max_batched_tokens}", fix)
        if self.max_outstanding < 0:
            raise bad(f"max_outstanding = {self.max_outstanding}", _("It must be 0 or more"))


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """One engine, by its number, that is gone for a time: what it held is lost or asked again elsewhere."""

    engine: int
    from_s: float
    until_s: float = math.inf


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """How calls reach engines: the gateway's own routing, and the line in which they wait for a place."""

    routing: RoutingPolicy = RoutingPolicy(scorers={"least_loaded": 1.0})
    queue_calls: int = 1000
    queue_wait_s: float = 60.0


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """Engines behind one gateway. Several shapes make a mixed fleet."""

    engines: tuple[EngineShape, ...]
    gateway: Gateway = Gateway()
    outages: tuple[Outage, ...] = ()

    def __post_init__(self) -> None:
        if not self.engines:
            raise bad("engines", _("Name one engine at least"))
        for outage in self.outages:
            if not (0 <= outage.engine < len(self.engines) and 0 <= outage.from_s < outage.until_s):
                raise bad(
                    f"outage of engine {outage.engine}", _("It names an engine of the fleet and ends after it began")
                )


def bad(what: str, fix: str) -> UsageError:
    """The error for a value that cannot be simulated."""
    return UsageError(_("this cannot be simulated: {what}").format(what=what), fix=fix, code="bad_simulation")
