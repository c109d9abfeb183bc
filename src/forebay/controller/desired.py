"""What should run: units from the configuration."""

from __future__ import annotations

import hmac
import os
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import msgspec

from forebay.config.schema import Config
from forebay.engines.checked import checked_here
from forebay.engines.fleet import secret_names
from forebay.engines.record import digest_of
from forebay.engines.spec import EngineSpec, UnitSpec
from forebay.privacy.stores import audit_kept_s, declared_s, log_span_s
from forebay.security.key_store import load_pepper
from forebay.security.stores import located
from forebay.store.state_dir import StateDir
from forebay.store.valkey_server import CONFIGURATION, server_argv
from forebay.substrate.base import CONTROLLER
from forebay.substrate.local import minimal_environment

_DRAIN_MARGIN_S = 5.0


def engine_digest(spec: EngineSpec) -> str:
    """Names what the engine's process is asked to be; a port of its own choosing is not part of it."""
    return digest_of((*spec.argv, str(spec.port), *filter(None, [spec.weights_sha256])), spec.env, spec.cpus)


def engine_unit(spec: EngineSpec, port: int, config: Config, state: StateDir) -> UnitSpec:
    """The process of an owned engine at `port`."""
    argv = checked_here(spec, spec.argv_at(spec.host, port), str(state.run))
    unit = _unit(spec.name, argv, config, state)
    return msgspec.structs.replace(
        unit,
        digest=engine_digest(spec),
        port=port,
        env={**minimal_environment(), **spec.env},
        cpus=spec.cpus,
        stop_s=spec.shutdown_s,
    )


def worker_names(config: Config) -> tuple[str, ...]:
    return tuple(f"worker-{number + 1}" for number in range(config.gateway.workers))


def worker_ports(config: Config) -> tuple[int, ...]:
    return tuple(config.gateway.worker_port + number for number in range(config.gateway.workers))


def worker_unit(name: str, port: int, config: Config, state: StateDir) -> UnitSpec:
    """A gateway worker; everything that may change without a restart is in the snapshot, not here."""
    gateway = config.gateway
    argv = (
        *(sys.executable, "-m", "forebay.gateway.worker", "--state", str(state.root), "--name", name),
        *("--port", str(port), "--shared-port", str(gateway.port), "--bind", gateway.bind),
    )
    unit = _unit(name, argv, config, state)
    return msgspec.structs.replace(
        unit, digest=digest_of(argv, {}), port=port, stop_s=gateway.timeouts.drain + _DRAIN_MARGIN_S
    )


def admin_unit(config: Config, state: StateDir, base: Path) -> UnitSpec:
    """The admin API and the metrics page."""
    metrics = config.observe.metrics
    argv = (
        *(sys.executable, "-m", "forebay.admin.main", "--state", str(state.root)),
        *("--bind", config.admin.bind, "--port", str(config.admin.port)),
        *("--metrics-bind", metrics.bind, "--metrics-port", str(metrics.port)),
        *_store_arguments(config, base),
    )
    unit = _with_store(_unit("admin", argv, config, state), config, state)
    return msgspec.structs.replace(unit, port=config.admin.port, stop_s=10.0)


def valkey_unit(config: Config, state: StateDir) -> UnitSpec:
    """The bundled Valkey; its password is in its own folder, not on its command line."""
    argv = server_argv(state.valkey / CONFIGURATION)
    unit = _unit("valkey", argv, config, state)
    return msgspec.structs.replace(
        unit, digest=digest_of((*argv, str(config.valkey.port)), {}), port=config.valkey.port, stop_s=10.0
    )


def embedder_unit(config: Config, state: StateDir) -> UnitSpec:
    """What tells workers how near two texts are."""
    argv = (sys.executable, "-m", "forebay.gateway.reuse.semantic.embedder", "--socket", str(state.embedder))
    unit = _unit("embedder", argv, config, state)
    return msgspec.structs.replace(unit, digest=digest_of(argv, {}), stop_s=5.0)


def audit_unit(config: Config, state: StateDir) -> UnitSpec:
    """The one writer of the audit log."""
    argv = (
        *(sys.executable, "-m", "forebay.audit.writer", "--folder", str(state.audit)),
        *("--socket", str(state.audit_socket), "--service", config.service),
        *(part for each in config.audit.witnesses for part in ("--witness", each.url, each.key, str(each.every))),
        *(("--personal-for", str(kept_s)) if (kept_s := audit_kept_s(config)) else ()),
        *(("--withdrawn-for", str(said_s)) if (said_s := declared_s(config, "consents")) else ()),
    )
    unit = _unit("audit", argv, config, state)
    return msgspec.structs.replace(unit, digest=digest_of(argv, {}), stop_s=10.0)


def watch_unit(config: Config, state: StateDir, base: Path) -> UnitSpec:
    """Whoever watches callers for what they do not usually do."""
    argv = (
        *(sys.executable, "-m", "forebay.ops.watch.main", "--state", str(state.root), "--service", config.service),
        *("--learn-minutes", str(round(config.watch.learn / 60))),
        *(part for kind in config.watch.suspend for part in ("--suspend", kind)),
        *(("--places", str(base / config.watch.places)) if config.watch.places else ()),
        *_store_arguments(config, base),
        *(("--forget-after", str(kept_s)) if (kept_s := declared_s(config, "habits")) else ()),
    )
    unit = _with_store(_unit("watch", argv, config, state), config, state)
    return msgspec.structs.replace(unit, stop_s=10.0)


def controller_units(config_path: Path, config: Config, state: StateDir) -> tuple[UnitSpec, ...]:
    """Every controller of this machine; one of them leads."""
    others = (f"{CONTROLLER}-{number}" for number in range(2, config.controller.replicas + 1))
    return tuple(_controller(name, config_path, config, state) for name in (CONTROLLER, *others))


def _controller(name: str, config_path: Path, config: Config, state: StateDir) -> UnitSpec:
    """A controller: the one kind of unit that its holder starts again."""
    argv = (
        *(sys.executable, "-m", "forebay.controller.main", "--config", str(config_path.resolve())),
        *("--state", str(state.root), "--env", config.environment, "--unit", name),
    )
    unit = _unit(name, argv, config, state)
    names = secret_names(config)
    lease = config.controller.lease
    place = config.valkey.model_dump_json() if lease.via == "valkey" else ""
    # Another value of a secret needs another controller, whose environment is fixed when it starts; and so does another
    # build of forebay, whose configuration an old one could not read.
    store = config.store.model_dump_json()
    told = (lease.model_dump_json(), place, store, _fingerprint(names, state), version("forebay"))
    digest = digest_of((*argv, *told), {})
    return msgspec.structs.replace(unit, digest=digest, inherit=names, stop_s=15.0, restart=True)


def has_program(module: str) -> bool:
    """Whether this build holds the program of a unit."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def reachable(bind: str) -> str:
    """An address of this machine where what listens on `bind` answers."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104  compared, not bound


def url_host(bind: str) -> str:
    """The address as a URL writes it."""
    host = reachable(bind)
    return f"[{host}]" if ":" in host else host


def _store_arguments(config: Config, base: Path) -> tuple[str, ...]:
    """Where the store is that machines share, without its secrets: only where they lie."""
    return () if config.store.postgres is None else ("--store", located(config.store, base).model_dump_json())


def _with_store(unit: UnitSpec, config: Config, state: StateDir) -> UnitSpec:
    """The unit with the secrets in its environment that the store needs; another value of one starts it again."""
    names = tuple(sorted({ref.removeprefix("env:") for ref in config.store.secrets if ref.startswith("env:")}))
    told = (_fingerprint(names, state),) if names else ()
    return msgspec.structs.replace(unit, digest=digest_of((*unit.argv, *told), {}), inherit=names)


def _fingerprint(names: tuple[str, ...], state: StateDir) -> str:
    values = "\0".join(os.environ.get(name, "") for name in names)
    return hmac.digest(load_pepper(state.pepper).encode(), values.encode(), "sha256").hex()


def _unit(name: str, argv: tuple[str, ...], config: Config, state: StateDir) -> UnitSpec:
    log = config.observe.log
    return UnitSpec(
        name=name,
        argv=argv,
        env=minimal_environment(),
        log=str(state.log(name)),
        log_rotate_bytes=log.rotate,
        log_keep=log.keep,
        log_span_s=log_span_s(config),
        service=config.service,
        version=version("forebay"),
    )
