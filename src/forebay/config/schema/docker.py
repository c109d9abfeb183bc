"""Docker hosts that engines run on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from forebay.config.schema.base import Name, Section

_Path = Annotated[str, Field(pattern=r"^/.+$")]


class DockerTls(Section):
    """What proves a daemon behind `tcp://` to us, and us to it: files of this machine."""

    authority: _Path
    """Certificate of the authority that signed the daemon's."""
    certificate: _Path
    """Our certificate."""
    key: _Path
    """Its key."""


class DockerHost(Section):
    """A machine with a Docker daemon."""

    name: Name
    """What messages call it."""
    docker: Annotated[str, Field(pattern=r"^(unix:///|ssh://|tcp://)[^\s]+$")] = "unix:///var/run/docker.sock"
    """Its daemon, as `DOCKER_HOST` writes it: `unix:///…`, `ssh://user@host`, or `tcp://host:2376` with `tls`."""
    address: Annotated[str, Field(pattern=r"^[0-9A-Fa-f.:]+$")]
    """Its private address: engines are published there and nowhere else, and the gateway reaches them there."""
    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    """How many GPUs engines may have there, numbered from 0."""
    labels: dict[Annotated[str, Field(min_length=1)], str] = {}
    """What engines may ask for with `labels`."""
    tls: DockerTls | None = None
    """For `tcp://`: who reaches a daemon without it is root there."""


class DockerHosts(Section):
    """Which hosts there are, and what engines' containers are made of."""

    hosts: list[DockerHost] = []
    """Where there is room. An engine goes to the host with the fewest engines that has its labels and its GPUs free."""
    images: dict[str, Annotated[str, Field(pattern=r"^[^\s-][^\s]*$")]] = {}
    """Images of a registry of one's own, by vLLM release; `forebay` is the one of embedded engines. Default:
    `vllm/vllm-openai:vRELEASE`, and `forebay:VERSION`. Pulled where a host lacks them."""
    weights: _Path | None = None
    """Folder of every host that holds what weights by hub id are, as `HF_HOME`; engines cannot write there. Weights
    that are a path are mounted from that path of the host."""
    shared_memory_gib: Annotated[int, Field(ge=1, le=1024)] = 16
    """Shared memory of an engine: what its processes pass to one another goes through it."""
