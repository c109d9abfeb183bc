"""What clients are told about their limits: OpenAI's headers on every answer, and refusals that name the limit."""

from __future__ import annotations

from math import ceil, inf

from forebay.gateway.limits.book import Plan
from forebay.gateway.limits.gauges import WINDOW_S
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
_MOST_REMEMBERED = 1024
_WHOSE = {"key": "this key's limit", "tenant": "this tenant's limit", "model": "the model's limit for all its callers"}


def headers(plan: Plan) -> bytes:
    """`x-ratelimit-*` lines. A model's limit is shared with other tenants, so its numbers are not told."""
    requests, tokens = plan.own_requests, plan.own_tokens
    if requests and tokens:
        bound, left, reset_s = (requests[0] if len(requests) == 1 else _tightest(requests)).told()
        token_bound, tokens_left, token_reset_s = (tokens[0] if len(tokens) == 1 else _tightest(tokens)).told()
        # Of six numbers two are new each time.
        return b"%b%d%b%b%d%b" % (
            _LIMIT_REQUESTS.known.get(bound) or _LIMIT_REQUESTS.write(bound),
            left,
            _RESET_REQUESTS[reset_s],
            _LIMIT_TOKENS.known.get(token_bound) or _LIMIT_TOKENS.write(token_bound),
            tokens_left,
            _RESET_TOKENS[token_reset_s],
        )
    if requests:
        bound, left, reset_s = _tightest(requests).told()
        return b"%b%d%b" % (_LIMIT_REQUESTS.write(bound), left, _RESET_REQUESTS[reset_s])
    if tokens:
        bound, left, reset_s = _tightest(tokens).told()
        return b"%b%d%b" % (_LIMIT_TOKENS.write(bound), left, _RESET_TOKENS[reset_s])
    return b""


def _tightest(limits: tuple[Limit, ...]) -> Limit:
    return min(limits, key=Limit.remaining)


class _Lines:
    """Header lines before one number, written once for each limit."""

    def __init__(self, pattern: bytes) -> None:
        self.known: dict[int, bytes] = {}
        self._pattern = pattern

    def write(self, number: int) -> bytes:
        if len(self.known) >= _MOST_REMEMBERED:
            self.known.clear()
        line = self.known[number] = self._pattern % number
        return line


_LIMIT_REQUESTS = _Lines(b"x-ratelimit-limit-requests: %d\r\nx-ratelimit-remaining-requests: ")
_LIMIT_TOKENS = _Lines(b"x-ratelimit-limit-tokens: %d\r\nx-ratelimit-remaining-tokens: ")
# No gauge of a minute has more to wait for than its window and the slot it began in.
_RESET_REQUESTS = [b"\r\nx-ratelimit-reset-requests: %ds\r\n" % seconds for seconds in range(WINDOW_S + 2)]
_RESET_TOKENS = [b"\r\nx-ratelimit-reset-tokens: %ds\r\n" % seconds for seconds in range(WINDOW_S + 2)]


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
