"""An engine of the cluster as a unit of this machine: its agent. Pure, but for `tell`."""

from __future__ import annotations

import msgspec

from forebay.config.schema.substrate import Substrate
from forebay.engines.checked import checked_here
from forebay.engines.record import digest_of
from forebay.engines.spec import EngineSpec, UnitSpec
from forebay.store.state_dir import StateDir
from forebay.substrate import agents
from forebay.substrate.ray.placement import Remote, write_remote

_AGENT_MARGIN_S = 40.0


def remote_of(spec: EngineSpec, unit: UnitSpec, substrate: Substrate, owner: tuple[str, str]) -> Remote:
    """What the agent is told of an engine; `unit` is what would run it here, its argv with `{host}` and `{port}`.

    `owner` is the service and whose it is: two services of one name have a namespace each.
    """
    service, whose = owner
    namespace = substrate.namespace or f"{service}-{whose[:8]}"
    assert substrate.address is not None  # noqa: S101  the schema sees to it
    remote = Remote(
        address=substrate.address,
        namespace=f"forebay-{namespace}",
        folder=f"{substrate.folder}/{namespace}/{spec.name}",
        needs=spec.needs,
        engine=msgspec.structs.replace(
            unit, argv=checked_here(spec, spec.argv, substrate.folder), env=spec.env, cpus=(), port=0, inherit=()
        ),
    )
    return msgspec.structs.replace(remote, engine=msgspec.structs.replace(remote.engine, digest=remote_digest(remote)))


def remote_digest(remote: Remote) -> str:
    """Names what the engine is asked to be, and where."""
    where = (remote.address, remote.namespace, msgspec.json.encode(remote.needs).decode())
    return digest_of((*remote.engine.argv, *where), remote.engine.env)


def agent_unit(remote: Remote, unit: UnitSpec, state: StateDir) -> UnitSpec:
    """The agent of an engine."""
    stop_s = remote.engine.stop_s + _AGENT_MARGIN_S
    return agents.agent_unit("forebay.substrate.ray.agent", unit, state, digest=remote.engine.digest, stop_s=stop_s)


def tell(remote: Remote, state: StateDir) -> None:
    """Write what the agent reads as it starts."""
    write_remote(agents.told_path(state, remote.engine.name), remote)
