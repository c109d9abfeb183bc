"""A gateway in front of the engines of a trial: several copies are one service only behind it."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import msgspec

from forebay.config.schema import Config
from forebay.core.errors import RunError
from forebay.engines.spec import EngineSpec, UnitSpec
from forebay.gateway.snapshot import EngineRef, KeyRecord, ModelRef, Policy, Snapshot, publish
from forebay.security.keys import digest, new_key
from forebay.tune.engine import Running, Starter, free_ports
from forebay.tune.setting import Setting
from forebay.tune.space import Space

_READY_S = 60.0
_POLL_S = 0.05
_CALLS = 4096
_MIB = 1024 * 1024
_TENANT = "tune"

Build = Callable[[Config, Sequence[EngineSpec]], Snapshot]
"""Makes what workers hold of a configuration and its engines, as the controller does."""


class Front:
    """Gateway workers that share one port, beside the engines; whoever ends those ends them."""

    def __init__(self, starter: Starter, space: Space, workers: int = 0) -> None:
        self._starter, self._space = starter, space
        self._workers = workers or max(1, min(4, space.cores // 4))
        self.names: tuple[str, ...] = ()
        """The units of the workers that were started last."""

    def start(self, urls: Sequence[str]) -> tuple[str, str]:
        """Workers over the engines at `urls`; returns the gateway's own URL and a key for it."""
        snapshot = Snapshot(
            policy=_policy(),
            workers=(),
            models=(ModelRef(name=self._space.model),),
            engines=tuple(self._engine(number, url) for number, url in enumerate(urls, 1)),
            keys=(),
            pepper="",
        )
        return self._serve(snapshot, self._workers, _TENANT)

    def through(self, running: Running, setting: Setting, build: Build) -> tuple[str, str]:
        """Workers as the file has them, with what the setting has otherwise; URL and key as before.

        Limits, audit and what is promised of repeated calls are left out: they are asked for, not tuned.
        """
        config = self._space.config_of(setting)
        snapshot = msgspec.structs.replace(build(config, running.specs), limits=None, audit=None, idempotency=None)
        tenants = config.models[self._space.model].cache.tenants
        return self._serve(snapshot, config.gateway.workers, tenants[0] if tenants else _TENANT)

    def _serve(self, snapshot: Snapshot, workers: int, tenant: str) -> tuple[str, str]:
        shared, *ports = free_ports(1 + workers)
        key, key_id, secret = new_key()
        pepper = secrets.token_hex(16)
        names = self.names = tuple(f"gateway-{number}" for number in range(1, workers + 1))
        state = self._starter.state
        record = KeyRecord(id=key_id, digest=digest(pepper, secret), tenant=tenant, scopes=("inference",))
        publish(msgspec.structs.replace(snapshot, workers=names, keys=(record,), pepper=pepper), state.snapshots)
        for name, port in zip(names, ports, strict=True):
            state.acknowledgement(name).unlink(missing_ok=True)
            argv = [sys.executable, "-m", "forebay.gateway.worker", "--state", str(state.root), "--name", name]
            argv += ["--port", str(port), "--shared-port", str(shared)]
            self._starter.launch(UnitSpec(name=name, argv=tuple(argv), port=port, log=str(state.log(name)), stop_s=5.0))
        self._await(names)
        return f"http://127.0.0.1:{shared}", key

    def _engine(self, number: int, url: str) -> EngineRef:
        return EngineRef(
            name=f"engine-{number}",
            model=self._space.model,
            host="127.0.0.1",
            port=urlsplit(url).port or 0,
            kind="external",
            max_outstanding=_CALLS,
            routable=True,
        )

    def _await(self, names: Sequence[str]) -> None:
        deadline_s = time.monotonic() + _READY_S
        state = self._starter.state
        while not all(state.acknowledgement(name).exists() for name in names):
            ended = self._starter.died()
            if ended is not None or time.monotonic() > deadline_s:
                why = f": {ended.why}" if ended is not None else f" within {_READY_S:.0f} s"
                raise RunError(f"the gateway of the trial did not start{why}", where=str(state.logs))
            time.sleep(_POLL_S)


def _policy() -> Policy:
    """Wide bounds: what is measured is the engines and the path to them, not a limit."""
    return Policy(
        service="forebay-tune",
        routing="least_loaded",
        trusted_proxies=(),
        log_level="warning",
        log_access=False,
        target_bytes=8192,
        head_bytes=32768,
        body_bytes=16 * _MIB,
        answer_bytes=64 * _MIB,
        event_bytes=_MIB,
        connections=_CALLS * 4,
        head_s=30.0,
        body_s=60.0,
        idle_s=75.0,
        connect_s=5.0,
        first_byte_s=600.0,
        chunk_s=60.0,
        stall_s=60.0,
        call_s=3600.0,
        drain_s=1.0,
        queue_calls=_CALLS * 4,
        queue_wait_s=600.0,
        retry_attempts=1,
        retry_budget_ratio=0.0,
    )
