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
    "is whole), decide (identify, screen, choose), mask (search what is asked, with turns "
    "of others and plug-ins), connect (to an engine), answer (writing the answer).",
    ("phase",),
    _SHORT_S,
)
ENGINE_REQUESTS = Metric(
    "forebay_engine_requests_total", "counter", "Calls sent to an engine, by how they ended.", ("engine", "outcome")
)
ENGINE_OUTSTANDING = Metric("forebay_engine_outstanding", "gauge", "Calls an engine holds.", ("engine",))
ENGINE_TOKENS = Metric(
    "forebay_engine_outstanding_tokens",
    "gauge",
    "Tokens of the calls an engine holds, estimated: the prompt by its bytes, the answer at its longest. Only where a "
    "policy wants them.",
    ("engine",),
)
ENGINE_EJECTED = Metric(
    "forebay_engine_ejected", "gauge", "Workers whose breaker keeps calls away from the engine.", ("engine",)
)
BREAKER_CHANGES = Metric(
    "forebay_breaker_changes_total",
    "counter",
    "Changes of a worker's breaker for an engine: open, half_open, closed.",
    ("engine", "state"),
)
RETRY_BUDGET = Metric(
    "forebay_retry_budget_total",
    "counter",
    "What the retry budget that all workers share is reckoned from: calls that fill it, retries that spend it.",
    ("what",),
)
CACHED_TOKENS = Metric(
    "forebay_cached_prompt_tokens_total",
    "counter",
    "Prompt tokens that engines reported to have had in their cache.",
    ("model",),
)
RETRIES = Metric(
    "forebay_retries_total", "counter", "Calls sent to a further engine before their first byte.", ("reason",)
)
CANCELLED = Metric(
    "forebay_cancelled_total", "counter", "Calls whose engine work was aborted, by what ended them.", ("reason",)
)
REFUSALS = Metric("forebay_refusals_total", "counter", "Requests refused, by error code.", ("code",))
CUT_STREAMS = Metric("forebay_cut_streams_total", "counter", "Streams that an engine did not finish.", ("reason",))
PRIVACY = Metric(
    "forebay_privacy_values_total",
    "counter",
    "Personal data and secrets found in requests (input) and answers (output), by type and by what was done with them.",
    ("model", "direction", "type", "action"),
)
CACHE = Metric(
    "forebay_cache_total",
    "counter",
    "Calls that may be reused: hit (answered from memory), semantic (by the answer to a question that means the same), "
    "joined (followed an equal call), miss, refresh; and "
    "answers that were not_kept because they are too large, were cut or are more than text.",
    ("model", "result"),
)
SEMANTIC = Metric(
    "forebay_semantic_total",
    "counter",
    "Calls that missed the exact cache of a model with `cache.semantic`: hit; miss (no known question has the same "
    "carrying words); far (none is similar enough, or its answer has gone); late and lost (the embedder was slow or "
    "away); and what is never compared, by why: shape, language, length, code.",
    ("model", "result"),
)
CACHE_GARBLED = Metric(
    "forebay_cache_garbled_total", "counter", "Shared answers that were not as forebay had kept them, and were dropped."
)
CACHE_BYTES = Metric("forebay_cache_bytes", "gauge", "Answers held in memory for reuse.")
CONTINUATIONS = Metric(
    "forebay_continuations_total",
    "counter",
    "Cut streams of models with `continuation`: continued at another engine; ended (only the end was missing); "
    "refused (cannot be taken up exactly); no_budget; no_engine; diverged; deadline; cancelled.",
    ("outcome",),
)
CASCADE = Metric(
    "forebay_cascade_calls_total",
    "counter",
    "Calls of models with a `cascade`: first (the first model's answer was given; `saturated`: by the second bounds), "
    "escalated and why (uncertain, doubted, schema, unfinished, empty, no_evidence, not_text, slow, failed), skipped "
    "and why (ineligible, busy, not_ready, limited), cancelled.",
    ("model", "outcome", "reason"),
)
CASCADE_TOKENS = Metric(
    "forebay_cascade_tokens_total",
    "counter",
    "Tokens by step: first (the first model, checks of itself included), second (the model itself), sample (the model "
    "itself, for comparison), avoided (what the first model's given answers would have been at the model itself, as "
    "long as they are).",
    ("model", "step", "type"),
)
CASCADE_SECONDS = Metric(
    "forebay_cascade_engine_seconds_total",
    "counter",
    "Time that places at engines were held, by step. `avoided` is an estimate: tokens of given answers times what a "
    "token has cost at the model itself so far, in this worker.",
    ("model", "step"),
)
CASCADE_FIRST = Metric(
    "forebay_cascade_first_seconds",
    "histogram",
    "What the first step took, waiting included: by so much later comes the first event of an escalated call.",
    ("model",),
    _WAIT_S,
)
CASCADE_SAMPLES = Metric(
    "forebay_cascade_samples_total",
    "counter",
    "Comparisons of the first model's answer with the model's own: exact (the same text), differs, failed, dropped (no "
    "place was free).",
    ("model", "result"),
)
CASCADE_AGREEMENT = Metric(
    "forebay_cascade_agreement_ratio",
    "histogram",
    "Overlap of the words of both answers, as F1. Agreement, not quality: both may be wrong, or right in other words.",
    ("model",),
    (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.999),
)
LIMITED = Metric(
    "forebay_limited_total",
    "counter",
    "Calls refused by a limit: whose it was (key, tenant, model), and of what.",
    ("scope", "measure"),
)
LIMIT_QUESTIONS = Metric(
    "forebay_limit_questions_total", "counter", "Calls that waited for Valkey to lend more of a limit; most need not."
)
LIMITS_SHARED = Metric(
    "forebay_limits_shared", "gauge", "Workers whose limits are exact over all workers; 0 while Valkey is lost."
)
LIMITS_LOST = Metric("forebay_limits_lost_total", "counter", "Times that Valkey was lost, by why.", ("reason",))
IDEMPOTENCY = Metric(
    "forebay_idempotency_total",
    "counter",
    "Calls with an idempotency key: new, replayed, in_progress, finished (no answer is kept), undecided (who had it "
    "vanished), mismatch (another request), full, unavailable.",
    ("result",),
)
IDEMPOTENCY_LOST = Metric(
    "forebay_idempotency_lost_total", "counter", "Times that what holds idempotency keys was lost, by why.", ("reason",)
)
COMPLIANCE = Metric(
    "forebay_compliance_controls",
    "gauge",
    "Controls of the last report that was kept, by pack and verdict: pass, fail, not assessed.",
    ("pack", "verdict"),
)
COMPLIANCE_LOST = Metric(
    "forebay_compliance_lost", "gauge", "Controls that were met before and fail in the last report.", ("pack",)
)
ANOMALIES = Metric("forebay_anomalies_total", "counter", "What callers did that they do not usually do.", ("kind",))
IN_FLIGHT = Metric("forebay_calls_in_flight", "gauge", "Calls between their first byte and their last.")
QUEUED = Metric("forebay_queue_calls", "gauge", "Calls waiting for a place at an engine.")
CLASS_QUEUED = Metric(
    "forebay_queue_class_calls",
    "gauge",
    "Calls waiting for a place, by class; only where classes are declared.",
    ("class",),
)
CLASS_WAIT = Metric(
    "forebay_queue_class_wait_seconds",
    "histogram",
    "Waiting for a place at an engine, by class; only where classes are declared.",
    ("class",),
    _WAIT_S,
)
CLASS_OUTSTANDING = Metric(
    "forebay_queue_class_outstanding",
    "gauge",
    "Calls that engines hold, by class; only where classes are declared.",
    ("model", "class"),
)
QUEUE_REJECTIONS = Metric(
    "forebay_queue_rejections_total",
    "counter",
    "Calls that got no place: too many waited (full), too long (timeout), or it was foreseen (predicted). The class "
    "is `all` where none is declared.",
    ("class", "reason"),
)
CONNECTIONS = Metric("forebay_connections", "gauge", "Open client connections.")
LOG_DROPPED = Metric("forebay_log_lines_dropped_total", "counter", "Log lines lost because their reader was slow.")
RELOADS = Metric("forebay_snapshot_reloads_total", "counter", "Snapshots taken, by result.", ("result",))

ENGINE_STATE = Metric(
    "forebay_engine_state", "gauge", "1 for the state an engine is in, 0 for the others.", ("engine", "state")
)
ORPHANED = Metric(
    "forebay_orphaned_engine_seconds_total",
    "counter",
    "Time in which an engine that forebay runs reported more work than all workers hold there, times its GPUs where "
    "they are known: work that nobody waits for, such as calls whose abort it ignored. Starts at 0 again with the "
    "controller and with a replaced engine.",
    ("engine",),
)
ENGINE_RESTARTS = Metric("forebay_engine_restarts_total", "counter", "Times an engine was started again.", ("engine",))
ENGINE_READY_AFTER = Metric(
    "forebay_engine_ready_after_seconds",
    "gauge",
    "How long an engine's last start took until it was ready: weights checked and loaded, first generation made.",
    ("engine",),
)
DISCOVERED = Metric("forebay_discovery_engines", "gauge", "Engines that a source has found.", ("source",))
DISCOVERY_STALE = Metric(
    "forebay_discovery_stale", "gauge", "1 while a source fails and the engines known last are kept.", ("source",)
)
DISCOVERY_FAILURES = Metric(
    "forebay_discovery_failures_total", "counter", "Answers of a source that were missing, empty or wrong.", ("source",)
)
CERTIFICATE_DAYS = Metric(
    "forebay_certificate_days_left", "gauge", "Days until the certificate that the edge serves ends; below 0 it has."
)
CERTIFICATE_REFUSED = Metric(
    "forebay_certificate_refused", "gauge", "1 while a new certificate cannot be served and the old one stays."
)
CERTIFICATE_FAILURES = Metric(
    "forebay_certificate_order_failures", "gauge", "Attempts in a row in which an ACME authority gave no certificate."
)
STORE_LOST = Metric(
    "forebay_key_store_lost", "gauge", "1 while PostgreSQL with the keys of all machines is not heard; absent without."
)
STORE_AGE = Metric(
    "forebay_key_store_age_seconds", "gauge", "Since PostgreSQL with the keys was last heard; absent without one."
)
KEYS_REFUSED = Metric(
    "forebay_keys_refused", "gauge", "1 while gateways refuse all keys, as PostgreSQL was not heard for its `grace`."
)
RELEASE_REVERTED = Metric(
    "forebay_release_reverted", "gauge", "1 while the last change of the release is one that was taken back."
)
ROLLOUT_SHARE = Metric(
    "forebay_rollout_share_ratio",
    "gauge",
    "Share of the calls that a release on trial gets (of those that are copied to it, for shadow); absent where there "
    "is none.",
    ("strategy",),
)
ROLLOUT_HELD = Metric(
    "forebay_rollout_held", "gauge", "1 while a rollout waits for a person; absent where there is none.", ("strategy",)
)
BUILD = Metric("forebay_build_info", "gauge", "Always 1; the release of forebay.", ("version",))

AUDIT = Metric(
    "forebay_audit_records_total",
    "counter",
    "Records for the audit log: durable; late (the call was refused before the record was on the disk); and what is "
    "not recorded, by why: full (the disk), stopped (the disk cannot be trusted), crowded (too many wait).",
    ("result",),
)
AUDIT_WAIT = Metric(
    "forebay_audit_wait_seconds",
    "histogram",
    "Calls waiting for the record of their intent or outcome to be on the disk.",
    ("record",),
    _SHORT_S,
)

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
    ENGINE_TOKENS,
    ENGINE_EJECTED,
    BREAKER_CHANGES,
    RETRY_BUDGET,
    CACHED_TOKENS,
    RETRIES,
    CANCELLED,
    REFUSALS,
    CUT_STREAMS,
    CONTINUATIONS,
    PRIVACY,
    CACHE,
    CACHE_BYTES,
    CACHE_GARBLED,
    SEMANTIC,
    CASCADE,
    CASCADE_TOKENS,
    CASCADE_SECONDS,
    CASCADE_FIRST,
    CASCADE_SAMPLES,
    CASCADE_AGREEMENT,
    LIMITED,
    LIMIT_QUESTIONS,
    LIMITS_SHARED,
    LIMITS_LOST,
    IDEMPOTENCY,
    IDEMPOTENCY_LOST,
    AUDIT,
    AUDIT_WAIT,
    COMPLIANCE,
    COMPLIANCE_LOST,
    ANOMALIES,
    IN_FLIGHT,
    QUEUED,
    CLASS_QUEUED,
    CLASS_WAIT,
    CLASS_OUTSTANDING,
    QUEUE_REJECTIONS,
    CONNECTIONS,
    LOG_DROPPED,
    RELOADS,
    ENGINE_STATE,
    ENGINE_RESTARTS,
    ENGINE_READY_AFTER,
    ORPHANED,
    DISCOVERED,
    DISCOVERY_STALE,
    DISCOVERY_FAILURES,
    CERTIFICATE_DAYS,
    CERTIFICATE_REFUSED,
    STORE_LOST,
    STORE_AGE,
    KEYS_REFUSED,
    CERTIFICATE_FAILURES,
    RELEASE_REVERTED,
    ROLLOUT_SHARE,
    ROLLOUT_HELD,
    BUILD,
)
BY_NAME = {metric.name: metric for metric in METRICS}
