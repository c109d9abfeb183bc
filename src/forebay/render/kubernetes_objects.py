"""Kubernetes objects in the few forms that the service needs."""

from __future__ import annotations

from typing import Any

from forebay.render.containers import USER

Object = dict[str, Any]
FOREBAY = {"app.kubernetes.io/name": "forebay"}


def thing(kind: str, version: str, name: str, spec: Object | None = None, **more: Any) -> Object:
    """An object of the project's namespace; labels say whose it is."""
    head: Object = {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": FOREBAY}}
    return head | ({"spec": spec} if spec is not None else {}) | more


def labels(part: str) -> dict[str, str]:
    """What selects the pods of a part."""
    return FOREBAY | {"app.kubernetes.io/component": part}


def pod(part: str, container: Object, volumes: list[Object], *, grace_s: float, **more: Any) -> Object:
    """A pod's template: not root, nothing writable but what is mounted, no token unless asked for."""
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": round(grace_s),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels(part)},
            }
        ],
        "containers": [container | {"securityContext": locked()}],
        "volumes": volumes,
    }
    return {"metadata": {"labels": labels(part)}, "spec": spec | more}


def locked() -> Object:
    """What a container may do: nothing that it does not need."""
    return {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def deployment(part: str, template: Object, replicas: int | None, strategy: Object) -> Object:
    """`replicas` is None where a scaler says how many."""
    count = {} if replicas is None else {"replicas": replicas}
    spec = count | {"selector": {"matchLabels": labels(part)}, "strategy": strategy, "template": template}
    return thing("Deployment", "apps/v1", part, spec)


def service(part: str, ports: dict[str, int], *, headless: bool = False) -> Object:
    """Reaches the ready pods of a part."""
    listed = [{"name": name, "port": port, "targetPort": name} for name, port in ports.items()]
    return thing(
        "Service",
        "v1",
        part,
        ({"clusterIP": "None"} if headless else {}) | {"selector": labels(part), "ports": listed},
    )


def disruption_budget(part: str) -> Object:
    """One at a time."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": labels(part)}}
    return thing("PodDisruptionBudget", "policy/v1", part, spec)


def policy(part: str, sources: list[Object], ports: list[int]) -> Object:
    """Who may reach a part; nobody else may."""
    allowed: Object = {"ports": [{"protocol": "TCP", "port": port} for port in ports]}
    rule = allowed | ({"from": sources} if sources else {})
    spec = {"podSelector": {"matchLabels": labels(part)}, "policyTypes": ["Ingress"], "ingress": [rule]}
    return thing("NetworkPolicy", "networking.k8s.io/v1", part, spec)


def probe(path: str, port: str, *, every_s: int, failures: int) -> Object:
    """A question over HTTP."""
    return {
        "httpGet": {"path": path, "port": port},
        "periodSeconds": every_s,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
