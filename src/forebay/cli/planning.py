"""Joins what a plan is made of: the release that runs, the one that is wanted, this machine, and what was observed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from forebay.cli.flags import Flags
from forebay.cli.preflight import preflight
from forebay.cli.releasing import built
from forebay.cli.service import controller_record
from forebay.cli.wiring import state_dir
from forebay.config.load import load
from forebay.config.schema import Config
from forebay.controller.desired import worker_ports
from forebay.controller.judging import touched
from forebay.controller.plan import Planned
from forebay.controller.plan import plan as units_of
from forebay.controller.status import read_status
from forebay.core.errors import Finding, RunError, StateError
from forebay.engines.fleet import expand
from forebay.engines.spec import EngineSpec
from forebay.messages import _
from forebay.release.approvals import missing_approvals
from forebay.release.difference import steps
from forebay.release.drift import edge_drift, link_drift, live_digest, slots_of, unit_drift
from forebay.release.history import author
from forebay.release.observed import call_p99_s
from forebay.release.plan import Basis, Plan
from forebay.release.price import Means, Observed, Price, UnitChange, price
from forebay.release.rollout.begin import Begun, begin
from forebay.release.rollout.probes import read as read_probes
from forebay.release.rollout.state import Strategy as Try
from forebay.release.running import Running, Strategy, read_running
from forebay.release.store import Store
from forebay.release.version import Created, config_path, effective, manifest, read_config
from forebay.store.state_dir import StateDir
from forebay.substrate.local import LocalSubstrate


class Here(msgspec.Struct, frozen=True, kw_only=True):
    """This machine as a plan finds it. `running` is None where no service runs: then only releases are compared."""

    environment: str
    base: Path
    state: StateDir
    store: Store
    running: Running | None
    release: str
    digest: str
    values: dict[str, object]


def here(flags: Flags) -> Here:
    """What runs, or the current release of the environment where nothing does; StateError where that is damaged."""
    state, store = state_dir(flags), Store.beside(flags.config)
    base = flags.config.resolve().parent
    running = read_running(state.running) if state.root.is_dir() and controller_record(state) else None
    if running is not None:
        _refuse_elsewhere(flags, running.environment)
        flags.environment = running.environment
        at = running.release
        return Here(
            environment=running.environment, base=base, state=state, store=store, running=running,
            release=at.name, digest=at.digest, values=at.config,
        )  # fmt: skip
    environment = flags.environment or load(flags.config).config.environment
    current = store.current(environment)
    return Here(
        environment=environment,
        base=base,
        state=state,
        store=store,
        running=None,
        release=current.name if current is not None else "",
        digest=current.digest if current is not None else "",
        values=current.values(environment) if current is not None else {},
    )


def make(at: Here, files: dict[str, bytes], strategy: Strategy = "auto") -> Plan:
    """The plan that leads from what runs to a release of `files`."""
    if config_path(at.environment) not in files:
        what = _("the release cannot run in {environment}").format(environment=at.environment)
        raise StateError(what, fix=_("`forebay check -e {environment}` says why").format(environment=at.environment))
    values: dict[str, Any] = msgspec.json.decode(files[config_path(at.environment)])
    config = read_config(values)
    digest = manifest(files, Created(by="", at=0.0)).digest
    drift = drifted(at)
    findings = missing_approvals(at.store, config, _config(at.values), digest, author(at.base))
    known = at.store.find(digest)
    return Plan(
        basis=basis(at, drift),
        digest=digest,
        name=known.name if known is not None else "",
        steps=steps(_completed(at.values), values) if at.values else (),
        price=_price(at, config, strategy) if at.running is not None else Price(units={}),
        findings=(*_unable(at, config), *findings),
        drift=drift,
        strategy=strategy,
        by=author(at.base),
        at=time.time(),
        files=files,
    )


def _refuse_elsewhere(flags: Flags, environment: str) -> None:
    if flags.environment not in (None, environment):
        what = _("{environment} runs here: a plan for {wanted} is made where that runs")
        raise StateError(
            what.format(environment=environment, wanted=flags.environment),
            fix=_("Run `forebay down` first, or add --env {name}").format(name=environment),
            code="plan_environment",
        )


def wanted(flags: Flags, at: Here, release: str | None) -> dict[str, bytes]:
    """The files of the release that is meant: a stored one, `current`, or what the file says now."""
    if release is None:
        return built(flags).files
    found = at.store.current(at.environment) if release == "current" else at.store.read(release)
    if found is None:
        raise StateError(_("{environment} has no current release").format(environment=at.environment))
    return found.files


def rollout(at: Here, config: Config, strategy: Try, base: Path) -> Begun:
    """The rollout that leads from what runs to `config`; RunError where it cannot be one."""
    if not config.observe.log.access:
        why = _("the judge reads the access log, and none is written")
        raise RunError(why, where="observe.log.access", fix=_("Set observe.log.access to true"), code="rollout_no_log")
    before, after = _units(read_config(at.values), at), _units(config, at)
    asked = read_probes(base / config.rollout.probes) if config.rollout.probes else ()
    engines = [
        {name: each.engine for name, (each, _probe) in units.items() if each.engine is not None}
        for units in (before, after)
    ]
    return begin(strategy, config.rollout, engines[0], engines[1], touched(before, after), asked)


def basis(at: Here, drift: tuple[str, ...]) -> Basis:
    """What a plan made now would rest on."""
    live = "" if at.running is None else live_digest(LocalSubstrate(at.state).observe(), drift)
    service = str(at.values.get("service", ""))
    return Basis(environment=at.environment, service=service, release=at.release, digest=at.digest, live=live)


def drifted(at: Here) -> tuple[str, ...]:
    """How what runs differs from its release; nothing where nothing runs, or a change is under way."""
    if at.running is None or at.running.change is not None:
        return ()
    config = read_config(at.values)
    units, seen = _units(config, at), LocalSubstrate(at.state).observe()
    owned = {name: desired.digest for name, (desired, _probe) in units.items() if desired.make is not None}
    intents = _drained(at.state)
    found = unit_drift(
        {name: digest for name, digest in owned.items() if name not in intents}, seen, slots_of(seen, _specs(units))
    )
    links = link_drift(at.store, at.environment, at.release, at.digest)
    return (*found, *edge_drift(config, at.state.edge, worker_ports(config)), *links)


def _unable(at: Here, config: Config) -> tuple[Finding, ...]:
    """Why this machine cannot run it. Where nothing runs the machine may be another one: a pipeline's."""
    return preflight(config, expand(config, at.base), at.state, at.base) if at.running is not None else ()


def _price(at: Here, config: Config, strategy: Strategy) -> Price:
    before, after = _units(read_config(at.values), at), _units(config, at)
    changes = [_change(name, before, after) for name in sorted(touched(before, after))]
    return price(changes, _specs(before), strategy, observed(at.state))


def observed(state: StateDir) -> Observed:
    """How long engines took to start, and how long calls take."""
    status = read_status(state.status)
    engines = status.engines if status is not None else ()
    start_s = {each.slot: each.ready_after_s for each in engines if each.ready_after_s is not None}
    return Observed(start_s=start_s, call_p99_s=call_p99_s(state.logs))


def _change(name: str, before: Mapping[str, Planned], after: Mapping[str, Planned]) -> UnitChange:
    desired = (after.get(name) or before[name])[0]
    means: Means = "restarts" if name in before and name in after else "starts" if name in after else "stops"
    return UnitChange(name=name, kind=desired.kind, means=means, engine=desired.engine if desired.make else None)


def _units(config: Config, at: Here) -> dict[str, Planned]:
    return units_of(config, expand(config, at.base), at.state, at.base, lambda _worker: None)


def _specs(units: Mapping[str, Planned]) -> tuple[EngineSpec, ...]:
    return tuple(each.engine for each, _probe in units.values() if each.engine is not None and each.make is not None)


def _completed(values: dict[str, object]) -> dict[str, object]:
    """With the keys that forebay has learnt since the release was made: a default that was always so is no change."""
    try:
        return effective(read_config(values))
    except StateError:  # it has a key that this build does not know: that it goes is a change
        return values


def _config(values: dict[str, object]) -> Config | None:
    return read_config(values) if values else None


def _drained(state: StateDir) -> frozenset[str]:
    """Engines that an operator took out: that they do not run is meant."""
    from forebay.store.sqlite import connect  # noqa: PLC0415

    if not state.database.exists():
        return frozenset()
    database = connect(state.database)
    try:
        return frozenset(row["engine"] for row in database.execute("SELECT engine FROM intents"))
    finally:
        database.close()
