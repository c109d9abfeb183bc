"""Runs one load against one target and says what was seen: the whole of a measurement from outside."""

from __future__ import annotations

import math
import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version

import msgspec

from forebay.messages import _
from forebay.tune.load.crew import Crew
from forebay.tune.load.errors import ClientWasTheBottleneck
from forebay.tune.load.frames import Job, Played, Progress, Window, Within
from forebay.tune.load.prompts import Vocabulary
from forebay.tune.load.sampling import Beside
from forebay.tune.load.schedule import planned
from forebay.tune.load.target import Target
from forebay.tune.load.vocabulary import learn
from forebay.tune.load.workload import Slo, Workload, check
from forebay.tune.report.assemble import latency, pooled, rates, slice_of, timeline, tokens_interval, window
from forebay.tune.report.doubts import cut_away, doubts
from forebay.tune.report.intervals import quantile
from forebay.tune.report.measured import Client, Measured, Prompts
from forebay.tune.report.rows import Row, columns, rows

_SLACK_S = 120.0
_FAR_SD = 6.0
"""So many standard deviations late comes the last of many requests at most."""


class ClientLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Beyond these the generator, and not the service, made the figures.

    The P99 of its lag may be `lag_p99_ms`, or `lag_ratio` of the median time to the first token where that is more,
    though never above `lag_most_ms`: a service that is slow because its client is must not excuse it. Its busiest
    process may use `cpu_share` of a core.
    """

    lag_p99_ms: float = 10.0
    lag_ratio: float = 0.05
    lag_most_ms: float = 100.0
    cpu_share: float = 0.9


class Told(msgspec.Struct, frozen=True):
    """How far a run is."""

    at_s: float
    sent: int
    ended: int
    failed: int
    tokens: int


def measure(
    target: Target,
    workload: Workload,
    *,
    processes: int = 1,
    slo: Slo | None = None,
    progress: Callable[[Told], None] | None = None,
    limits: ClientLimits = ClientLimits(),  # noqa: B008  a frozen value
) -> Measured:
    """Play the load from `processes` processes and measure; blocks until the last answer has ended.

    Raises UsageError (a load that cannot be), TraceError, Unreachable, NothingMeasured and ClientWasTheBottleneck.
    """
    check(workload)
    end_s = _end_s(workload)
    _raise_descriptor_limit()
    vocabulary = learn(target, workload)
    if workload.arrivals.shape == "closed":
        # A process without a client would leave its share of the requests unsent.
        processes = min(processes, workload.arrivals.concurrency)
    jobs = [Job(target, workload, vocabulary, share, processes) for share in range(processes)]
    beside = Beside(target.engine_metrics_urls, target.ca_file)
    started_at = time.time()
    with Crew(jobs) as crew:
        start = crew.begin()
        beside.start()
        try:
            shares = crew.played(start + end_s + workload.longest_session_s + _SLACK_S, _teller(progress, start))
        finally:
            beside.stop()
        found = rows(shares)
        client = _client(shares, found, limits)
        if client.bottleneck:
            raise ClientWasTheBottleneck(
                _("nothing is reported: {why}").format(why=client.bottleneck),
                fix=_("Give the generator more processes (--processes), a machine of its own, or a smaller load"),
                code="client_bottleneck",
            )
        steady_s = window(workload, found)
        length_s = max(row.ended_s for row in found)
        within = crew.within(Window(*steady_s, slice_of(length_s)))
    run = _Run(target, workload, vocabulary, slo, client, (started_at, start, length_s), steady_s)
    return _measured(run, found, within, beside)


class _Run(msgspec.Struct, frozen=True):
    target: Target
    workload: Workload
    vocabulary: Vocabulary
    slo: Slo | None
    client: Client
    clock: tuple[float, float, float]
    steady_s: tuple[float, float]


def _measured(run: _Run, found: Sequence[Row], within: Sequence[Within], beside: Beside) -> Measured:
    begin_s, end_s = run.steady_s
    started_at, start, length_s = run.clock
    began = [row for row in found if begin_s <= row.intended_s < end_s]
    good = [row for row in began if row.good]
    done = rates(found, run.steady_s)
    prompts = _prompts(run.vocabulary, good)
    ended = [row for row in found if begin_s <= row.ended_s <= end_s]
    kept = [row for row in began if run.slo is not None and row.keeps(run.slo)]
    kept_in_time = sum(run.slo is not None and row.keeps(run.slo) for row in ended)
    whole = beside.engine(start, start + length_s)
    return Measured(
        workload=run.workload,
        target=run.target.without_key,
        started_at=started_at,
        duration_s=length_s,
        steady_s=run.steady_s,
        sent=len(began),
        completed=len(good),
        rejected=dict(Counter(row.reason for row in began if row.rejected)),
        failed=dict(Counter(row.reason for row in began if row.reason and not row.rejected)),
        requests_per_s=done.requests_per_s,
        output_tokens_per_s=sum(share.tokens_in_window for share in within) / (end_s - begin_s),
        input_tokens_per_s=done.input_tokens_per_s,
        ttft=latency([row.ttft_ms for row in good if math.isfinite(row.ttft_ms)]),
        tpot=latency([row.tpot_ms for row in good if math.isfinite(row.tpot_ms)]),
        itl=pooled(within),
        e2e=latency([row.e2e_ms for row in good]),
        scheduled_e2e=latency([row.scheduled_e2e_ms for row in good]),
        client=run.client,
        slo=run.slo,
        goodput_rps=None if run.slo is None else kept_in_time / (end_s - begin_s),
        attained_ratio=None if run.slo is None else len(kept) / len(began),
        ci95_requests_per_s=done.ci95_requests_per_s,
        ci95_output_tokens_per_s=tokens_interval(within, slice_of(length_s), run.steady_s),
        prompts=prompts,
        doubts=cut_away(found, run.workload.warm_up_s, begin_s) + doubts(run.workload, began, prompts, whole),
        engine=beside.engine(start + begin_s, start + end_s),
        gpu=beside.gpu(start),
        timeline=timeline(found, within, slice_of(length_s)),
        per_request=columns(list(found)),
        version=_version(),
    )


def _client(shares: Sequence[Played], found: Sequence[Row], limits: ClientLimits) -> Client:
    sends = sorted(lag * 1000 for share in shares for lag in share.lags_s)
    beats = sorted(lag * 1000 for share in shares for lag in share.beats_s)
    lag_ms = max([quantile(each, 0.99) for each in (sends, beats) if each], default=0.0)
    busiest = max((share.cpu_s / share.wall_s for share in shares if share.wall_s > 0), default=0.0)
    good = [row for row in found if row.good]
    firsts = sorted(row.ttft_ms if math.isfinite(row.ttft_ms) else row.scheduled_e2e_ms for row in good)
    usual_ms = quantile(firsts, 0.5) if firsts else 0.0
    allowed_ms = max(limits.lag_p99_ms, min(limits.lag_ratio * usual_ms, limits.lag_most_ms))
    why = ""
    behind_s = max(share.behind_s for share in shares)
    if any(share.out_of_sockets for share in shares):
        why = _("this machine had no more connections to give")
    elif behind_s:
        why = _("the generator fell {lag:.1f} s behind and gave up: this machine cannot send so much").format(
            lag=behind_s
        )
    elif busiest > limits.cpu_share:
        why = _("a process of the generator used {share:.0%} of a core, {most:.0%} are allowed").format(
            share=busiest, most=limits.cpu_share
        )
    elif lag_ms > allowed_ms:
        why = _("the generator was {lag:.1f} ms late at its P99, {most:.1f} ms are allowed").format(
            lag=lag_ms, most=allowed_ms
        )
    return Client(
        processes=len(shares),
        lag_p99_ms=lag_ms,
        lag_max_ms=max([each[-1] for each in (sends, beats) if each], default=0.0),
        cpu_share=busiest,
        cpu_s=sum(share.cpu_s for share in shares),
        bottleneck=why,
    )


def _prompts(vocabulary: Vocabulary, good: Sequence[Row]) -> Prompts:
    counted = [row for row in good if row.input_tokens > 0]
    wanted = sum(row.planned_input for row in counted)
    error = sum(row.input_tokens for row in counted) / wanted - 1 if wanted else None
    return Prompts(exact=vocabulary.exact, how=vocabulary.how, error_ratio=error)


def _end_s(workload: Workload) -> float:
    """When the last request begins at the latest; also finds what is wrong with a trace before anything is sent."""
    if workload.arrivals.shape == "closed" or math.isfinite(workload.longest_s):
        if workload.arrivals.shape == "trace":
            next(planned(workload), None)
        return workload.longest_s if math.isfinite(workload.longest_s) else 86_400.0
    come, count = workload.arrivals, workload.requests
    if count is not None and come.shape in {"constant", "poisson", "gamma"}:
        return (count + _FAR_SD * math.sqrt(count / min(come.burstiness, 1.0))) / come.rate_rps
    return max((each.at_s for each in planned(workload)), default=0.0)


def _teller(progress: Callable[[Told], None] | None, start: float) -> Callable[[Progress], None]:
    def tell(now: Progress) -> None:
        if progress is not None:
            progress(Told(max(0.0, time.monotonic() - start), now.sent, now.ended, now.failed, now.tokens))

    return tell


def _raise_descriptor_limit() -> None:
    """A connection for each request in flight; the processes inherit the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _version() -> str:
    try:
        return version("forebay")
    except PackageNotFoundError:  # a copy of the sources on a bare machine
        return ""
