"""The keepers' view as the status that people and `forebay status` read."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from forebay.audit.recorder import STOPPED
from forebay.config.schema import Config
from forebay.controller.desired import url_host
from forebay.controller.edge_follower import EdgeFollower
from forebay.controller.keeper import Keeper
from forebay.controller.lease.fence import Fence
from forebay.controller.lease.standby import Standby
from forebay.controller.publish import Publisher
from forebay.controller.renewals import Renewals
from forebay.controller.rolling import Rolling
from forebay.controller.rollout_status import rollout_status
from forebay.controller.status import (
    ControllerStatus,
    DiscoveryStatus,
    EdgeStatus,
    EngineStatus,
    GatewayStatus,
    ReleaseStatus,
    ScalingStatus,
    StandbyStatus,
    Status,
    StoreStatus,
    UnitStatus,
    WorkerStatus,
    overall,
)
from forebay.messages.reasons import Reason, because
from forebay.release.running import Running


def report(
    config: Config, keepers: Iterable[Keeper], publisher: Publisher, read_at: float, findings: tuple[str, ...]
) -> Status:
    """The status of this moment."""
    by_kind = defaultdict[str, list[Keeper]](list)
    for keeper in keepers:
        by_kind[keeper.desired.kind].append(keeper)
    engines = tuple(_engine(keeper) for keeper in by_kind["engine"])
    workers = tuple(_worker(keeper, config, publisher) for keeper in by_kind["worker"])
    edge = tuple(EdgeStatus(**_common(keeper, edge_url(config))) for keeper in by_kind["edge"])
    admin, valkey, embedder, audit, watch = (
        tuple(UnitStatus(**_common(keeper, _url_beside(config, keeper))) for keeper in by_kind[kind])
        for kind in ("admin", "valkey", "embedder", "audit", "watch")
    )
    units = (*engines, *workers, *admin, *edge, *valkey, *embedder, *audit, *watch)
    ready = frozenset(engine.model for engine in engines if engine.state == "ready")
    admin_url = _http(config.admin.bind, config.admin.port)
    status = Status(
        state=overall(units, frozenset(config.models), ready),
        reasons=(),
        edge=edge[0] if edge else _no_edge(config),
        gateway=GatewayStatus(
            url=_http(config.gateway.bind, config.gateway.port), admin_url=admin_url, workers=workers
        ),
        console_url=None,
        engines=engines,
        admin=next(iter(admin), None),
        valkey=next(iter(valkey), None),
        embedder=next(iter(embedder), None),
        audit=next(iter(audit), None),
        watch=next(iter(watch), None),
        controller=ControllerStatus(
            pid=os.getpid(),
            read_at=read_at,
            updated_at=time.time(),
            environment=config.environment,
            findings=findings,
        ),
        snapshot=publisher.digest,
    )
    troubled = (unit for unit in units if unit.state != "ready")
    return status.because(
        *(because("unit", name=unit.name, state=because(unit.state), why=unit.said) for unit in troubled)
    )


def with_discovery(status: Status, sources: tuple[DiscoveryStatus, ...]) -> Status:
    """The status with the sources of engines; what is wrong with one is told, and takes nothing from the state."""
    trouble = (
        because("source_stale" if source.engines else "source_empty", name=source.name, why=source.trouble)
        for source in sources
        if source.trouble
    )
    return msgspec.structs.replace(status, discovery=sources).because(*trouble)


def with_scaling(status: Status, scaled: tuple[ScalingStatus, ...]) -> Status:
    """The status with the copies that the load asks for, and why they are not as it asks."""
    short = (
        because("copies_short", name=each.name, ready=each.ready, copies=each.copies, why=each.cause)
        for each in scaled
        if each.cause is not None and each.held != "change"
    )
    return msgspec.structs.replace(status, scaling=scaled).because(*short)


def with_audit(status: Status, folder: Path) -> Status:
    """The status with why nothing is recorded, and so no call answered, where the log's disk has failed."""
    marker = folder / STOPPED
    if status.audit is None or not marker.exists():
        return status
    return status.because(because("audit_stopped", why=marker.read_text().strip()), state="degraded")


def with_release(status: Status, running: Running | None, rolling: Rolling, drift: tuple[str, ...]) -> Status:
    """The status with the release that runs, and the one that takes its place."""
    if running is None:
        return status
    change, last = running.change, running.last
    release = ReleaseStatus(
        name=running.release.name,
        digest=running.release.digest,
        change="" if change is None else f"{change.to.name} ({change.phase}), by {change.by}",
        last="" if last is None else " ".join(filter(None, (last.release, last.result, last.why))),
        reverted=last is not None and last.result != "applied",
        drift=drift if change is None else (),
        rollout=None if change is None else rollout_status(change, rolling),
    )
    return msgspec.structs.replace(status, release=release)


def with_edge(status: Status, follower: EdgeFollower) -> Status:
    """The status with which file the edge runs, and whether that is the newest."""
    runs, newest = follower.runs, follower.newest
    edge = msgspec.structs.replace(status.edge, generation=runs, newest=None if not runs else runs == newest)
    return msgspec.structs.replace(status, edge=edge)


def with_renewals(status: Status, renewals: Renewals) -> Status:
    """The status with why there is no newer certificate, and whether the edge has none at all and lets nobody in."""
    if renewals.trouble:
        status = status.because(because("certificate_refused", why=renewals.trouble))
    if renewals.is_closed:
        status = status.because(because("edge_closed"), state="degraded")
    return status


def with_store(status: Status, store: StoreStatus | None) -> Status:
    """The status with the store that machines share. A lost one is told; only without keys is the service degraded."""
    status = msgspec.structs.replace(status, store=store)
    if store is None or (store.believed and not store.trouble):
        return status
    if store.believed:
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(store.keys_until))
        return status.because(because("keys_believed", until=until, why=store.trouble))
    why = because("keys_shut", why=store.trouble or because("store_unheard"))
    return status.because(why, state="degraded" if status.state == "ready" else None)


def with_lease(status: Status, fence: Fence, standbys: tuple[Standby, ...]) -> Status:
    """The status with who leads, and who stands by on this machine."""
    found = tuple(StandbyStatus(name=each.unit, pid=each.pid, since=each.since) for each in standbys)
    controller = msgspec.structs.replace(status.controller, leader=fence.leader, lease=fence.number, standbys=found)
    return msgspec.structs.replace(status, controller=controller)


def standing(config: Config, before: Status | None, leader: str, lease: int, trouble: Reason | None) -> Status:
    """The status of a machine whose controllers stand by for one of another machine; `before` is what it was."""
    why = trouble or (because("leads", leader=leader) if leader else because("nobody_leads"))
    now = time.time()
    controller = ControllerStatus(
        pid=os.getpid(),
        read_at=now,
        updated_at=now,
        environment=config.environment,
        leader=leader,
        lease=lease,
        leads=False,
    )
    if before is not None:
        return msgspec.structs.replace(before, reasons=(), causes=(), controller=controller).because(
            why, state="standby"
        )
    url = _http(config.gateway.bind, config.gateway.port)
    admin_url = _http(config.admin.bind, config.admin.port)
    return Status(
        state="standby",
        reasons=(str(why),),
        causes=(why,),
        edge=_no_edge(config),
        gateway=GatewayStatus(url=url, admin_url=admin_url, workers=()),
        console_url=None,
        engines=(),
        controller=controller,
        snapshot="",
    )


def edge_url(config: Config) -> str:
    """Where clients go: the edge, or the gateway where there is no edge."""
    if config.edge.kind == "none":
        return _http(config.gateway.bind, config.gateway.port)
    port = "" if config.edge.https_port == 443 else f":{config.edge.https_port}"
    return f"https://{config.edge.server_names[0].removeprefix('*.')}{port}"


def _no_edge(config: Config) -> EdgeStatus:
    return EdgeStatus(name="edge", state="none", reason="", url=edge_url(config), pid=0, since=0.0)


def _engine(keeper: Keeper) -> EngineStatus:
    spec, load = keeper.serving, keeper.load
    assert spec is not None  # noqa: S101  an engine's keeper is made with its spec
    scheme = "http" if spec.tls is None else "https"
    url = f"{scheme}://{url_host(spec.host)}:{keeper.port}" if keeper.port else ""
    return EngineStatus(
        **_common(keeper, url),
        model=spec.model,
        kind=spec.kind,
        slot=keeper.slot,
        running=load.running if load else None,
        waiting=load.waiting if load else None,
        kv_usage_ratio=load.kv_usage_ratio if load else None,
        orphaned_s=keeper.probe.orphaned_s,
        parked=keeper.parked and not keeper.runs,
    )


def _url_beside(config: Config, keeper: Keeper) -> str:
    """Where a unit is reached that is neither engine, worker nor edge; empty for one behind a socket or none."""
    match keeper.desired.kind:
        case "admin":
            return _http(config.admin.bind, keeper.port)
        case "valkey":
            return f"valkey://127.0.0.1:{keeper.port}"
        case _:
            return ""


def _worker(keeper: Keeper, config: Config, publisher: Publisher) -> WorkerStatus:
    url = _http(config.gateway.bind, keeper.port)
    return WorkerStatus(**_common(keeper, url), snapshot=publisher.acknowledged(keeper.name))


def _common(keeper: Keeper, url: str) -> dict[str, Any]:
    health = keeper.health
    return {
        "name": keeper.name,
        "state": health.state,
        "reason": health.reason,
        "cause": health.why,
        "url": url,
        "pid": keeper.pid,
        "since": round(time.time() - (time.monotonic() - health.since_s), 1),
        "restarts": keeper.history.restarts,
        "hopeless": keeper.hopeless,
        "outdated": keeper.outdated,
        "ready_after_s": None if keeper.ready_after_s is None else round(keeper.ready_after_s, 1),
    }


def _http(bind: str, port: int) -> str:
    return f"http://{url_host(bind)}:{port}"
