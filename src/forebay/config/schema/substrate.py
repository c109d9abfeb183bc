"""Where engines run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forebay.config.schema.base import Name, Section
from forebay.config.schema.docker import DockerHosts
from forebay.config.schema.kubernetes import KubernetesCluster


class Substrate(Section):
    """Where the engines run: here, or wherever a cluster has room. Everything else of forebay runs here."""

    kind: Literal["local", "docker", "ray", "kubernetes"] = "local"
    """`local`: processes of this machine. `docker`: containers on hosts that the command `docker` reaches. `ray`:
    detached actors of a Ray cluster that this machine belongs to; needs forebay with its extra `ray` on every node, and
    a network that nobody else is on: Ray checks no one's identity. `kubernetes`: pods of a cluster whose addresses this
    machine reaches."""
    address: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+:[0-9]{1,5}$")] | None = None
    """The head of the Ray cluster, `host:port`."""
    namespace: Name | None = None
    """Keeps services on one cluster apart; in Kubernetes it must be there. Default: the service's name, on Ray with a
    number of this state directory behind it."""
    folder: Annotated[str, Field(pattern=r"^/.+$")] = "/var/tmp/forebay"  # noqa: S108  a folder of its own, made for its owner alone
    """Where a node of a Ray cluster keeps its engines' logs and records."""
    kubernetes: KubernetesCluster = KubernetesCluster()
    docker: DockerHosts = DockerHosts()
