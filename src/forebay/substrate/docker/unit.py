"""An engine in a container as a unit of this machine: its agent. Pure, but for `tell`."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import msgspec

from forebay.config.schema.docker import DockerHost, DockerHosts
from forebay.engines.checked import checked_anywhere
from forebay.engines.record import digest_of
from forebay.engines.spec import EngineSpec, UnitSpec
from forebay.store.state_dir import StateDir
from forebay.substrate import agents
from forebay.substrate.docker.commands import CACHE, PORT
from forebay.substrate.docker.remote import Host, Remote, write_remote

_HUB = "/weights"
_AGENT_MARGIN_S = 50.0
_EVERYWHERE = "0.0.0.0"  # noqa: S104  within the container's own network


def remote_of(spec: EngineSpec, unit: UnitSpec, docker: DockerHosts, owner: tuple[str, str]) -> Remote:
    """What the agent is told of an engine; `unit` is what would run it here, `owner` the service and whose it is."""
    mounts = {spec.weights: spec.weights} if spec.weights else {}
    own_env = {"HOME": CACHE, "USER": "forebay", "LOGNAME": "forebay"}
    if not spec.weights and spec.kind == "vllm" and docker.weights is not None:
        mounts[_HUB] = docker.weights
        own_env["HF_HOME"] = _HUB
    remote = Remote(
        service=owner[0],
        owner=owner[1],
        hosts=tuple(map(host_of, docker.hosts)),
        image=_image(spec, docker),
        needs=spec.needs,
        engine=msgspec.structs.replace(unit, argv=_argv(spec), env=spec.env, cpus=(), port=0, inherit=()),
        mounts=mounts,
        own_env=own_env,
        shared_memory_gib=docker.shared_memory_gib,
        start_s=spec.start_s,
    )
    return msgspec.structs.replace(remote, engine=msgspec.structs.replace(remote.engine, digest=remote_digest(remote)))


def remote_digest(remote: Remote) -> str:
    """Names what the engine is asked to be: not where, so that another list of hosts moves nobody."""
    told = (remote.image, remote.mounts, remote.own_env, remote.needs, remote.shared_memory_gib)
    return digest_of((*remote.engine.argv, msgspec.json.encode(told).decode()), remote.engine.env)


def agent_unit(remote: Remote, unit: UnitSpec, state: StateDir) -> UnitSpec:
    """The agent of an engine."""
    home = home_path(state, remote.engine.name)
    stop_s = remote.engine.stop_s + _AGENT_MARGIN_S
    program = "forebay.substrate.docker.agent"
    return agents.agent_unit(program, unit, state, digest=remote.engine.digest, stop_s=stop_s, more=(home,))


def tell(remote: Remote, state: StateDir) -> None:
    """Write what the agent reads as it starts."""
    write_remote(agents.told_path(state, remote.engine.name), remote)


def home_path(state: StateDir, name: str) -> Path:
    return state.run / f"{name}.home"


def _image(spec: EngineSpec, docker: DockerHosts) -> str:
    if spec.release is None:
        return docker.images.get("forebay", f"forebay:{version('forebay')}")
    return docker.images.get(spec.release, f"vllm/vllm-openai:v{spec.release}")


def host_of(host: DockerHost) -> Host:
    """A host as agents are told of it."""
    tls = host.tls
    return Host(
        name=host.name,
        docker=host.docker,
        address=host.address,
        gpus=host.gpus,
        labels=host.labels,
        tls=(tls.authority, tls.certificate, tls.key) if tls is not None else None,
    )


def _argv(spec: EngineSpec) -> tuple[str, ...]:
    """The command line within the container, where Python and the weights that forebay brings lie elsewhere."""
    argv = list(spec.argv_at(_EVERYWHERE, PORT))
    if spec.kind == "embedded":
        argv[0] = "python3"
        if not spec.weights:
            at = argv.index("--weights")
            del argv[at : at + 2]
    return checked_anywhere(spec, tuple(argv))
