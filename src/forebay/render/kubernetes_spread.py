"""Engines over several nodes as LeaderWorkerSets."""

from __future__ import annotations

import copy

from forebay.render.containers import EngineContainer
from forebay.render.kubernetes_objects import Object, labels, thing

LWS = "leaderworkerset.x-k8s.io/v1"
# Whose pods they are: the controller of LeaderWorkerSets puts it on each.
_GROUP = "leaderworkerset.sigs.k8s.io/name"


def leader_worker_set(part: str, engine: EngineContainer, pod: Object, copies: int | None) -> Object:
    """Groups of pods that start and end together; the first of a group answers calls. `copies`: None where scaled."""
    count = {} if copies is None else {"replicas": copies}
    template = {
        "size": engine.nodes,
        # A rank that is gone stays gone for the others: they would wait for it until they are stopped.
        "restartPolicy": "RecreateGroupOnPodRestart",
        "leaderTemplate": _ranked(pod, engine, [], "0"),
        "workerTemplate": _follower(part, _ranked(pod, engine, ["--headless"], "$(LWS_WORKER_INDEX)")),
    }
    rollout = {"type": "RollingUpdate", "rollingUpdateConfiguration": {"maxUnavailable": 1, "maxSurge": 0}}
    spec = count | {"startupPolicy": "LeaderCreated", "rolloutStrategy": rollout, "leaderWorkerTemplate": template}
    return thing("LeaderWorkerSet", LWS, part, spec)


def among_themselves(part: str) -> Object:
    """The pods of an engine reach each other on any port: NCCL takes what is free."""
    ours = {"matchLabels": {_GROUP: part}}
    spec = {"podSelector": ours, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": ours}]}]}
    return thing("NetworkPolicy", "networking.k8s.io/v1", f"{part}-group", spec)


def _ranked(pod: Object, engine: EngineContainer, more: list[str], rank: str) -> Object:
    """The pod with what tells vLLM its place among the nodes; Kubernetes fills in the variables."""
    made = copy.deepcopy(pod)
    (container,) = made["spec"]["containers"]
    container["args"] += ["--nnodes", str(engine.nodes), "--node-rank", rank]
    container["args"] += ["--master-addr", "$(LWS_LEADER_ADDRESS)", *more]
    # Copies of one node may share it; nodes of one copy may not, and their GPUs see to that where they take all.
    made["spec"].pop("topologySpreadConstraints")
    return made


def _follower(part: str, pod: Object) -> Object:
    """A pod that answers no call: no port, no probe, and not among those that the service leads to."""
    pod["metadata"]["labels"] = labels(f"{part}-worker")
    (container,) = pod["spec"]["containers"]
    for key in ("ports", "startupProbe", "readinessProbe", "livenessProbe"):
        del container[key]
    return pod
