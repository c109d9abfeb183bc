"""What one engine carries within an objective, found by simulating rising loads."""

from __future__ import annotations

import msgspec

from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.tune.capacity.errors import NoCountMeets
from forebay.tune.load.workload import Arrivals, Slo, Workload
from forebay.tune.simulate.outcome import Outcome
from forebay.tune.simulate.play import play
from forebay.tune.simulate.spec import EngineShape, Fleet, Gateway
from forebay.tune.simulate.traffic import traffic

_CALLS = 4000
_WARM_UP_CALLS = 500
_ROUNDS = 9
# Nobody is refused while the limit is looked for: a queue would hide that the engine cannot keep up.
_OPEN = Gateway(queue_calls=10**9, queue_wait_s=1e9)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The highest rate that keeps the objective, what the engine does at it, and the most it can answer at all."""

    rate_rps: float
    saturated_rps: float
    outcome: Outcome


def find(engine: EngineShape, load: Workload, slo: Slo, attain_ratio: float, calls: int = _CALLS) -> Found:
    """Bisect the rate, `calls` at each; NoCountMeets where one call alone, or hardly more, misses the objective."""
    if not 0 < attain_ratio < 1:
        raise UsageError(_("a share of {share:g} cannot be attained").format(share=attain_ratio), fix=_("Say 0.95"))
    if slo == Slo():
        raise UsageError(_("there is no objective to keep"), fix=_("State one, such as --slo ttft=500ms"))
    most = _saturated(engine, load, calls)
    low, high = most / 200, most
    best = _at(engine, load, slo, low, calls)
    if (best.attained_ratio or 0.0) < attain_ratio:
        raise NoCountMeets(
            _(
                "one engine with almost nothing to do keeps the objective in {share:.1%} of the calls, not {want:.1%}"
            ).format(share=best.attained_ratio or 0.0, want=attain_ratio),
            fix=_("No number of engines helps: take a faster engine, shorter prompts, or another objective"),
            code="no_count_meets",
        )
    top = _at(engine, load, slo, high, calls)
    if (top.attained_ratio or 0.0) >= attain_ratio:
        return Found(rate_rps=high, saturated_rps=most, outcome=top)
    for _round in range(_ROUNDS):
        middle = (low + high) / 2
        seen = _at(engine, load, slo, middle, calls)
        if (seen.attained_ratio or 0.0) >= attain_ratio:
            low, best = middle, seen
        else:
            high = middle
    return Found(rate_rps=low, saturated_rps=most, outcome=best)


def _at(engine: EngineShape, load: Workload, slo: Slo, rate_rps: float, calls: int) -> Outcome:
    # Sessions come at a rate of their own; a rate of calls is what is asked for.
    come = Arrivals(rate_rps=rate_rps / load.turns)
    asked = msgspec.structs.replace(
        load, arrivals=come, requests=max(1, calls // load.turns), duration_s=None, warm_up_s=0.0
    )
    warm_up_s = min(_WARM_UP_CALLS, calls // 4) / rate_rps
    return play(Fleet(engines=(engine,), gateway=_OPEN), traffic(asked), slo=slo, warm_up_s=warm_up_s)


def _saturated(engine: EngineShape, load: Workload, calls: int) -> float:
    """Calls a second while there are always more than it can run."""
    callers = Arrivals(shape="closed", concurrency=engine.max_sequences + engine.max_sequences // 4 + 1)
    asked = msgspec.structs.replace(
        load, arrivals=callers, requests=max(calls, 4 * engine.max_sequences), duration_s=None, warm_up_s=0.0, turns=1
    )
    found = play(Fleet(engines=(engine,), gateway=_OPEN), traffic(asked))
    if not found.completed:
        raise UsageError(
            _("not one of these calls fits into the engine's cache of {n} tokens").format(n=engine.cache_tokens),
            fix=_("Ask for shorter prompts and answers, or give the engine more memory"), code="does_not_fit",
        )  # fmt: skip
    return found.requests_per_s
