"""Every metric forebay exports: its name, what it counts, its labels and its buckets.

No label takes a value that a user can choose. `vllm_*` names and buckets are the source document's.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["counter", "gauge", "histogram"]


class Metric(msgspec.Struct, frozen=True):
    """A declared metric. `buckets` are upper bounds in the metric's unit, histograms only."""

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """Values a series has on a page: one, or a count for each bucket, one for all beyond, and the sum."""
        return len(self.buckets) + 2 if self.buckets else 1


_SHORT_S = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)
_WAIT_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_TOKEN_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5)

REQUESTS = Metric("vllm_requests_total", "counter", "Answered requests.", ("method", "endpoint", "status"))
DURATION = Metric(
    "vllm_request_duration_seconds",
    "histogram",
    "From the first byte of a request to the last of its answer.",
    ("method", "endpoint"),
    (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0),
)
THROUGHPUT = Metric(
    "vllm_token_throughput", "gauge", "Tokens a second over the last ten seconds; type is input or output.", ("type",)
)
GPU_UTILISATION = Metric(
    "vllm_gpu_utilization_percent", "gauge", "Utilisation read through NVML; absent without a GPU.", ("gpu_id",)
)
TOKENS = Metric("forebay_tokens_total", "counter", "Tokens that engines reported.", ("model", "type"))
TTFT = Metric(
    "forebay_time_to_first_token_seconds",
    "histogram",
    "From the first byte of a streamed request to its first event.",
    ("model",),
    _WAIT_S,
)
ITL = Metric(
    "forebay_inter_token_latency_seconds",
    "histogram",
    "Between two events of a streamed answer, as they reach the gateway.",
    ("model",),
    _TOKEN_S,
)
QUEUE_WAIT = Metric("forebay_queue_wait_seconds", "histogram", "Waiting for a place at an engine.", ("model",), _WAIT_S)
PHASE = Metric(
    "forebay_phase_seconds",
    "histogram",
    "What the gateway itself adds: wait (before its handler runs; whole milliseconds), receive (until the request "
    "is whole), decide (identify, screen, choose), connect (to an engine), answer (writing the answer).",
    ("phase",),
    _SHORT_S,
)
ENGINE_REQUESTS = Metric(
    "forebay_engine_requests_total", "counter", "Calls sent to an engine, by how they ended.", ("engine", "outcome")
)
ENGINE_OUTSTANDING = Metric("forebay_engine_outstanding", "gauge", "Calls an engine holds.", ("engine",))
RETRIES = Metric(
    "forebay_retries_total", "counter", "Calls sent to a further engine before their first byte.", ("reason",)
)
CANCELLED = Metric(
    "forebay_cancelled_total", "counter", "Calls whose engine work was aborted, by what ended them.", ("reason",)
)
REFUSALS = Metric("forebay_refusals_total", "counter", "Requests refused, by error code.", ("code",))
CUT_STREAMS = Metric("forebay_cut_streams_total", "counter", "Streams that an engine did not finish.", ("reason",))
CONTINUATIONS = Metric(
    "forebay_continuations_total",
    "counter",
    "Cut streams of models with `continuation`: continued at another engine; ended (only the end was missing); "
    "refused (cannot be taken up exactly); no_budget; no_engine; diverged; deadline; cancelled.",
    ("outcome",),
)
IN_FLIGHT = Metric("forebay_calls_in_flight", "gauge", "Calls between their first byte and their last.")
QUEUED = Metric("forebay_queue_calls", "gauge", "Calls waiting for a place at an engine.")
CONNECTIONS = Metric("forebay_connections", "gauge", "Open client connections.")
LOG_DROPPED = Metric("forebay_log_lines_dropped_total", "counter", "Log lines lost because their reader was slow.")
RELOADS = Metric("forebay_snapshot_reloads_total", "counter", "Snapshots taken, by result.", ("result",))

ENGINE_STATE = Metric(
    "forebay_engine_state", "gauge", "1 for the state an engine is in, 0 for the others.", ("engine", "state")
)
ENGINE_RESTARTS = Metric("forebay_engine_restarts_total", "counter", "Times an engine was started again.", ("engine",))
DISCOVERED = Metric("forebay_discovery_engines", "gauge", "Engines that a source has found.", ("source",))
DISCOVERY_STALE = Metric(
    "forebay_discovery_stale", "gauge", "1 while a source fails and the engines known last are kept.", ("source",)
)
DISCOVERY_FAILURES = Metric(
    "forebay_discovery_failures_total", "counter", "Answers of a source that were missing, empty or wrong.", ("source",)
)
BUILD = Metric("forebay_build_info", "gauge", "Always 1; the release of forebay.", ("version",))

METRICS: tuple[Metric, ...] = (
    REQUESTS,
    DURATION,
    THROUGHPUT,
    GPU_UTILISATION,
    TOKENS,
    TTFT,
    ITL,
    QUEUE_WAIT,
    PHASE,
    ENGINE_REQUESTS,
    ENGINE_OUTSTANDING,
    RETRIES,
    CANCELLED,
    REFUSALS,
    CUT_STREAMS,
    CONTINUATIONS,
    IN_FLIGHT,
    QUEUED,
    CONNECTIONS,
    LOG_DROPPED,
    RELOADS,
    ENGINE_STATE,
    ENGINE_RESTARTS,
    DISCOVERED,
    DISCOVERY_STALE,
    DISCOVERY_FAILURES,
    BUILD,
)
