"""The configuration as the units that keepers keep."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path

import msgspec

from forebay.config.schema import Config
from forebay.controller import desired as units
from forebay.controller.held import calls_held
from forebay.controller.probes import EngineProbe, Probe, ServiceProbe, SocketProbe
from forebay.controller.reuse import is_semantic
from forebay.controller.unit import Desired, Kind
from forebay.engines.spec import EngineSpec, UnitSpec
from forebay.render.edge import clear_for_start, edge_unit, write_edge
from forebay.render.kubernetes_engine import namespace, own_pod
from forebay.store.state_dir import StateDir
from forebay.store.valkey_server import write_configuration
from forebay.substrate.docker import unit as docker
from forebay.substrate.kubernetes import order as kubernetes
from forebay.substrate.local import minimal_environment
from forebay.substrate.owner import owner_of
from forebay.substrate.place import place_path
from forebay.substrate.ray import unit as ray

Planned = tuple[Desired, Probe]


def plan(
    config: Config, engines: tuple[EngineSpec, ...], state: StateDir, base: Path, forget: Callable[[str], None]
) -> dict[str, Planned]:
    """Every unit by name, with what looks after its health; `forget` drops what an earlier worker acknowledged."""
    planned = [_engine(spec, config, state) for spec in engines]
    ports = units.worker_ports(config)
    planned += [
        _worker(name, port, config, state, forget) for name, port in zip(units.worker_names(config), ports, strict=True)
    ]
    if config.valkey.kind == "bundled":
        planned.append(_valkey(config, state))
    if config.audit.enabled:
        planned.append(_audit(config, state))
    if config.watch.enabled:
        planned.append(_watch(config, state, base))
    if is_semantic(config):
        planned.append(_embedder(config, state))
    if units.has_program("forebay.admin.main"):
        planned.append(_admin(config, state, base))
    if config.edge.kind != "none":
        planned.append(_edge(config, state, base))
    return {unit.name: (unit, probe) for unit, probe in planned}


def plan_engines(specs: Iterable[EngineSpec], config: Config, state: StateDir) -> dict[str, Planned]:
    """Engines alone."""
    return {spec.name: _engine(spec, config, state) for spec in specs}


def _engine(spec: EngineSpec, config: Config, state: StateDir) -> Planned:
    owned = bool(spec.argv)
    if owned and config.substrate.kind != "local":
        return _remote_engine(spec, config, state)
    unit = Desired(
        name=spec.name,
        kind="engine",
        digest=units.engine_digest(spec) if owned else "",
        port=spec.port,
        make=partial(_make_engine, spec, config, state) if owned else None,
        log=state.log(spec.name),
        engine=spec,
        drain_s=spec.drain_s,
    )
    return unit, EngineProbe(spec, config.observe.metrics.scrape, calls_held(state.counters))


def _remote_engine(spec: EngineSpec, config: Config, state: StateDir) -> Planned:
    """An engine somewhere in the cluster: what runs here is its agent, which tells where it listens."""
    own = units.engine_unit(spec, 0, config, state)
    agent, tell = _agent(spec, msgspec.structs.replace(own, env=minimal_environment()), config, state)
    place = place_path(state, spec.name)

    async def prepare() -> None:
        place.unlink(missing_ok=True)
        await asyncio.to_thread(tell)

    unit = Desired(
        name=spec.name,
        kind="engine",
        digest=agent.digest,
        port=0,
        make=lambda _port: agent,
        log=state.log(spec.name),
        engine=spec,
        drain_s=spec.drain_s,
        prepare=prepare,
        place=place,
    )
    return unit, EngineProbe(spec, config.observe.metrics.scrape, calls_held(state.counters), place)


def _agent(spec: EngineSpec, own: UnitSpec, config: Config, state: StateDir) -> tuple[UnitSpec, Callable[[], None]]:
    """The agent of an engine, and what writes down what it is told."""
    owner = (config.service, owner_of(config, state))
    if config.substrate.kind == "ray":
        on_ray = ray.remote_of(spec, own, config.substrate, owner)
        return ray.agent_unit(on_ray, own, state), partial(ray.tell, on_ray, state)
    if config.substrate.kind == "kubernetes":
        cluster = config.substrate.kubernetes
        in_pod = kubernetes.order_of(own, own_pod(config, spec), cluster, owner, namespace(config))
        return kubernetes.agent_unit(in_pod, own, state), partial(kubernetes.tell, in_pod, state)
    contained = docker.remote_of(spec, own, config.substrate.docker, owner)
    return docker.agent_unit(contained, own, state), partial(docker.tell, contained, state)


def _make_engine(spec: EngineSpec, config: Config, state: StateDir, port: int) -> UnitSpec:
    return units.engine_unit(spec, port, config, state)


def _worker(name: str, port: int, config: Config, state: StateDir, forget: Callable[[str], None]) -> Planned:
    async def prepare() -> None:
        forget(name)

    spec = units.worker_unit(name, port, config, state)
    return _fixed("worker", spec, state, prepare), ServiceProbe(units.reachable(config.gateway.bind), "/health")


def _valkey(config: Config, state: StateDir) -> Planned:
    async def prepare() -> None:
        await asyncio.to_thread(write_configuration, state.valkey, config.valkey.port)

    return _fixed("valkey", units.valkey_unit(config, state), state, prepare), ServiceProbe("127.0.0.1", None)


def _audit(config: Config, state: StateDir) -> Planned:
    return _fixed("audit", units.audit_unit(config, state), state), SocketProbe(state.audit_socket)


def _watch(config: Config, state: StateDir, base: Path) -> Planned:
    return _fixed("watch", units.watch_unit(config, state, base), state), SocketProbe(state.watch_socket)


def _embedder(config: Config, state: StateDir) -> Planned:
    return _fixed("embedder", units.embedder_unit(config, state), state), SocketProbe(state.embedder)


def _admin(config: Config, state: StateDir, base: Path) -> Planned:
    return _fixed("admin", units.admin_unit(config, state, base), state), ServiceProbe(
        units.reachable(config.admin.bind), "/health"
    )


def _edge(config: Config, state: StateDir, base: Path) -> Planned:
    async def prepare() -> None:
        clear_for_start(state)
        await asyncio.to_thread(write_edge, config, state, units.worker_ports(config), base)

    unit = _fixed("edge", edge_unit(config, state), state, prepare)
    return unit, ServiceProbe(units.reachable(config.edge.bind), None)


def _fixed(
    kind: Kind, spec: UnitSpec, state: StateDir, prepare: Callable[[], Awaitable[None]] | None = None
) -> Desired:
    """A unit whose port the configuration names."""
    return Desired(
        name=spec.name,
        kind=kind,
        digest=spec.digest,
        port=spec.port,
        make=lambda _port: spec,
        log=state.log(spec.name),
        prepare=prepare,
    )
