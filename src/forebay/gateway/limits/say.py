"""What clients are told about their limits: OpenAI's headers on every answer, and refusals that name the limit."""

from __future__ import annotations

from math import ceil, inf

from forebay.gateway.limits.book import Plan
from forebay.gateway.limits.lease import Limit
from forebay.gateway.limits.policy import NANO_USD
from forebay.gateway.refusal import Refusal

_MEASURES = {
    "requests_per_minute": ("rate_limit_exceeded", "requests a minute"),
    "tokens_per_minute": ("token_limit_exceeded", "tokens a minute"),
    "concurrency": ("concurrency_exceeded", "calls at once"),
    "nano_usd_per_day": ("budget_exceeded", "USD a day"),
    "nano_usd_per_month": ("budget_exceeded", "USD a month"),
}
_REQUESTS, _TOKENS = (
    b"x-ratelimit-limit-%b: %%d\r\nx-ratelimit-remaining-%b: %%d\r\nx-ratelimit-reset-%b: %%ds\r\n" % (what, what, what)
    for what in (b"requests", b"tokens")
)
_REQUESTS_AND_TOKENS = _REQUESTS + _TOKENS
_WHOSE = {"key": "this key's limit", "tenant": "this tenant's limit", "model": "the model's limit for all its callers"}


def headers(plan: Plan) -> bytes:
    """`x-ratelimit-*` lines. A model's limit is shared with other tenants, so its numbers are not told."""
    requests, tokens = plan.own_requests, plan.own_tokens
    if requests and tokens:
        return _REQUESTS_AND_TOKENS % (_tightest(requests).told() + _tightest(tokens).told())
    if requests:
        return _REQUESTS % _tightest(requests).told()
    return _TOKENS % _tightest(tokens).told() if tokens else b""


def _tightest(limits: tuple[Limit, ...]) -> Limit:
    return limits[0] if len(limits) == 1 else min(limits, key=Limit.remaining)


def refusal(limit: Limit, units: int) -> Refusal:
    """Which limit, how large, and when to come back."""
    scope, _who, measure = limit.name
    code, unit = _MEASURES[measure]
    money = measure.startswith("nano_usd")
    bound = f"{limit.limit / NANO_USD:g}" if money else str(limit.limit)
    wait_s = limit.retry_after_s(units)
    message = f"This call would exceed {_WHOSE[scope]} of {bound} {unit}."
    if wait_s == inf:
        asked = f"{units / NANO_USD:g} USD" if money else f"{units} {unit.split()[0]}"
        return Refusal(code, f"{message} It may use {asked}, more than the whole limit: ask for less.")
    seconds = max(1, ceil(wait_s))
    return Refusal(code, f"{message} Try again in {seconds} s.", retry_after_s=seconds)
