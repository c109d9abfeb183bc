"""A worker's metrics: series resolved once, so that settling a call is additions and no look-ups by text."""

from __future__ import annotations

from functools import partial

from forebay.gateway.call import Ledger
from forebay.observe import catalogue
from forebay.observe.catalogue import Metric
from forebay.observe.page import CounterPage, Histogram


class Meter:
    """Writes one counter page."""

    def __init__(self, page: CounterPage) -> None:
        self._page = page
        self._values = page.values
        self._histograms: dict[tuple[str, str, str], Histogram] = {}
        phase = partial(page.histogram, catalogue.PHASE)
        self.receive = phase("receive")
        self.wait = phase("wait")
        self.decide = phase("decide")
        self.connect = phase("connect")
        self.answer = phase("answer")
        self._in_flight = page.index(catalogue.IN_FLIGHT)
        self._queued = page.index(catalogue.QUEUED)
        self._connections = page.index(catalogue.CONNECTIONS)
        self._log_dropped = page.index(catalogue.LOG_DROPPED)

    def count(self, metric: Metric, *labels: str) -> None:
        self._values[self._page.index(metric, *labels)] += 1

    def gaps(self, model: str) -> Histogram:
        """The inter-token latency of one model, for the pump."""
        return self._histogram(catalogue.ITL, model)

    def call_began(self) -> None:
        self._values[self._in_flight] += 1

    def gauges(self, *, queued: int, connections: int, log_dropped: int) -> None:
        """What is looked at a few times a second instead of being kept up to date."""
        self._values[self._queued] = queued
        self._values[self._connections] = connections
        self._values[self._log_dropped] = log_dropped

    def settle(self, ledger: Ledger, method: str, now: float) -> None:
        """Count one finished call."""
        values = self._values
        values[self._in_flight] -= 1
        values[self._page.index(catalogue.REQUESTS, method, ledger.endpoint, str(ledger.status))] += 1
        self._histogram(catalogue.DURATION, method, ledger.endpoint).observe(now - ledger.started_at)
        self.receive.observe(ledger.received_at - ledger.started_at)
        if ledger.wait_s:
            self.wait.observe(ledger.wait_s)
        if ledger.code:
            self.count(catalogue.REFUSALS, ledger.code)
        if ledger.cancelled:
            self.count(catalogue.CANCELLED, ledger.cancelled)
        if ledger.model:
            self._settle_model(ledger)

    def _settle_model(self, ledger: Ledger) -> None:
        model = ledger.model
        self._histogram(catalogue.QUEUE_WAIT, model).observe(ledger.queue_s)
        if ledger.connect_s:
            self.connect.observe(ledger.connect_s)
        if ledger.first_event_at:
            self._histogram(catalogue.TTFT, model).observe(ledger.first_event_at - ledger.started_at)
        if ledger.input_tokens or ledger.output_tokens:
            self._values[self._page.index(catalogue.TOKENS, model, "input")] += ledger.input_tokens
            self._values[self._page.index(catalogue.TOKENS, model, "output")] += ledger.output_tokens

    def _histogram(self, metric: Metric, first: str, second: str = "") -> Histogram:
        key = (metric.name, first, second)
        found = self._histograms.get(key)
        if found is None:
            labels = (first, second) if second else (first,)
            found = self._histograms[key] = self._page.histogram(metric, *labels)
        return found
