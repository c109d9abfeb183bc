"""The container around an engine, as rules see it."""

from __future__ import annotations

import msgspec


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """A health check of compose: the words of its test, and how long a start may take."""

    test: str
    start_s: float = 0.0
    retries: int = 3
    interval_s: float = 30.0

    @property
    def patience_s(self) -> float:
        """How long a container may be unhealthy before it counts as failed."""
        return self.start_s + self.retries * self.interval_s


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """`gpus`: None where none are asked for, 0 for all. `shm_bytes`: None where it is Docker's 64 MiB.

    `stop_s` is the time between SIGTERM and SIGKILL. `ports` are those of the container that are published.
    """

    image: str
    compose: bool = False
    gpus: int | None = None
    devices: bool = False
    ipc_host: bool = False
    shm_bytes: int | None = None
    ports: tuple[int, ...] = ()
    published: bool = True
    """Whether other machines reach a port of it: not on loopback, or on the host's own network."""
    stop_s: float = 10.0
    host_network: bool = False
    health: Health | None = None

    @property
    def tag(self) -> str:
        """The image's tag; `latest` where none is written, empty where a digest pins it."""
        if "@" in self.image:
            return ""
        _name, colon, tag = self.image.rpartition(":")
        return tag if colon and "/" not in tag else "latest"
