"""What an agent is told of its engine: the file `run/<unit>.remote`. Pure, but for reading and writing it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from forebay.config.schema.kubernetes import KubernetesCluster
from forebay.core.files import write_atomically
from forebay.engines.record import digest_of
from forebay.engines.spec import UnitSpec
from forebay.store.state_dir import StateDir
from forebay.substrate import agents
from forebay.substrate.kubernetes.pod import CONTAINER

SERVICE, OWNER, UNIT, DIGEST = "forebay/service", "forebay/owner", "forebay/unit", "forebay/digest"
"""Labels by which a pod is known to be an engine of ours, and which."""
_LONGEST_LABEL = 63
_AGENT_MARGIN_S = 40.0


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A pod for the cluster of `kubeconfig`, None for the one that we are in. It has no name: each pod gets its own.

    `stop_s` is how long its engine may take to end.
    """

    kubeconfig: str | None
    context: str | None
    namespace: str
    unit: str
    digest: str
    port: int
    stop_s: float
    pod: dict[str, Any]

    @property
    def selector(self) -> str:
        """The labels of this engine's pods, those of earlier digests too."""
        labels = self.pod["metadata"]["labels"]
        return ",".join(f"{key}={labels[key]}" for key in (SERVICE, OWNER, UNIT))


def order_of(
    unit: UnitSpec, template: dict[str, Any], cluster: KubernetesCluster, owner: tuple[str, str], namespace: str
) -> Order:
    """The order for a pod of `template`, which has one container.

    `unit` is what would run here, `owner` the service and whose it is.
    """
    where = (cluster.kubeconfig or "", cluster.context or "", namespace)
    digest = digest_of((msgspec.json.encode(template, order="sorted").decode(), str(cluster.port), *where), {})
    own = {
        "app.kubernetes.io/managed-by": "forebay",
        SERVICE: label(owner[0]),
        OWNER: owner[1],
        UNIT: label(unit.name),
        DIGEST: digest,
    }
    spec = dict(template["spec"])
    (container,) = spec["containers"]
    spec["containers"] = [container | {"name": CONTAINER}]
    labels = template["metadata"]["labels"] | own
    return Order(
        kubeconfig=cluster.kubeconfig,
        context=cluster.context,
        namespace=namespace,
        unit=unit.name,
        digest=digest,
        port=cluster.port,
        stop_s=unit.stop_s,
        # Once it has ended, what comes next is the controller's to say.
        pod={
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"labels": labels},
            "spec": spec | {"restartPolicy": "Never"},
        },
    )


def agent_unit(order: Order, unit: UnitSpec, state: StateDir) -> UnitSpec:
    """The agent of an engine."""
    stop_s = order.stop_s + _AGENT_MARGIN_S
    return agents.agent_unit("forebay.substrate.kubernetes.agent", unit, state, digest=order.digest, stop_s=stop_s)


def tell(order: Order, state: StateDir) -> None:
    """Write what the agent reads as it starts."""
    write_atomically(agents.told_path(state, order.unit), msgspec.json.encode(order))


def read_order(path: Path) -> Order:
    return msgspec.json.decode(path.read_bytes(), type=Order)


def pod_name(order: Order, random: str) -> str:
    """A name of its own for each pod: one whose node is lost keeps its name until the node is back."""
    start = re.sub(r"[^a-z0-9-]+", "-", order.unit)[:40].strip("-")
    return f"{start}-{order.digest[:6]}-{random}"


def label(text: str) -> str:
    """As much of a name as a label holds."""
    return text[:_LONGEST_LABEL].rstrip("-._")
