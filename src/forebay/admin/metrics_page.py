"""The Prometheus page: every worker's counters summed, and what only this process knows."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib.metadata import version

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from forebay.admin.status import ReleaseStatus, Status, StoreStatus
from forebay.observe import catalogue
from forebay.observe.catalogue import METRICS, Metric
from forebay.observe.gpu import gpu_utilization
from forebay.observe.page import Series
from forebay.observe.totals import CounterFolder
from forebay.ops.compliance.kept import newest
from forebay.ops.compliance.run import VERDICTS
from forebay.render.renewal import days_left, failures, is_refused
from forebay.store.state_dir import StateDir

_WINDOW_S = 10.0
_STATES = ("starting", "warming", "ready", "stalled", "draining", "failed")
Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


class MetricsPage(Collector):
    """Gathers on every scrape. `sample` is called about once a second, for rates."""

    def __init__(
        self,
        folder: CounterFolder,
        status: Callable[[], Status],
        clock: Callable[[], float],
        state: StateDir | None = None,
    ) -> None:
        self._folder = folder
        self._state = state
        self._status = status
        self._clock = clock
        self._samples: deque[tuple[float, dict[str, float]]] = deque()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """The page in Prometheus' text format."""
        return generate_latest(self._registry)

    def sample(self) -> None:
        """Remember the token counters, so that a rate over the last ten seconds can be told."""
        now = self._clock()
        self._samples.append((now, _tokens(self._folder.totals())))
        while len(self._samples) > 1 and self._samples[1][0] <= now - _WINDOW_S:
            self._samples.popleft()

    def describe(self) -> Iterable[Family]:
        return ()  # the registry asks this once to find clashes; there is one collector

    def collect(self) -> Iterator[Family]:
        by_metric: dict[str, list[Series]] = {}
        for series in [*self._folder.totals(), *self._own()]:
            by_metric.setdefault(series.metric.name, []).append(series)
        for metric in METRICS:
            if metric.name in by_metric:
                yield _family(metric, by_metric[metric.name])

    def _own(self) -> Iterator[Series]:
        yield Series(catalogue.BUILD, (version("forebay"),), (1.0,))
        for kind, rate in self._throughput().items():
            yield Series(catalogue.THROUGHPUT, (kind,), (rate,))
        for gpu, percent in gpu_utilization().items():
            yield Series(catalogue.GPU_UTILISATION, (gpu,), (percent,))
        yield from self._certificate()
        yield from self._compliance()
        yield from _release(self._status().release)
        yield from self._store(self._status().store)
        for engine in self._status().engines:
            for state in _STATES if not engine.parked else ():  # one that nobody needs is in no state to be alarmed at
                yield Series(catalogue.ENGINE_STATE, (engine.name, state), (float(engine.state == state),))
            yield Series(catalogue.ENGINE_RESTARTS, (engine.name,), (float(engine.restarts),))
            if engine.ready_after_s is not None:
                yield Series(catalogue.ENGINE_READY_AFTER, (engine.name,), (engine.ready_after_s,))
            yield Series(catalogue.ORPHANED, (engine.name,), (engine.orphaned_s,))

        for source in self._status().discovery:
            yield Series(catalogue.DISCOVERED, (source.name,), (float(source.engines),))
            yield Series(catalogue.DISCOVERY_STALE, (source.name,), (float(bool(source.trouble)),))
            yield Series(catalogue.DISCOVERY_FAILURES, (source.name,), (float(source.failures),))

    def _certificate(self) -> Iterator[Series]:
        if self._state is None or (days := days_left(self._state)) is None:
            return
        yield Series(catalogue.CERTIFICATE_DAYS, (), (days,))
        yield Series(catalogue.CERTIFICATE_REFUSED, (), (float(is_refused(self._state)),))
        yield Series(catalogue.CERTIFICATE_FAILURES, (), (float(failures(self._state)),))

    def _compliance(self) -> Iterator[Series]:
        found = None if self._state is None else newest(self._state.compliance)
        if found is None:
            return
        for pack in found.report.packs:
            for verdict in VERDICTS:
                yield Series(catalogue.COMPLIANCE, (pack.name, verdict), (float(pack.count(verdict)),))
            lost = sum(each.pack == pack.name for each in found.lost)
            yield Series(catalogue.COMPLIANCE_LOST, (pack.name,), (float(lost),))

    def _store(self, store: StoreStatus | None) -> Iterator[Series]:
        if store is None or self._state is None:
            return
        yield Series(catalogue.STORE_LOST, (), (float(bool(store.trouble)),))
        yield Series(catalogue.KEYS_REFUSED, (), (float(not store.believed),))
        with suppress(FileNotFoundError):  # not heard once yet
            heard_at = self._state.keys_confirmed.stat().st_mtime
            yield Series(catalogue.STORE_AGE, (), (max(0.0, time.time() - heard_at),))

    def _throughput(self) -> dict[str, float]:
        if len(self._samples) < 2:
            return {"input": 0.0, "output": 0.0}
        (then, before), (now, after) = self._samples[0], self._samples[-1]
        return {kind: max(0.0, after[kind] - before[kind]) / (now - then) for kind in after}


def _release(release: ReleaseStatus | None) -> Iterator[Series]:
    if release is None:
        return
    yield Series(catalogue.RELEASE_REVERTED, (), (float(release.reverted),))
    if release.rollout is not None:
        strategy, held = release.rollout.strategy, release.rollout.stage in ("held", "paused")
        yield Series(catalogue.ROLLOUT_SHARE, (strategy,), (release.rollout.share_ratio,))
        yield Series(catalogue.ROLLOUT_HELD, (strategy,), (float(held),))


def _tokens(totals: list[Series]) -> dict[str, float]:
    sums = {"input": 0.0, "output": 0.0}
    for series in totals:
        if series.metric is catalogue.TOKENS:
            sums[series.labels[1]] += series.values[0]
    return sums


def _family(metric: Metric, found: list[Series]) -> Family:
    family: Family
    if metric.kind == "histogram":
        family = HistogramMetricFamily(metric.name, metric.text, labels=metric.labels)
        for series in found:
            family.add_metric(series.labels, _cumulative(metric, series.values), series.values[-1])
        return family
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.text, labels=metric.labels)
    for series in found:
        family.add_metric(series.labels, series.values[0])
    return family


def _cumulative(metric: Metric, values: tuple[float, ...]) -> list[tuple[str, float]]:
    total, buckets = 0.0, []
    for bound, count in zip([*map(str, metric.buckets), "+Inf"], values[:-1], strict=True):
        total += count
        buckets.append((bound, total))
    return buckets
