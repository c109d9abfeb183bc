"""What wakes someone, and what that person does then."""

from __future__ import annotations

import msgspec


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A rule. `runbook` is read at night: what it means, what to look at, what helps."""

    name: str
    expr: str
    hold: str
    severity: str
    summary: str
    runbook: str


# Probes come once a second and succeed: among few calls they would hide that all of them fail.
_CALLS = 'endpoint!~"/health|/ready"'

RECORDS = {
    "forebay:requests:rate5m": f"sum(rate(vllm_requests_total{{{_CALLS}}}[5m]))",
    "forebay:errors:ratio_rate5m": (
        f'sum(rate(vllm_requests_total{{{_CALLS},status=~"5.."}}[5m])) / sum(rate(vllm_requests_total{{{_CALLS}}}[5m]))'
    ),
    "forebay:time_to_first_token_seconds:p95_5m": (
        "histogram_quantile(0.95, sum by (model, le) (rate(forebay_time_to_first_token_seconds_bucket[5m])))"
    ),
    "forebay:inter_token_latency_seconds:p95_5m": (
        "histogram_quantile(0.95, sum by (model, le) (rate(forebay_inter_token_latency_seconds_bucket[5m])))"
    ),
    "forebay:queue_wait_seconds:p95_5m": (
        "histogram_quantile(0.95, sum by (model, le) (rate(forebay_queue_wait_seconds_bucket[5m])))"
    ),
    "forebay:tokens:rate5m": "sum by (model, type) (rate(forebay_tokens_total[5m]))",
}

ALERTS = (
    Alert(
        name="ForebayDown",
        expr='up{job="forebay"} == 0',
        hold="1m",
        severity="critical",
        summary="Nobody answers at the metrics page of {{ $labels.instance }}",
        runbook="Run `forebay status` there. Where the controller is gone, calls may still be served: try one before "
        "anything else. `forebay up --detach` starts what is missing and touches nothing that runs.",
    ),
    Alert(
        name="ForebayNoEngineReady",
        expr='sum(forebay_engine_state{state="ready"}) == 0',
        hold="1m",
        severity="critical",
        summary="No engine is ready: every call waits or is refused",
        runbook="`forebay engine list` says the state and the reason of each, `forebay engine logs NAME` the rest. "
        "After a change, `forebay rollback`. While weights load, wait: `start` says how long that may take.",
    ),
    Alert(
        name="ForebayErrors",
        expr="forebay:errors:ratio_rate5m > 0.05",
        hold="5m",
        severity="critical",
        summary="{{ $value | humanizePercentage }} of the calls fail",
        runbook="`sum by (engine, outcome) (rate(forebay_engine_requests_total[5m]))` tells one bad engine from all. "
        "One: `forebay engine drain NAME`. All: look at the last change, and `forebay rollback`.",
    ),
    Alert(
        name="ForebayEngineNotReady",
        expr='forebay_engine_state{state="ready"} == 0',
        hold="15m",
        severity="warning",
        summary="The engine {{ $labels.engine }} has not been ready for 15 minutes",
        runbook="`forebay engine list` says why, `forebay engine logs {{ $labels.engine }}` what it said last. Out of "
        "memory: lower gpu-memory-utilization or max-model-len. A lost GPU: `nvidia-smi` and `dmesg` show an Xid.",
    ),
    Alert(
        name="ForebayEngineRestarts",
        expr="increase(forebay_engine_restarts_total[30m]) > 3",
        hold="0m",
        severity="warning",
        summary="The engine {{ $labels.engine }} was started again {{ $value | humanize }} times in half an hour",
        runbook="Its log has the end of each life: `forebay engine logs {{ $labels.engine }}`. The same call may kill "
        "it each time: compare the request ids before each end.",
    ),
    Alert(
        name="ForebayEngineEjected",
        expr="forebay_engine_ejected > 0",
        hold="10m",
        severity="warning",
        summary="Workers keep calls away from {{ $labels.engine }}",
        runbook="It answers its health check but fails calls. Drain it, restart it, and compare its log with another "
        "engine's of the same model.",
    ),
    Alert(
        name="ForebaySlowFirstToken",
        expr="forebay:time_to_first_token_seconds:p95_5m > 5",
        hold="10m",
        severity="warning",
        summary="The first token of {{ $labels.model }} takes {{ $value | humanizeDuration }} (p95)",
        runbook="Compare with forebay:queue_wait_seconds:p95_5m. As large: there are too few engines. Smaller: "
        "prompts are long or prefill is starved; see max-num-batched-tokens.",
    ),
    Alert(
        name="ForebayQueueRejects",
        expr="sum(rate(forebay_queue_rejections_total[5m])) > 0.1",
        hold="5m",
        severity="warning",
        summary="Calls find no place: {{ $value | humanize }} a second are sent away",
        runbook="Demand is above what the engines do. Add engines, or lower the limits of the tenant that sends most: "
        "`topk(5, sum by (endpoint) (rate(vllm_requests_total[5m])))` and the access log say who.",
    ),
    Alert(
        name="ForebayCutStreams",
        expr="sum(rate(forebay_cut_streams_total[5m])) > 0.05",
        hold="5m",
        severity="warning",
        summary="Engines leave streams unfinished",
        runbook="`sum by (reason) (rate(forebay_cut_streams_total[5m]))` says how they end. An engine that dies is in "
        "forebay_engine_restarts_total; one that stalls is in its log. `continuation` lets another one go on.",
    ),
    Alert(
        name="ForebayOrphanedWork",
        expr="rate(forebay_orphaned_engine_seconds_total[10m]) > 0.2",
        hold="10m",
        severity="warning",
        summary="{{ $labels.engine }} works on what nobody waits for",
        runbook="It ignores aborts, or someone calls it beside the gateway. Close its port to others; restart it.",
    ),
    Alert(
        name="ForebayLimitsNotShared",
        expr="forebay_limits_shared == 0",
        hold="2m",
        severity="warning",
        summary="Valkey is lost: limits hold for each worker alone",
        runbook="`forebay status` shows the bundled one; another is named under `valkey`. Calls go on meanwhile as "
        "the file says.",
    ),
    Alert(
        name="ForebayDiscoveryStale",
        expr="forebay_discovery_stale == 1",
        hold="5m",
        severity="warning",
        summary="{{ $labels.source }} no longer tells which engines there are",
        runbook="The engines known last are kept. Look at the source: DNS, the API server and its token, Valkey, the "
        "file. `forebay status` says what it answered.",
    ),
    Alert(
        name="ForebayReleaseRefused",
        expr='increase(forebay_snapshot_reloads_total{result="refused"}[15m]) > 0',
        hold="0m",
        severity="warning",
        summary="A worker refuses the newest configuration and keeps the old one",
        runbook="`forebay status` shows the reason. Run `forebay check`, correct the file, and bring it up again.",
    ),
    Alert(
        name="ForebayKeyStoreLost",
        expr="forebay_key_store_lost == 1",
        hold="1m",
        severity="warning",
        summary="PostgreSQL with the keys of all machines is lost: no key can be made or revoked",
        runbook="`forebay status` says why and until when the keys known last are good; `forebay doctor` tries it from "
        "this machine. Calls are answered meanwhile. Where a key must end now, stop the gateways that take it.",
    ),
    Alert(
        name="ForebayKeysRefused",
        expr="forebay_keys_refused == 1",
        hold="0m",
        severity="critical",
        summary="Gateways refuse all keys: PostgreSQL was not heard for `store.postgres.grace`",
        runbook="Calls get 503 `keys_unavailable`. Bring PostgreSQL back, or let this machine reach it: keys are good "
        "again within seconds.",
    ),
    Alert(
        name="ForebayReleaseReverted",
        expr="forebay_release_reverted == 1",
        hold="0m",
        severity="warning",
        summary="A release was taken back: the one before serves",
        runbook="`forebay status -o json` says why under release.last, and so does configs/log.jsonl: an engine that "
        "did not start, or what the judge of a rollout found. Nothing is broken now. The next release that is applied "
        "ends this alert: silence it until then.",
    ),
    Alert(
        name="ForebayRolloutHeld",
        expr="forebay_rollout_held == 1",
        hold="30m",
        severity="warning",
        summary="A {{ $labels.strategy }} rollout waits for a person",
        runbook="`forebay rollout status` shows both sides, and why it is held. `forebay rollout promote`, `resume` or "
        "`abort` ends it; after `rollout.patience` one that has shown too little is taken back.",
    ),
    Alert(
        name="ForebayCallsNotRecorded",
        expr='increase(forebay_audit_records_total{result=~"late|full|stopped|crowded"}[5m]) > 0',
        hold="0m",
        severity="critical",
        summary="Calls are refused because they cannot be recorded ({{ $labels.result }})",
        runbook="`forebay status` and `.forebay/logs/audit.log` say why. `full`: make room on the disk of the state "
        "directory, calls are answered again by themselves. `stopped`: an fsync failed; mend the disk, `forebay down`, "
        "`forebay audit resume`, `forebay up`. `late` alone: the disk is slow, see `iostat`.",
    ),
    Alert(
        name="ForebayTextsNotSearched",
        expr='increase(forebay_refusals_total{code="privacy_failed"}[5m]) > 0',
        hold="0m",
        severity="critical",
        summary="Calls are refused because their texts cannot be searched for personal data",
        runbook="`.forebay/logs/worker-*.log` names the plug-in of `privacy.plugins` that does not answer, and why. "
        "Start it again, or take it out of the configuration. Without a plug-in it is a fault of forebay: report it.",
    ),
    Alert(
        name="ForebayCallerUnusual",
        expr="increase(forebay_anomalies_total[10m]) > 0",
        hold="0m",
        severity="warning",
        summary="A caller does what it does not usually do ({{ $labels.kind }})",
        runbook="`forebay watch` shows who, and why. `forebay key suspend ID` holds a key back until `forebay key "
        "resume ID`, which `watch.suspend` does by itself; `forebay audit export --tenant NAME` shows all that it did.",
    ),
    Alert(
        name="ForebayComplianceLost",
        expr="forebay_compliance_lost > 0",
        hold="0m",
        severity="warning",
        summary="{{ $value }} controls of {{ $labels.pack }} were met and are not any more",
        runbook="`forebay compliance check --pack {{ $labels.pack }}` shows which, with what the probes saw and how to "
        "mend it. The next assessment after that ends this alert.",
    ),
    Alert(
        name="ForebayCertificateEnds",
        expr="forebay_certificate_days_left < 14",
        hold="1h",
        severity="critical",
        summary="The edge's certificate ends in {{ $value | humanize }} days",
        runbook="Have it renewed and put it where `edge.certificate` says: it is served within a minute, and no stream "
        "is lost. `forebay_certificate_refused` says whether a new one lies there that cannot be served.",
    ),
    Alert(
        name="ForebayCertificateRefused",
        expr="forebay_certificate_refused == 1",
        hold="3m",
        severity="critical",
        summary="A new certificate cannot be served: the old one stays",
        runbook="`forebay check` and the controller's log say why: half a file, another key, names that are missing, "
        "out of time. Nothing is broken until the old one ends.",
    ),
    Alert(
        name="ForebayCertificateNotObtained",
        expr="forebay_certificate_order_failures >= 3",
        hold="0m",
        severity="warning",
        summary="An ACME authority has given no certificate {{ $value }} times in a row",
        runbook="`forebay status` says why. The old certificate is served until its end; it is asked again by itself, "
        "every six hours at the longest, and at once after `edge.acme` was changed and applied.",
    ),
    Alert(
        name="ForebayLogLinesLost",
        expr="increase(forebay_log_lines_dropped_total[10m]) > 0",
        hold="0m",
        severity="warning",
        summary="Log lines are lost: who reads them is too slow",
        runbook="The disk of the state directory is slow or full: `df` and `iostat`. Calls are not affected.",
    ),
)
