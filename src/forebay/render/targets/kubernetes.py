"""Kubernetes: each vLLM engine on one node or several, forebay, and what lets them find and reach each other."""

from __future__ import annotations

from typing import Any

from forebay.config.schema import Config, VllmEngine
from forebay.core.errors import ConfigError
from forebay.messages import N_, _
from forebay.render.containers import ENGINE_PORT, EngineContainer, engine_containers, gateway_document, kept
from forebay.render.kubernetes_engine import engine_pod, engine_rights, namespace
from forebay.render.kubernetes_objects import Object, deployment, disruption_budget, labels, policy, service
from forebay.render.kubernetes_scale import scaled_object
from forebay.render.kubernetes_spread import LWS, among_themselves, leader_worker_set
from forebay.render.target import Subject, Target, targets
from forebay.render.targets.kubernetes_gateway import gateway_objects, routes
from forebay.render.yaml_text import yaml_text

_ABOUT = """\
kubectl apply --namespace {namespace} --filename .
Weights are read from the claim `weights`, keys from the secret `forebay-keys`: see how-to/render.md."""

_RIGHTS = """\
kubectl apply --namespace {namespace} --filename .
What forebay may do in the namespace of its engines, and the account that may: see how-to/kubernetes.md."""


def files(subject: Subject) -> dict[str, str]:
    """Engines, forebay, and the Gateway API's objects, which are of a kind that not every cluster has."""
    config = subject.config
    if config.substrate.kind == "kubernetes":  # forebay makes the pods of engines itself, if it may
        about = _RIGHTS.format(namespace=namespace(config))
        return {"rights.yaml": yaml_text(*engine_rights(), about=about)}
    if config.valkey.kind == "bundled":
        raise ConfigError(
            _("every pod would have a Valkey of its own, and limits would be exact in none"),
            where="valkey.kind",
            fix=_("Name a Valkey of the cluster, or take `none`: limits then hold for each worker"),
        )
    groups = _groups(config)
    about = _ABOUT.format(namespace=namespace(config))
    return {
        "engines.yaml": yaml_text(*(made for group in groups for made in _engine_objects(config, group)), about=about),
        "forebay.yaml": yaml_text(*gateway_objects(config, yaml_text(_document(config, groups))), about=about),
        "gateway-api.yaml": yaml_text(*routes(config), about=about),
    }


def _groups(config: Config) -> list[list[EngineContainer]]:
    """Copies that are alike, apart from their GPUs' numbers: the scheduler chooses those."""
    groups: dict[tuple[str, int], list[EngineContainer]] = {}
    for container in engine_containers(config):
        groups.setdefault((container.model, container.index), []).append(container)
    _refuse_alike(list(groups.values()))
    return list(groups.values())


def _refuse_alike(groups: list[list[EngineContainer]]) -> None:
    """Names that differ in a dot, or far behind, are one for a cluster: the second object would replace the first."""
    owners: dict[str, str] = {}
    for group in groups:
        part, place = _part(group), f"models.{group[0].model}.engines[{group[0].index}]"
        if part in owners:
            what = _("the engine {name} is also {other}").format(name=part, other=owners[part])
            raise ConfigError(what, where=f"{place}.name", fix=_("Set a name of its own at one of them"))
        owners[part] = place


def _part(group: list[EngineContainer]) -> str:
    name = group[0].name.removesuffix("-1") if len(group) > 1 else group[0].name
    # The pods of a LeaderWorkerSet carry its name and two numbers, within the 63 letters of a label.
    longest = 63 if group[0].nodes == 1 else 50
    return name.replace(".", "-").replace("_", "-")[:longest].rstrip("-")


def _engine_objects(config: Config, group: list[EngineContainer]) -> list[Object]:
    part, engine = _part(group), group[0]
    entry = _entry(config, group)
    kind = (LWS, "LeaderWorkerSet") if engine.nodes > 1 else ("apps/v1", "Deployment")
    scaled = [] if entry.scale is None else [scaled_object(part, engine, entry.scale, kind)]
    copies = None if scaled else len(group)
    pod = engine_pod(part, engine)
    if engine.nodes > 1:
        return [
            leader_worker_set(part, engine, pod, copies),
            service(part, {"http": ENGINE_PORT}, headless=True),
            disruption_budget(part),
            policy(part, [{"podSelector": {"matchLabels": labels("forebay")}}], [ENGINE_PORT]),
            among_themselves(part),
            *scaled,
        ]
    # A node seldom has GPUs to spare for a second copy beside the first: one goes, one comes.
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    return [
        deployment(part, pod, copies, strategy),
        service(part, {"http": ENGINE_PORT}, headless=True),
        disruption_budget(part),
        policy(part, [{"podSelector": {"matchLabels": labels("forebay")}}], [ENGINE_PORT]),
        *scaled,
    ]


def _entry(config: Config, group: list[EngineContainer]) -> VllmEngine:
    entry = config.models[group[0].model].engines[group[0].index]
    assert isinstance(entry, VllmEngine)  # noqa: S101  they were made from such entries
    return entry


def _document(config: Config, groups: list[list[EngineContainer]]) -> dict[str, Any]:
    places: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for group in groups:
        entry = _entry(config, group)
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
