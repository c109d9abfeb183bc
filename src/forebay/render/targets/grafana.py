"""A Grafana dashboard: what users feel first, what the machines do last."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from forebay.messages import N_
from forebay.render.target import Subject, Target, targets


class Panel(NamedTuple):
    """A graph: its title, unit, and the queries with the name of each line."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]


def _quantiles(metric: str, by: str = "model") -> tuple[tuple[str, str], ...]:
    return tuple(
        (f"histogram_quantile({q}, sum by ({by}, le) (rate({metric}_bucket[5m])))", f"p{int(q * 100)} {{{{{by}}}}}")
        for q in (0.5, 0.95, 0.99)
    )


PANELS = (
    Panel(
        "Calls",
        "reqps",
        (('sum by (status) (rate(vllm_requests_total{endpoint!~"/health|/ready"}[5m]))', "{{status}}"),),
    ),
    Panel("Calls that fail", "percentunit", (("forebay:errors:ratio_rate5m", "5xx"),)),
    Panel("Time to the first token", "s", _quantiles("forebay_time_to_first_token_seconds")),
    Panel("Between two tokens", "s", _quantiles("forebay_inter_token_latency_seconds")),
    Panel("Whole calls", "s", _quantiles("vllm_request_duration_seconds", "endpoint")),
    Panel("Tokens", "short", (("forebay:tokens:rate5m", "{{model}} {{type}}"),)),
    Panel("Waiting for a place", "s", _quantiles("forebay_queue_wait_seconds")),
    Panel(
        "Calls in flight and waiting",
        "short",
        (("forebay_calls_in_flight", "in flight"), ("forebay_queue_calls", "waiting")),
    ),
    Panel("Calls an engine holds", "short", (("forebay_engine_outstanding", "{{engine}}"),)),
    Panel("Engines by state", "short", (("sum by (state) (forebay_engine_state)", "{{state}}"),)),
    Panel(
        "Retries, cuts, ejections",
        "short",
        (
            ("sum by (reason) (rate(forebay_retries_total[5m]))", "retry: {{reason}}"),
            ("sum by (reason) (rate(forebay_cut_streams_total[5m]))", "cut: {{reason}}"),
            ("sum(forebay_engine_ejected)", "ejected"),
        ),
    ),
    Panel("Refusals", "reqps", (("sum by (code) (rate(forebay_refusals_total[5m]))", "{{code}}"),)),
    Panel("Reuse", "reqps", (("sum by (result) (rate(forebay_cache_total[5m]))", "{{result}}"),)),
    Panel("What the gateway adds", "s", _quantiles("forebay_phase_seconds", "phase")),
    Panel("GPUs", "percent", (("vllm_gpu_utilization_percent", "{{gpu_id}}"),)),
    Panel("Connections", "short", (("forebay_connections", "open"),)),
)
_WIDTH, _HEIGHT = 12, 8


def files(subject: Subject) -> dict[str, str]:
    """The dashboard; its data source is asked for by Grafana."""
    dashboard = {
        "uid": "forebay",
        "title": f"forebay: {subject.config.service}",
        "schemaVersion": 41,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }
    own = {f"{name}.json": text for name, text in subject.config.observe.monitoring.dashboards.items()}
    return {"forebay.json": orjson.dumps(dashboard, option=orjson.OPT_INDENT_2).decode() + "\n", **own}


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${source}"}
    queries = [
        {"refId": chr(ord("A") + place), "expr": expr, "legendFormat": legend, "datasource": source}
        for place, (expr, legend) in enumerate(panel.queries)
    ]
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": source,
        "gridPos": {"x": number % 2 * _WIDTH, "y": number // 2 * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": queries,
    }


targets.add("grafana")(Target(N_("Grafana: a dashboard"), files))
