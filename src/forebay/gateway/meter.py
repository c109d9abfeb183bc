"""A worker's metrics: series resolved once, so that settling a call is additions and no look-ups by text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import msgspec

from forebay.gateway.call import Ledger
from forebay.observe import catalogue
from forebay.observe.catalogue import Metric
from forebay.observe.page import CounterPage, Histogram

_REJECTIONS = {"queue_full": "full", "queue_timeout": "timeout", "wait_too_long": "predicted"}


class _Outcome(msgspec.Struct, frozen=True):
    """The series of one method, endpoint and status."""

    requests: int
    duration: Histogram


class _Model(msgspec.Struct, frozen=True):
    """The series of one model."""

    queue_wait: Histogram
    ttft: Histogram
    gaps: Histogram
    input_tokens: int
    output_tokens: int
    cached_tokens: int


class Meter:
    """Writes one counter page."""

    def __init__(self, page: CounterPage) -> None:
        self._page = page
        self._values = page.values
        self._outcomes: dict[tuple[str, str, int], _Outcome] = {}
        self._models: dict[str, _Model] = {}
        self._classes: dict[str, Histogram] = {}
        phase = partial(page.histogram, catalogue.PHASE)
        self.receive = phase("receive")
        self.wait = phase("wait")
        self.decide = phase("decide")
        self.connect = phase("connect")
        self.answer = phase("answer")
        self._in_flight = page.index(catalogue.IN_FLIGHT)
        self._running = 0
        self._queued = page.index(catalogue.QUEUED)
        self._connections = page.index(catalogue.CONNECTIONS)
        self._log_dropped = page.index(catalogue.LOG_DROPPED)

    def count(self, metric: Metric, *labels: str) -> None:
        self._values[self._page.index(metric, *labels)] += 1

    def add(self, metric: Metric, amount: float, *labels: str) -> None:
        self._values[self._page.index(metric, *labels)] += amount

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """For what is rare: it looks its series up each time."""
        self._page.histogram(metric, *labels).observe(value)

    def gauge(self, metric: Metric, value: float, *labels: str) -> None:
        self._values[self._page.index(metric, *labels)] = value

    def gaps(self, model: str) -> Histogram:
        """The inter-token latency of one model, for the pump."""
        return (self._models.get(model) or self._model(model)).gaps

    def call_began(self) -> None:
        self._running = running = self._running + 1
        self._values[self._in_flight] = running

    def waiting(self, by_class: Mapping[str, int]) -> None:
        """Who waits by class; nothing where no class has a name."""
        for name, calls in by_class.items():
            if name:
                self._values[self._page.index(catalogue.CLASS_QUEUED, name)] = calls

    def gauges(self, *, queued: int, connections: int, log_dropped: int) -> None:
        """What is looked at a few times a second instead of being kept up to date."""
        self._values[self._queued] = queued
        self._values[self._connections] = connections
        self._values[self._log_dropped] = log_dropped

    def settle(self, ledger: Ledger, method: str, now: float) -> None:
        """Count one finished call."""
        values = self._values
        self._running = running = self._running - 1
        values[self._in_flight] = running
        outcome = self._outcomes.get((method, ledger.endpoint, ledger.status))
        if outcome is None:
            outcome = self._outcome(method, ledger.endpoint, ledger.status)
        values[outcome.requests] += 1
        outcome.duration.observe(now - ledger.started_at)
        self.receive.observe(ledger.received_at - ledger.started_at)
        if ledger.wait_s:
            self.wait.observe(ledger.wait_s)
        if ledger.code:
            self.count(catalogue.REFUSALS, ledger.code)
            if ledger.code in _REJECTIONS:
                self.count(catalogue.QUEUE_REJECTIONS, ledger.priority or "all", _REJECTIONS[ledger.code])
        if ledger.cancelled:
            self.count(catalogue.CANCELLED, ledger.cancelled)
        if ledger.model:
            self._settle_model(ledger)

    def _settle_model(self, ledger: Ledger) -> None:
        model = self._models.get(ledger.model) or self._model(ledger.model)
        model.queue_wait.observe(ledger.queue_s)
        if ledger.priority:
            (self._classes.get(ledger.priority) or self._class(ledger.priority)).observe(ledger.queue_s)
        if ledger.connect_s:
            self.connect.observe(ledger.connect_s)
        if ledger.first_event_at:
            model.ttft.observe(ledger.first_event_at - ledger.started_at)
        values = self._values
        values[model.input_tokens] += ledger.input_tokens
        values[model.output_tokens] += ledger.output_tokens
        if ledger.cached_tokens > 0:
            self._values[model.cached_tokens] += ledger.cached_tokens

    def _outcome(self, method: str, endpoint: str, status: int) -> _Outcome:
        page = self._page
        found = self._outcomes[method, endpoint, status] = _Outcome(
            page.index(catalogue.REQUESTS, method, endpoint, str(status)),
            page.histogram(catalogue.DURATION, method, endpoint),
        )
        return found

    def _class(self, name: str) -> Histogram:
        found = self._classes[name] = self._page.histogram(catalogue.CLASS_WAIT, name)
        return found

    def _model(self, name: str) -> _Model:
        page = self._page
        found = self._models[name] = _Model(
            page.histogram(catalogue.QUEUE_WAIT, name),
            page.histogram(catalogue.TTFT, name),
            page.histogram(catalogue.ITL, name),
            page.index(catalogue.TOKENS, name, "input"),
            page.index(catalogue.TOKENS, name, "output"),
            page.index(catalogue.CACHED_TOKENS, name),
        )
        return found
