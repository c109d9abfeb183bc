"""What Prometheus scrapes, what it reckons beforehand, and what it raises."""

from __future__ import annotations

from typing import Any

from forebay.config.crosscheck.includes import read
from forebay.config.schema import Config, ExternalEngine
from forebay.messages import N_
from forebay.render.alerts import ALERTS, RECORDS, Alert
from forebay.render.nginx_text import reachable
from forebay.render.target import Subject, Target, targets
from forebay.render.yaml_text import yaml_text


def files(subject: Subject) -> dict[str, str]:
    """For a Prometheus beside the service; it takes port 9091, because 9090 is the metrics page."""
    metrics = subject.config.observe.metrics
    return prometheus_files(subject.config, f"{reachable(metrics.bind)}:{metrics.port}", "127.0.0.1:9093")


def prometheus_files(config: Config, metrics: str, alertmanager: str, engines: tuple[str, ...] = ()) -> dict[str, str]:
    """`metrics` is where the page of forebay answers; `engines` are vLLM servers with pages of their own."""
    own = {f"rules/{name}.yml": text for name, text in config.observe.monitoring.rules.items()}
    return {
        "prometheus.yml": yaml_text(_scrapes(config, metrics, alertmanager, engines or _external(config))),
        "rules.yml": yaml_text(_rules()),
        **own,
    }


def _external(config: Config) -> tuple[str, ...]:
    engines = (engine for model in config.models.values() for engine in model.engines)
    urls = [engine.url for engine in engines if isinstance(engine, ExternalEngine)]
    return tuple(dict.fromkeys(url.removeprefix("http://") for url in urls))


def _scrapes(config: Config, metrics: str, alertmanager: str, engines: tuple[str, ...]) -> dict[str, Any]:
    jobs: list[dict[str, Any]] = [{"job_name": "forebay", "static_configs": [{"targets": [metrics]}]}]
    if engines:
        jobs.append({"job_name": "engines", "static_configs": [{"targets": list(engines)}]})
    own = config.observe.monitoring
    for text in own.scrapes.values():
        jobs += read(text).get("scrape_configs", ())
    return {
        "global": {
            "scrape_interval": "15s",
            "evaluation_interval": "15s",
            "external_labels": {"service": config.service, "environment": config.environment},
        },
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "rule_files": ["rules.yml", *(f"rules/{name}.yml" for name in own.rules)],
        "scrape_configs": jobs,
    }


def _rules() -> dict[str, Any]:
    records = [{"record": name, "expr": expr} for name, expr in RECORDS.items()]
    return {
        "groups": [
            {"name": "forebay-records", "rules": records},
            {"name": "forebay-alerts", "rules": [_alert(alert) for alert in ALERTS]},
        ]
    }


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.hold,
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "runbook": alert.runbook},
    }


targets.add("prometheus")(Target(N_("Prometheus: scraping, recording rules, alerts with runbooks"), files))
