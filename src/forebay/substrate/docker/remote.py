"""What an engine in a container is, and on which hosts it may run: the file `run/<unit>.remote`, read by its agent."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from forebay.core.files import write_atomically
from forebay.engines.spec import Needs, UnitSpec
from forebay.substrate.place import Place


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """A Docker host. `docker` is its daemon as `DOCKER_HOST` writes it; engines are published on `address`.

    `tls` are the files of the authority, our certificate and our key, for a daemon behind `tcp://`.
    """

    name: str
    docker: str
    address: str
    gpus: int = 0
    labels: dict[str, str] = {}
    tls: tuple[str, str, str] | None = None

    def command(self, *words: str) -> tuple[str, ...]:
        """A command line for its daemon."""
        flags: tuple[str, ...] = ()
        if self.tls is not None:
            authority, certificate, key = self.tls
            flags = ("--tlsverify", "--tlscacert", authority, "--tlscert", certificate, "--tlskey", key)
        return ("docker", "--host", self.docker, *flags, *words)


class Remote(msgspec.Struct, frozen=True, kw_only=True):
    """An engine for one of `hosts`. `engine` is what runs in the container, its whole command line and environment.

    `mounts` are folders or files of the host that it may read, by their place in the container. `own_env` is what the
    container needs besides, and no secret.
    """

    service: str
    owner: str
    hosts: tuple[Host, ...]
    image: str
    needs: Needs
    engine: UnitSpec
    mounts: dict[str, str] = {}
    own_env: dict[str, str] = {}
    shared_memory_gib: int = 1
    start_s: float = 900.0

    @property
    def container(self) -> str:
        """Its name on its host; what is asked to be something else has another."""
        return f"{self.service}.{self.engine.name}.{self.engine.digest[:12]}.{self.owner[:6]}"

    @property
    def weights_name(self) -> str:
        """The same for all engines that read the same files."""
        return hashlib.sha256(msgspec.json.encode(self.mounts, order="sorted")).hexdigest()[:16]


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """Where an engine was put: known also while its host's daemon says nothing. `seen` is the time of its last line."""

    host: Host
    container: str
    digest: str
    place: Place
    seen: str = ""


def write_remote(path: Path, remote: Remote) -> None:
    write_atomically(path, msgspec.json.encode(remote))


def read_remote(path: Path) -> Remote:
    return msgspec.json.decode(path.read_bytes(), type=Remote)


def read_seen(path: Path, host: Host) -> str:
    """What the weights were when they were last checked on this host."""
    return _seen(path).get(host.name, "")


def write_seen(path: Path, host: Host, seen: str) -> None:
    write_atomically(path, msgspec.json.encode(_seen(path) | {host.name: seen}))


def _seen(path: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError):
        return {}


def write_home(path: Path, home: Home) -> None:
    write_atomically(path, msgspec.json.encode(home))


def read_home(path: Path) -> Home | None:
    """Where the engine was put last; None where it was ended in order, or never started."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Home)
    except (OSError, msgspec.DecodeError):
        return None
