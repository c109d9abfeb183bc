"""Command lines of `docker` for one engine. Pure."""

from __future__ import annotations

import math
import shlex

import msgspec

from forebay.engines.checked import SEEN
from forebay.substrate.docker.remote import Host, Remote

PORT = 8000
"""Where an engine listens within its container."""
USER = 10001
CACHE = "/cache"
SERVICE, OWNER, UNIT, DIGEST, GPUS = (f"forebay.{key}" for key in ("service", "owner", "unit", "digest", "gpus"))
_FIELDS = ("{{.ID}}", "{{.State}}", *(f'{{{{.Label "{label}"}}}}' for label in (SERVICE, OWNER, UNIT, DIGEST, GPUS)))
# Of the command itself: an engine's own value of these must not reach it.
_OF_THE_COMMAND = {"PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "SSH_AUTH_SOCK"}


class Found(msgspec.Struct, frozen=True):
    """A container of forebay on a host."""

    container: str
    state: str
    service: str
    owner: str
    unit: str
    digest: str
    gpus: frozenset[int]

    @property
    def ended(self) -> bool:
        """Whether its program has ended, and its GPUs are free."""
        return self.state in ("exited", "dead", "removing")


def list_command(host: Host) -> tuple[str, ...]:
    """Every container that forebay has made there, of all services: GPUs are taken whoever has them."""
    return host.command("ps", "--all", "--no-trunc", "--filter", f"label={SERVICE}", "--format", "\t".join(_FIELDS))


def read_list(said: str) -> tuple[Found, ...]:
    """What `list_command` printed."""
    rows = [line.split("\t") for line in said.splitlines() if line.strip()]
    return tuple(
        Found(container, state, service, owner, unit, digest, frozenset(int(gpu) for gpu in gpus.split(",") if gpu))
        for container, state, service, owner, unit, digest, gpus in rows
    )


def create_command(remote: Remote, host: Host, gpus: tuple[int, ...], seen: str = "") -> tuple[str, ...]:
    """Make the container, locked down: nothing of its host can be written, nobody in it is or becomes root.

    `seen` is what its weights were when they were checked on this host.
    """
    engine = remote.engine
    words = ["create", "--name", remote.container, "--pull", "never", "--init", "--restart", "no"]
    for label, value in _labels(remote, gpus).items():
        words += ["--label", f"{label}={value}"]
    words += ["--user", f"{USER}:{USER}", "--read-only", "--cap-drop", "ALL"]
    words += ["--security-opt", "no-new-privileges:true"]
    # Kernels are compiled at the first start and loaded from there.
    words += ["--tmpfs", "/tmp:mode=1777,exec", "--tmpfs", f"{CACHE}:mode=1777,exec"]  # noqa: S108  the container's own
    words += ["--shm-size", f"{remote.shared_memory_gib}g"]
    if gpus:  # NCCL locks the memory that network cards read
        words += ["--gpus", f'"device={",".join(map(str, gpus))}"', "--ulimit", "memlock=-1"]
    for inside, outside in remote.mounts.items():
        words += ["--mount", f"type=bind,source={outside},target={inside},readonly"]
    words += ["--publish", f"{_bracketed(host.address)}::{PORT}", *_health(remote.start_s)]
    words += ["--stop-timeout", str(math.ceil(engine.stop_s))]
    words += ["--log-driver", "json-file", "--log-opt", "max-size=64m", "--log-opt", "max-file=5"]
    for name, value in remote.own_env.items():
        words += ["--env", f"{name}={value}"]
    for name, value in engine.env.items():
        words += ["--env", f"{name}={value}" if _keeps(name) else name]
    argv = [f"={seen}" if word == SEEN else word for word in engine.argv]
    return host.command(*words, "--entrypoint", argv[0], remote.image, *argv[1:])


def passed_environment(remote: Remote) -> dict[str, str]:
    """What `create_command` passes on by name, so that no value of the operator's is on a command line."""
    return {name: value for name, value in remote.engine.env.items() if not _keeps(name)}


def pick(remote: Remote, found: dict[str, tuple[Found, ...]]) -> tuple[Host, tuple[int, ...]] | None:
    """The host with the fewest engines of those that have the labels and the GPUs, and which GPUs; None without one.

    `found` holds the hosts that answer, by name.
    """
    fitting = []
    for order, host in enumerate(remote.hosts):
        if host.name not in found or not remote.needs.labels.items() <= host.labels.items():
            continue
        running = [each for each in found[host.name] if not each.ended]
        taken = {gpu for each in running for gpu in each.gpus}
        free = tuple(gpu for gpu in range(host.gpus) if gpu not in taken)
        if len(free) >= remote.needs.gpus:
            fitting.append((len(running), order, host, free[: remote.needs.gpus]))
    if not fitting:
        return None
    _running, _order, host, gpus = min(fitting, key=lambda each: each[:2])
    return host, gpus


def _labels(remote: Remote, gpus: tuple[int, ...]) -> dict[str, str]:
    engine = remote.engine
    return {
        SERVICE: remote.service,
        OWNER: remote.owner,
        UNIT: engine.name,
        DIGEST: engine.digest,
        GPUS: ",".join(map(str, gpus)),
    }


def _health(start_s: float) -> list[str]:
    """For those who look with docker; forebay asks the engine itself."""
    script = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{PORT}/health', timeout=5)"
    return [
        *("--health-cmd", shlex.join(("python3", "-c", script)), "--health-interval", "10s", "--health-timeout", "6s"),
        *("--health-retries", "6", "--health-start-period", f"{math.ceil(start_s)}s"),
    ]


def _keeps(name: str) -> bool:
    return name in _OF_THE_COMMAND or name.startswith("DOCKER_")


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
