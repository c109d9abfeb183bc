"""What it takes to put one value in force, from a worker's next call to another process. Pure."""

from __future__ import annotations

from typing import Literal

from forebay.config.provenance import Path

RestartClass = Literal[
    "live",
    "next_start",
    "monitoring_reload",
    "edge_reload",
    "worker_restart",
    "service_restart",
    "edge_restart",
    "engine_restart",
    "recreate",
]
"""In the order of what they cost. `live`: within a second, between two calls. `next_start`: when the unit is started
next for another reason. `monitoring_reload`: Prometheus, Alertmanager and Grafana read their files again.
`service_restart`: the admin process, the audit log's writer, whoever watches callers, or the bundled Valkey.
`recreate`: units come or go."""

# The longest prefix of a value's path decides; `*` stands for any part.
_TABLE: dict[tuple[str, ...], RestartClass] = {
    ("service",): "edge_reload",
    ("gateway", "bind"): "worker_restart",
    ("gateway", "port"): "worker_restart",
    ("gateway", "worker_port"): "worker_restart",
    ("gateway", "workers"): "recreate",
    ("gateway", "limits", "target"): "edge_reload",
    ("gateway", "limits", "head"): "edge_reload",
    ("gateway", "limits", "body"): "edge_reload",
    ("gateway", "limits", "connections"): "edge_reload",
    ("gateway", "timeouts"): "edge_reload",
    ("gateway", "timeouts", "head"): "live",
    ("gateway", "timeouts", "first_byte"): "live",
    ("gateway", "timeouts", "chunk"): "live",
    ("gateway", "timeouts", "stall"): "live",
    ("gateway", "timeouts", "drain"): "live",
    ("edge",): "edge_reload",
    ("edge", "kind"): "edge_restart",
    ("admin",): "service_restart",
    ("watch",): "service_restart",
    ("watch", "enabled"): "recreate",
    ("audit", "enabled"): "recreate",
    ("audit", "witnesses"): "service_restart",
    ("audit", "personal"): "service_restart",
    ("observe", "metrics", "bind"): "service_restart",
    ("observe", "metrics", "port"): "service_restart",
    ("observe", "monitoring"): "monitoring_reload",
    ("observe", "monitoring", "reload"): "live",
    ("observe", "log", "rotate"): "next_start",
    ("observe", "log", "keep"): "next_start",
    ("observe", "log", "access"): "edge_reload",
    ("valkey", "kind"): "recreate",
    ("valkey", "port"): "service_restart",
    ("models", "*"): "live",
    ("models", "*", "cache", "semantic", "enabled"): "recreate",
    ("models", "*", "engines", "*"): "engine_restart",
    ("models", "*", "engines", "*", "kind"): "recreate",
    ("models", "*", "engines", "*", "name"): "recreate",
    ("models", "*", "engines", "*", "count"): "recreate",
    **{
        ("models", "*", "engines", "*", key): "live"
        for key in (
            "max_outstanding", "stall", "weight", "tier", "standby", "adapters", "adapter_slots", "warm_up",
            "usd_per_million_tokens", "start", "drain", "warmup_prompt", "api_key", "served_name", "token_prompts",
            "region", "url", "tls", "settle", "via", "file", "dns", "kubernetes", "valkey",
        )
    },
}  # fmt: skip


def restart_class(path: Path, values: tuple[object, object] = (None, None), *, whole: bool = False) -> RestartClass:
    """What a change at `path` from one of `values` to the other costs.

    `whole`: a model or an engine that comes or goes with all its values.
    """
    if whole and path[0] == "models":
        return "recreate"
    if path == ("edge", "kind") and "none" in values:
        return "recreate"
    if path == ("observe", "log", "level") and "debug" in values:
        return "engine_restart"  # of embedded engines, which are told when they start
    words = tuple(map(str, path))
    for length in range(len(words), 0, -1):
        for pattern, found in _TABLE.items():
            if len(pattern) == length and all(part in ("*", word) for part, word in zip(pattern, words, strict=False)):
                return found
    return "live"
