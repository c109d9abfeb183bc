"""Kubernetes: a Deployment for each vLLM engine, one for forebay, and what lets them find and reach each other."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from forebay.config.schema import Config, VllmEngine
from forebay.core.errors import ConfigError
from forebay.messages import N_, _
from forebay.render.containers import (
    CACHE,
    ENGINE_PORT,
    SHARED_MEMORY_GIB,
    WEIGHTS,
    EngineContainer,
    engine_containers,
    gateway_document,
    kept,
)
from forebay.render.kubernetes_objects import (
    Object,
    deployment,
    disruption_budget,
    labels,
    pod,
    policy,
    probe,
    service,
)
from forebay.render.target import Subject, Target, targets
from forebay.render.targets.kubernetes_gateway import gateway_objects, routes
from forebay.render.yaml_text import yaml_text

_ABOUT = """\
kubectl apply --namespace {namespace} --filename .
Weights are read from the claim `weights`, keys from the secret `forebay-keys`: see how-to/render.md."""


def files(subject: Subject) -> dict[str, str]:
    """Engines, forebay, and the Gateway API's objects, which are of a kind that not every cluster has."""
    config = subject.config
    if config.valkey.kind == "bundled":
        raise ConfigError(
            _("every pod would have a Valkey of its own, and limits would be exact in none"),
            where="valkey.kind",
            fix=_("Name a Valkey of the cluster, or take `none`: limits then hold for each worker"),
        )
    groups = _groups(config)
    about = _ABOUT.format(namespace=namespace(config))
    return {
        "engines.yaml": yaml_text(*(made for group in groups for made in _engine_objects(group)), about=about),
        "forebay.yaml": yaml_text(*gateway_objects(config, yaml_text(_document(config, groups))), about=about),
        "gateway-api.yaml": yaml_text(*routes(config), about=about),
    }


def namespace(config: Config) -> str:
    """Where everything lies: the service's own namespace."""
    return config.service.replace(".", "-").replace("_", "-")


def _groups(config: Config) -> list[list[EngineContainer]]:
    """Copies that are alike, apart from their GPUs' numbers: the scheduler chooses those."""
    groups: dict[tuple[str, int], list[EngineContainer]] = {}
    for container in engine_containers(config):
        groups.setdefault((container.model, container.index), []).append(container)
    return list(groups.values())


def _part(group: list[EngineContainer]) -> str:
    name = group[0].name.removesuffix("-1") if len(group) > 1 else group[0].name
    return name.replace(".", "-").replace("_", "-")[:63].rstrip("-")


def _engine_objects(group: list[EngineContainer]) -> list[Object]:
    part, engine = _part(group), group[0]
    # A node seldom has GPUs to spare for a second copy beside the first: one goes, one comes.
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    return [
        deployment(part, _engine_pod(part, engine), len(group), strategy),
        service(part, {"http": ENGINE_PORT}, headless=True),
        disruption_budget(part),
        policy(part, [{"podSelector": {"matchLabels": labels("forebay")}}], [ENGINE_PORT]),
    ]


def _engine_pod(part: str, engine: EngineContainer) -> Object:
    where = str(PurePosixPath(engine.weights).parent) if engine.weights else WEIGHTS
    gpus = {"limits": {"nvidia.com/gpu": len(engine.gpus)}} if engine.gpus else {}
    container = {
        "name": "vllm",
        "image": engine.image,
        "command": list(engine.argv[:2]),
        "args": list(engine.argv[2:]),
        "env": [{"name": name, "value": value} for name, value in engine.env.items()],
        "ports": [{"name": "http", "containerPort": ENGINE_PORT}],
        "resources": gpus,
        # /health says 200 also while an engine hangs or drains: it shows that the process lives, and no more. Whether
        # an engine gets on is for the gateway to see, which takes a stalled one out.
        "startupProbe": probe("/health", "http", every_s=10, failures=engine.start_probes),
        "readinessProbe": probe("/health", "http", every_s=5, failures=2),
        "livenessProbe": probe("/health", "http", every_s=10, failures=6),
        # Until the gateway has seen that it goes: vLLM answers new calls with aborts once it was told to stop.
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "10"]}}},
        "volumeMounts": [
            {"name": "weights", "mountPath": where, "readOnly": True},
            {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108  the container's own
            {"name": "cache", "mountPath": CACHE},
            {"name": "temporary", "mountPath": "/tmp"},  # noqa: S108
        ],
    }
    volumes: list[Object] = [
        {"name": "weights", "persistentVolumeClaim": {"claimName": "weights", "readOnly": True}},
        {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": f"{SHARED_MEMORY_GIB}Gi"}},
        {"name": "cache", "emptyDir": {}},
        {"name": "temporary", "emptyDir": {}},
    ]
    taints = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}] if engine.gpus else []
    return pod(part, container, volumes, grace_s=engine.stop_s + 10, tolerations=taints)


def _document(config: Config, groups: list[list[EngineContainer]]) -> dict[str, Any]:
    places: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for group in groups:
        entry = config.models[group[0].model].engines[group[0].index]
        assert isinstance(entry, VllmEngine)  # noqa: S101  they were made from such entries
        found = {"service": _part(group), "namespace": namespace(config), "port": "http"}
        engine = {"kind": "discovered", "name": _part(group), "via": "kubernetes", "kubernetes": found}
        drain = {"drain": entry.model_dump(mode="json")["drain"]}
        places[group[0].model, group[0].index] = [
            engine | {"max_outstanding": group[0].max_outstanding} | drain | kept(entry)
        ]
    document = gateway_document(config, places)
    document["edge"] = {"kind": "none"}
    return document


targets.add("kubernetes")(Target(N_("Kubernetes: Deployments, Services, probes, policies, Gateway API"), files))
