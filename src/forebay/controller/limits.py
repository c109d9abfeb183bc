"""The configuration's limits as workers hold them: dollars in 10⁻⁹, keys by their ids."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import ceil
from pathlib import Path

from forebay.config.schema import Config
from forebay.config.schema.limits import Bounds as Written
from forebay.config.secrets import resolve
from forebay.gateway.idempotency.policy import IdempotencyPolicy
from forebay.gateway.limits.policy import NANO_USD, Bounds, LimitsPolicy, Price, ValkeyRef
from forebay.security.key_store import KeyRow
from forebay.store.state_dir import StateDir
from forebay.store.valkey_server import password

_MILLION = 10**6


def limits_policy(config: Config, keys: Iterable[KeyRow], valkey: ValkeyRef | None) -> LimitsPolicy | None:
    """None where nothing is bounded: the path then knows of no limits."""
    limits, nothing = config.limits, Written()
    models = {name: model.limits for name, model in config.models.items() if model.limits != nothing}
    tenants = {name: tenant.limits for name, tenant in config.tenants.items() if tenant.limits is not None}
    single = {key.id: found for key in keys if (found := _of_key(config, key)) is not None}
    if limits.key == limits.tenant == nothing and not (
        models or tenants or any(t.keys for t in config.tenants.values())
    ):
        return None
    return LimitsPolicy(
        key_default=_bounds(limits.key),
        tenant_default=_bounds(limits.tenant),
        keys={identity: _bounds(written) for identity, written in single.items()},
        tenants={name: _bounds(written) for name, written in tenants.items()},
        models={name: _bounds(written) for name, written in models.items()},
        prices={
            name: Price(_nano(model.price.input_usd / _MILLION), _nano(model.price.output_usd / _MILLION))
            for name, model in config.models.items()
        },
        prompt_bytes_per_token=limits.prompt_bytes_per_token,
        default_output_tokens=limits.default_output_tokens,
        shares=config.gateway.workers * config.valkey.gateways,
        valkey=valkey,
    )


def valkey_ref(config: Config, state: StateDir, base: Path) -> ValkeyRef | None:
    """Where the shared counts lie; ConfigError where the password cannot be read."""
    valkey = config.valkey
    if valkey.kind == "none":
        return None
    bundled = valkey.kind == "bundled"
    secret = _bundled_password(state.valkey) if bundled else resolve(valkey.password, base) if valkey.password else None
    return ValkeyRef(
        host="127.0.0.1" if bundled else valkey.host,
        port=valkey.port,
        password=secret,
        tls=valkey.tls and not bundled,
        reply_s=valkey.reply,
        lease_s=valkey.lease,
        on_loss=valkey.on_loss,
    )


def idempotency_policy(config: Config, valkey: ValkeyRef | None) -> IdempotencyPolicy | None:
    """None where the header means nothing."""
    written = config.gateway.idempotency
    if not written.enabled:
        return None
    return IdempotencyPolicy(
        keep_s=written.keep,
        answer_bytes=written.answer,
        memory_bytes=written.memory,
        keys=written.keys,
        valkey=valkey,
    )


@lru_cache(maxsize=8)
def _bundled_password(folder: Path) -> str:
    return password(folder)


def _of_key(config: Config, key: KeyRow) -> Written | None:
    tenant = config.tenants.get(key.tenant)
    return None if tenant is None else tenant.keys.get(key.id) or tenant.keys.get(key.name)


def _bounds(written: Written) -> Bounds:
    return Bounds(
        requests_per_minute=written.requests_per_minute,
        tokens_per_minute=written.tokens_per_minute,
        concurrency=written.concurrency,
        nano_usd_per_day=None if written.usd_per_day is None else _nano(written.usd_per_day),
        nano_usd_per_month=None if written.usd_per_month is None else _nano(written.usd_per_month),
    )


def _nano(usd: float) -> int:
    """Whole 10⁻⁹ dollars, rounded up past the noise of floating point: nothing that has a price is free."""
    return ceil(round(usd * NANO_USD, 3))
