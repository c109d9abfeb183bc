"""What is asked of a service while it is measured: when requests come, how long they are, and for how long."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from forebay.core.errors import UsageError
from forebay.messages import _

Shape = Literal["constant", "poisson", "gamma", "ramp", "steps", "closed", "trace"]
TraceFormat = Literal["auto", "azure", "burstgpt", "mooncake"]


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rate, held for a while."""

    rate_rps: float
    duration_s: float


class Arrivals(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When requests come. All but `closed` are open loops: they come whether or not the service keeps up.

    `poisson` and `gamma` draw their gaps at random; `burstiness` is the gamma distribution's shape as in other tools:
    1 is Poisson, below it come bursts. `ramp` goes evenly from `rate_rps` to `to_rate_rps`. `steps` holds each of
    `steps`; `closed` keeps `concurrency` requests in flight, the clients of which begin one after the other over
    `spread_s`: those that begin together read their prompts together, round after round. With `hold` they go on asking
    after the last moment that counts until all that counts is answered: in a load that fades the last answers are
    quicker. `trace` plays `trace` back, `speed` times as fast. With several turns the rate, and the concurrency, is
    that of sessions.
    """

    shape: Shape = "poisson"
    rate_rps: float = 1.0
    to_rate_rps: float | None = None
    burstiness: float = 1.0
    concurrency: int = 1
    spread_s: float = 0.0
    hold: bool = False
    steps: tuple[Step, ...] = ()
    trace: str = ""
    trace_format: TraceFormat = "auto"
    speed: float = 1.0


class Lengths(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many tokens. `tokens` is the length of `fixed`, the mean of `normal` and the median of `lognormal`.

    `deviation` is the standard deviation of `normal` in tokens, that of the logarithm for `lognormal`. All that is
    drawn is kept between `least` and `most`; `uniform` draws between them; `empirical` draws one of `values`.
    """

    shape: Literal["fixed", "uniform", "normal", "lognormal", "empirical"] = "fixed"
    tokens: int = 512
    deviation: float = 0.0
    least: int = 1
    most: int = 1_000_000
    values: tuple[int, ...] = ()

    @property
    def largest(self) -> int:
        """The longest that can be drawn; a wild guess for distributions without a bound."""
        if self.shape == "fixed":
            return self.tokens
        return max(self.values, default=1) if self.shape == "empirical" else self.most


class Images(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pictures in every chat request, sent as data URLs; no two of a run are alike."""

    count: int = 1
    width: int = 512
    height: int = 512


class Slo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a request must keep to count as good; a bound that is None is not asked. Times from the intended start."""

    ttft_ms: float | None = None
    tpot_ms: float | None = None
    e2e_ms: float | None = None


class Workload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A load, whole and repeatable: the same seed sends the same requests at the same times.

    It ends after `duration_s` or `requests`, whichever comes first; one of them is needed, except for a trace or steps.
    `warm_up_s` is cut from what is measured. `shared_prefix_share` of every prompt is the same text in all requests, or
    one of `shared_prefixes` texts. With `shared_spellings` above one it is a system prompt that comes in so many
    spellings, as of several programs: they differ in white space at a line's end. `repeat_share` of the requests say
    what one of 64 favourites says, word for word. With `turns` above one, each request but the first of a session holds
    what was said before, `think_s` after the answer. Without `stream` no first token can be seen. `extra` is added to
    every body.
    """

    arrivals: Arrivals = Arrivals()
    input_tokens: Lengths = Lengths(tokens=512)
    output_tokens: Lengths = Lengths(tokens=128)
    shared_prefix_share: float = 0.0
    shared_prefixes: int = 1
    shared_spellings: int = 1
    repeat_share: float = 0.0
    turns: int = 1
    think_s: float = 0.0
    duration_s: float | None = 30.0
    requests: int | None = None
    warm_up_s: float = 0.0
    seed: int = 1
    ignore_eos: bool = True
    stream: bool = True
    images: Images | None = None
    adapters: tuple[str, ...] = ()
    timeout_s: float = 600.0
    extra: dict[str, Any] = {}

    @property
    def longest_s(self) -> float:
        """Until when requests may begin; infinite where only their number ends it."""
        if self.arrivals.shape == "steps":
            return min(self.duration_s or math.inf, sum(step.duration_s for step in self.arrivals.steps))
        return math.inf if self.duration_s is None else self.duration_s

    @property
    def longest_session_s(self) -> float:
        """How long a session may take: every turn may use up its time, and a pause lies between any two."""
        return self.turns * self.timeout_s + (self.turns - 1) * self.think_s

    def within(self, left_s: float, least_s: float) -> Workload:
        """The load with no answer waited for when `left_s` have passed, but for the `least_s` that each one has."""
        return msgspec.structs.replace(self, timeout_s=min(self.timeout_s, max(least_s, left_s - self.longest_s)))


def check(workload: Workload) -> None:
    """Raise UsageError where the load asks for nothing, or for what cannot be."""
    for wrong, what, fix in _faults(workload):
        if wrong:
            raise UsageError(what, fix=fix, code="workload_invalid")


def _faults(load: Workload) -> Iterator[tuple[bool, str, str]]:
    yield from _faulty_arrivals(load.arrivals)
    yield from _faulty_span(load)
    share = load.shared_prefix_share
    lengths = _bad(load.input_tokens) or _bad(load.output_tokens)
    shown = load.images
    yield (
        not 0 <= share <= 1,
        _("a shared prefix is a share from 0 to 1"),
        _("Set 0.5 for half of every prompt"),
    )
    yield (
        load.shared_prefixes < 1 or not 0 <= load.repeat_share <= 1,
        _("there is one shared prefix at least, and repeats are a share from 0 to 1"),
        _("Set 0.3 for three of ten requests"),
    )
    yield (
        load.shared_spellings < 1,
        _("a shared prefix has one spelling at least"),
        _("Set 4 for four programs that write it each in its own way"),
    )
    yield load.turns < 1, _("a session has at least one turn"), _("Set turns to 1 or more")
    yield (
        lengths,
        _("lengths are whole numbers above 0, the least no longer than the most"),
        _("Write 512, or uniform:100:900"),
    )
    yield (
        shown is not None and min(shown.count, shown.width, shown.height) < 1,
        _("images need a count, a width and a height above 0"),
        _("Write COUNTxWIDTHxHEIGHT, such as 1x512x512"),
    )


def _faulty_arrivals(come: Arrivals) -> Iterator[tuple[bool, str, str]]:
    steps = come.steps and all(_positive(step.rate_rps) and _positive(step.duration_s) for step in come.steps)
    ends = (come.rate_rps, come.to_rate_rps if come.to_rate_rps is not None else -1.0)
    yield (
        come.shape in {"constant", "poisson", "gamma"} and not _positive(come.rate_rps),
        _("a rate of {rate:g} requests/s asks for nothing").format(rate=come.rate_rps),
        _("Set a rate above 0"),
    )
    yield (
        come.shape == "ramp" and not (min(ends) >= 0 and _positive(sum(ends))),
        _("a ramp needs the rates that it begins and ends with, one of them above 0"),
        _("Write them as FROM:TO, such as 1:10"),
    )
    yield (
        come.shape == "steps" and not steps,
        _("steps need a rate and a duration above 0 each"),
        _("Write them as RATE:SECONDS, such as 5:30"),
    )
    yield (
        come.shape == "closed" and come.concurrency < 1,
        _("a concurrency of {n} asks for nothing").format(n=come.concurrency),
        _("Set at least 1"),
    )
    yield (
        come.spread_s < 0 or not math.isfinite(come.spread_s),
        _("clients cannot begin over {seconds:g} s").format(seconds=come.spread_s),
        _("Set 0 for all at once"),
    )
    yield (
        come.shape == "gamma" and not _positive(come.burstiness),
        _("burstiness must be above 0"),
        _("1 is Poisson, 0.25 comes in bursts"),
    )
    yield come.shape == "trace" and not come.trace, _("there is no trace to play"), _("Name its file")
    yield not _positive(come.speed), _("a trace cannot be played at that speed"), _("Set a speed above 0")


def _faulty_span(load: Workload) -> Iterator[tuple[bool, str, str]]:
    shape, duration_s = load.arrivals.shape, load.duration_s
    yield (
        duration_s is not None and not _positive(duration_s),
        _("a duration of {duration:g} s measures nothing").format(duration=duration_s or 0.0),
        _("Set a duration above 0"),
    )
    yield shape == "ramp" and duration_s is None, _("a ramp needs the time that it takes"), _("Set a duration")
    yield (
        duration_s is None and load.requests is None and shape not in {"steps", "trace"},
        _("the load has no end"),
        _("Set a duration or a number of requests"),
    )
    yield (
        load.requests is not None and load.requests < 1,
        _("no requests measure nothing"),
        _("Ask for at least one"),
    )
    yield (
        load.warm_up_s < 0 or load.warm_up_s >= load.longest_s,
        _("the warm-up of {warm_up:g} s leaves nothing to measure").format(warm_up=load.warm_up_s),
        _("Make it shorter than the run"),
    )
    yield (
        not _positive(load.timeout_s) or load.think_s < 0,
        _("a timeout is above 0 s, a pause not below it"),
        _("Set a timeout such as 600s"),
    )


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _bad(lengths: Lengths) -> bool:
    if lengths.shape == "empirical":
        return not lengths.values or min(lengths.values) < 1
    return lengths.tokens < 1 or lengths.least < 1 or lengths.most < lengths.least or lengths.deviation < 0
