"""forebay itself on Kubernetes: the gateway's pods, their right to watch endpoints, and the way in."""

from __future__ import annotations

from forebay.config.schema import Config
from forebay.render.containers import forebay_image
from forebay.render.kubernetes_objects import (
    Object,
    deployment,
    disruption_budget,
    locked,
    pod,
    policy,
    probe,
    service,
    thing,
)

PART = "forebay"
_STATE = "/var/lib/forebay"
_NOTICE_S = 10
_CRASH_S = 30
# What each pod begins with: keys, and the secret that their digests are made with.
_COPY = f"cp /keys/state.db /keys/pepper {_STATE}/ && chmod 600 {_STATE}/state.db {_STATE}/pepper"


def gateway_objects(config: Config, document: str) -> list[Object]:
    """Everything but the Gateway API; `document` is the forebay.yaml that the pods read."""
    port, metrics = config.gateway.port, config.observe.metrics.port
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    scraping = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    seen = policy(PART, scraping, [metrics])
    seen["metadata"] = seen["metadata"] | {"name": "forebay-metrics"}
    return [
        thing("ServiceAccount", "v1", PART),
        *_rights(),
        thing("ConfigMap", "v1", PART, data={"forebay.yaml": document}),
        deployment(PART, _pod(config), None, strategy),
        service(PART, {"http": port}),
        service_of_metrics(metrics),
        disruption_budget(PART),
        _scaler(),
        policy(PART, [], [port]),
        seen,
    ]


def service_of_metrics(port: int) -> Object:
    """Apart from calls, so that no route leads to it."""
    made = service(PART, {"metrics": port}, headless=True)
    return made | {"metadata": made["metadata"] | {"name": "forebay-metrics"}}


def routes(config: Config) -> list[Object]:
    """TLS ends at the cluster's Gateway; the secret `forebay-tls` holds the certificate, as cert-manager writes it."""
    names = [name for name in config.edge.server_names if any(letter.isalpha() for letter in name) and ":" not in name]
    tls = {"mode": "Terminate", "certificateRefs": [{"name": "forebay-tls"}]}
    listener = {"name": "https", "port": 443, "protocol": "HTTPS", "tls": tls}
    gateway = {"gatewayClassName": config.service.replace(".", "-"), "listeners": [listener]}
    rule: Object = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        "backendRefs": [{"name": PART, "port": config.gateway.port}],
        # The gateway ends a call itself, with a reason; what stands before it must be more patient.
        "timeouts": {"request": f"{round(config.gateway.timeouts.call + 10)}s"},
    }
    route = {"parentRefs": [{"name": PART}], "hostnames": names, "rules": [rule]}
    api = "gateway.networking.k8s.io/v1"
    return [thing("Gateway", api, PART, gateway), thing("HTTPRoute", api, PART, route)]


def _pod(config: Config) -> Object:
    gateway = config.gateway
    container = {
        "name": "forebay",
        "image": forebay_image(),
        "args": ["up", "--config", "/etc/forebay/forebay.yaml"],
        "env": [{"name": "FOREBAY_STATE", "value": _STATE}],
        "ports": [
            {"name": "http", "containerPort": gateway.port},
            {"name": "metrics", "containerPort": config.observe.metrics.port},
        ],
        "resources": {
            "requests": {"cpu": str(gateway.workers), "memory": f"{gateway.workers}Gi"},
            "limits": {"memory": f"{4 * gateway.workers}Gi"},
        },
        "startupProbe": probe("/health", "http", every_s=2, failures=60),
        # /ready says whether calls can be served; /health only that a worker lives. Were /ready the liveness, a fleet
        # without engines would be started again and again for nothing.
        "readinessProbe": probe("/ready", "http", every_s=2, failures=2),
        "livenessProbe": probe("/health", "http", every_s=10, failures=_CRASH_S // 10),
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(_NOTICE_S)]}}},
        "volumeMounts": [
            {"name": "configuration", "mountPath": "/etc/forebay", "readOnly": True},
            {"name": "state", "mountPath": _STATE},
            {"name": "temporary", "mountPath": "/tmp"},  # noqa: S108  the container's own
        ],
    }
    keys = {
        "name": "keys",
        "image": forebay_image(),
        "command": ["sh", "-c", _COPY],
        "securityContext": locked(),
        "volumeMounts": [
            {"name": "keys", "mountPath": "/keys", "readOnly": True},
            {"name": "state", "mountPath": _STATE},
        ],
    }
    volumes: list[Object] = [
        {"name": "configuration", "configMap": {"name": PART}},
        {"name": "keys", "secret": {"secretName": "forebay-keys"}},
        {"name": "state", "emptyDir": {}},
        {"name": "temporary", "emptyDir": {}},
    ]
    grace_s = gateway.timeouts.drain + _NOTICE_S + 30
    more = {"serviceAccountName": PART, "automountServiceAccountToken": True, "initContainers": [keys]}
    return pod(PART, container, volumes, grace_s=grace_s, **more)


def _rights() -> list[Object]:
    """The discovery of engines lists and watches EndpointSlices, and may do nothing else."""
    rule = {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"]}
    api = "rbac.authorization.k8s.io/v1"
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": PART}
    return [
        thing("Role", api, PART, rules=[rule]),
        thing("RoleBinding", api, PART, roleRef=role, subjects=[{"kind": "ServiceAccount", "name": PART}]),
    ]


def _scaler() -> Object:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": PART}
    load = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}},
    }
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 8, "metrics": [load]}
    return thing("HorizontalPodAutoscaler", "autoscaling/v2", PART, spec)
