"""Who is told of an alert, how often, and which alerts say nothing new beside another."""

from __future__ import annotations

from typing import Any

from forebay.config.crosscheck.includes import read
from forebay.messages import N_
from forebay.render.target import Subject, Target, targets
from forebay.render.yaml_text import yaml_text

_ABOUT = "Write your own receivers here: these addresses are on this machine, where probably nobody listens."


def files(subject: Subject) -> dict[str, str]:
    """Two receivers, who is woken and who reads it in the morning, and the operator's own before them."""
    config = subject.config
    text = config.observe.monitoring.alertmanager
    own: dict[str, list[dict[str, Any]]] = read(text) if text else {}
    about = "" if {"night", "morning"} <= _names(own) else _ABOUT
    return {"alertmanager.yml": yaml_text(_routing(config.service, own), about=about)}


def _names(own: dict[str, list[dict[str, Any]]]) -> set[str]:
    return {str(each.get("name")) for each in own.get("receivers", ())}


def _routing(service: str, own: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    night = {"receiver": "night", "matchers": ['severity="critical"'], "repeat_interval": "1h"}
    ours = [name for name in ("night", "morning") if name not in _names(own)]
    routing = {
        "route": {
            "receiver": "morning",
            "group_by": ["alertname", "model"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "12h",
            "routes": [*own.get("routes", ()), night],
        },
        "inhibit_rules": [
            _silenced("ForebayDown", ".+", service),
            _silenced("ForebayNoEngineReady", "ForebayEngine.*|ForebayErrors|ForebayQueueRejects", service),
            *own.get("inhibit_rules", ()),
        ],
        "receivers": [*map(_receiver, ours), *own.get("receivers", ())],
    }
    return routing | ({"time_intervals": own["time_intervals"]} if own.get("time_intervals") else {})


def _silenced(by: str, names: str, service: str) -> dict[str, Any]:
    """Beside `by`, these are its consequences; in this service, and no other."""
    return {
        "source_matchers": [f'alertname="{by}"', f'service="{service}"'],
        "target_matchers": [f'alertname=~"{names}"', f'alertname!="{by}"', f'service="{service}"'],
    }


def _receiver(name: str) -> dict[str, Any]:
    return {"name": name, "webhook_configs": [{"url": f"http://127.0.0.1:9094/{name}", "send_resolved": True}]}


targets.add("alertmanager")(Target(N_("Alertmanager: routes, and alerts that are silent beside others"), files))
