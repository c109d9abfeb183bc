"""An engine's pod, for a Deployment and for the substrate alike, and the rights that the substrate needs."""

from __future__ import annotations

from pathlib import PurePosixPath

import msgspec

from forebay.config.schema import Config
from forebay.engines.spec import EngineSpec
from forebay.render.containers import (
    CACHE,
    ENGINE_PORT,
    EVERYWHERE,
    SHARED_MEMORY_GIB,
    WEIGHTS,
    EngineContainer,
    engine_containers,
    forebay_image,
)
from forebay.render.kubernetes_objects import Object, pod, probe, thing

ACCOUNT = "forebay-engines"


def namespace(config: Config) -> str:
    """Where everything lies: the service's own namespace, unless another one is named."""
    named = config.substrate.namespace if config.substrate.kind == "kubernetes" else None
    return named or config.service.replace(".", "-").replace("_", "-")


def engine_pod(part: str, engine: EngineContainer) -> Object:
    """The pod's template of an engine."""
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


def own_pod(config: Config, spec: EngineSpec) -> Object:
    """The pod's template of one engine that forebay itself looks after: nobody else judges or restarts it."""
    cluster = config.substrate.kubernetes
    found = {each.name: each for each in engine_containers(config)}.get(spec.name) or _embedded(spec)
    image = cluster.images.get(spec.release or "forebay", found.image)
    engine = msgspec.structs.replace(
        found, image=image, argv=_argv(spec, found, cluster.port), gpus=tuple(range(spec.needs.gpus))
    )
    made = engine_pod(spec.name.replace(".", "-").replace("_", "-")[:63].rstrip("-"), engine)
    body = made["spec"]
    (container,) = body["containers"]
    for one in ("startupProbe", "livenessProbe"):
        del container[one]
    container["ports"] = [{"name": "http", "containerPort": cluster.port}]
    if not spec.needs.gpus:
        container["resources"] = {"requests": {"cpu": f"{spec.needs.cpus:g}"}}
    if spec.kind == "embedded" and not found.weights:
        body["volumes"] = [each for each in body["volumes"] if each["name"] != "weights"]
        container["volumeMounts"] = [each for each in container["volumeMounts"] if each["name"] != "weights"]
    more = {"nodeSelector": spec.needs.labels} if spec.needs.labels else {}
    secrets = {"imagePullSecrets": [{"name": cluster.pull_secret}]} if cluster.pull_secret else {}
    return made | {"spec": body | more | secrets}


def engine_rights() -> list[Object]:
    """What the substrate does with pods, and nothing else: a role, and an account that has it."""
    rules: list[Object] = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "create", "patch", "delete"]},
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    ]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT}
    api = "rbac.authorization.k8s.io/v1"
    return [
        thing("ServiceAccount", "v1", ACCOUNT),
        thing("Role", api, ACCOUNT, rules=rules),
        thing("RoleBinding", api, ACCOUNT, roleRef=role, subjects=[{"kind": "ServiceAccount", "name": ACCOUNT}]),
    ]


def _argv(spec: EngineSpec, found: EngineContainer, port: int) -> tuple[str, ...]:
    argv = list(spec.argv_at(EVERYWHERE, port))
    if spec.kind == "embedded":
        argv[0] = "python3"  # the image's, not this machine's
        if not found.weights:
            at = argv.index("--weights")
            del argv[at : at + 2]
    return tuple(argv)


def _embedded(spec: EngineSpec) -> EngineContainer:
    return EngineContainer(
        name=spec.name,
        model=spec.model,
        index=0,
        image=forebay_image(),
        argv=spec.argv,
        env=dict(sorted((spec.env | {"HOME": CACHE}).items())),
        gpus=(),
        weights=spec.weights,
        max_outstanding=spec.max_outstanding,
        start_s=spec.start_s,
        stop_s=spec.drain_s + spec.shutdown_s,
    )
