"""An engine of the cluster as a unit of this machine: its agent. Pure, but for `tell`."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from forebay.config.schema.substrate import Substrate
from forebay.engines.checked import checked_here
from forebay.engines.record import digest_of
from forebay.engines.spec import EngineSpec, UnitSpec
from forebay.store.state_dir import StateDir
from forebay.substrate.place import place_path
from forebay.substrate.ray.placement import Placement, Remote, write_remote

_AGENT_MARGIN_S = 40.0


def remote_of(spec: EngineSpec, unit: UnitSpec, substrate: Substrate, service: str) -> Remote:
    """What the agent is told of an engine; `unit` is what would run it here, its argv with `{host}` and `{port}`."""
    namespace = substrate.namespace or service
    assert substrate.address is not None  # noqa: S101  the schema sees to it
    placement = Placement(cpus=spec.needs.cpus, gpus=spec.needs.gpus, labels=spec.needs.labels)
    remote = Remote(
        address=substrate.address,
        namespace=f"forebay-{namespace}",
        folder=f"{substrate.folder}/{namespace}/{spec.name}",
        placement=placement,
        engine=msgspec.structs.replace(
            unit, argv=checked_here(spec, spec.argv, substrate.folder), env=spec.env, cpus=(), port=0, inherit=()
        ),
    )
    return msgspec.structs.replace(remote, engine=msgspec.structs.replace(remote.engine, digest=remote_digest(remote)))


def remote_digest(remote: Remote) -> str:
    """Names what the engine is asked to be, and where."""
    where = (remote.address, remote.namespace, msgspec.json.encode(remote.placement).decode())
    return digest_of((*remote.engine.argv, *where), remote.engine.env)


def agent_unit(remote: Remote, unit: UnitSpec, state: StateDir) -> UnitSpec:
    """The agent of an engine; `unit` lends it its log and its environment."""
    name = remote.engine.name
    argv = (
        sys.executable,
        "-m",
        "forebay.substrate.ray.agent",
        str(remote_path(state, name)),
        str(place_path(state, name)),
    )
    stop_s = remote.engine.stop_s + _AGENT_MARGIN_S
    return msgspec.structs.replace(
        unit, argv=argv, digest=remote.engine.digest, port=0, cpus=(), inherit=(), stop_s=stop_s
    )


def tell(remote: Remote, state: StateDir) -> None:
    """Write what the agent reads as it starts."""
    write_remote(remote_path(state, remote.engine.name), remote)


def remote_path(state: StateDir, name: str) -> Path:
    return state.run / f"{name}.remote"
