"""Builds what the workers hold from the configuration, the engines' health and the keys. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from forebay.config.schema import Config
from forebay.controller.audit import audit_policy
from forebay.controller.cascade import cascade_policy
from forebay.controller.desired import worker_names
from forebay.controller.limits import idempotency_policy, limits_policy
from forebay.controller.privacy import consent_policy, privacy_policy
from forebay.controller.queue import queue_policy
from forebay.controller.reuse import cache_policy, is_salted, prepare_policy, version_of
from forebay.controller.routing import breaker_policy, routing_policy
from forebay.engines.spec import EngineSpec
from forebay.gateway.limits.policy import ValkeyRef
from forebay.gateway.rollout.policy import RolloutPolicy
from forebay.gateway.snapshot import EngineRef, KeyRecord, ModelRef, Policy, Snapshot
from forebay.security.key_store import KeyRow


class EngineNow(msgspec.Struct, frozen=True, kw_only=True):
    """An engine as it is at this moment; port 0 means that it has none yet."""

    spec: EngineSpec
    port: int
    routable: bool


def build(
    config: Config,
    engines: Iterable[EngineNow],
    keys: Collection[KeyRow],
    pepper: str,
    created_at: int,
    valkey: ValkeyRef | None = None,
) -> Snapshot:
    """The snapshot of this moment; the same input gives the same bytes."""
    version = version_of(config)
    return Snapshot(
        policy=policy(config),
        workers=worker_names(config),
        models=tuple(
            ModelRef(
                name=name,
                aliases=tuple(model.aliases),
                context_tokens=model.context_tokens,
                created_at=created_at,
                routing=routing_policy(model),
                cache=cache_policy(model, version, valkey),
                prepare=prepare_policy(model),
                continuation=model.continuation,
                cascade=cascade_policy(model),
            )
            for name, model in config.models.items()
        ),
        engines=tuple(_engine(engine, config) for engine in engines if engine.port),
        keys=tuple(
            KeyRecord(
                id=key.id,
                digest=key.digest,
                tenant=key.tenant,
                scopes=key.scopes,
                expires_at=key.expires_at,
                not_before=key.not_before or 0.0,
                networks=key.networks,
            )
            for key in keys
        ),
        pepper=pepper,
        keys_believed_s=0.0 if config.store.postgres is None else config.store.postgres.grace,
        limits=limits_policy(config, keys, valkey),
        queue=queue_policy(config),
        idempotency=idempotency_policy(config, valkey),
        privacy=privacy_policy(config),
        audit=audit_policy(config),
        consent=consent_policy(config),
        regions={name: tenant.region for name, tenant in config.tenants.items() if tenant.region is not None},
    )


def with_rollouts(snapshot: Snapshot, rollouts: Mapping[str, RolloutPolicy]) -> Snapshot:
    """The snapshot with the rollouts that are under way, by model."""
    if not rollouts:
        return snapshot
    models = tuple(msgspec.structs.replace(model, rollout=rollouts.get(model.name)) for model in snapshot.models)
    return msgspec.structs.replace(snapshot, models=models)


def policy(config: Config) -> Policy:
    """The data path's limits and timeouts."""
    gateway, limits, timeouts = config.gateway, config.gateway.limits, config.gateway.timeouts
    values: Mapping[str, object] = {
        "service": config.service,
        "routing": gateway.routing,
        "trusted_proxies": tuple(gateway.trusted_proxies),
        "log_level": config.observe.log.level,
        "log_access": config.observe.log.access,
        "connections": limits.connections,
        "choices": limits.choices,
        "queue_calls": gateway.queue.calls,
        "queue_wait_s": gateway.queue.wait,
        "retry_attempts": gateway.retry.attempts,
        "retry_budget_ratio": gateway.retry.budget_ratio,
        "breaker": breaker_policy(gateway.breaker),
        **{f"{name}_bytes": getattr(limits, name) for name in ("target", "head", "body", "answer", "event")},
        **{
            f"{name}_s": getattr(timeouts, name)
            for name in ("head", "body", "idle", "connect", "first_byte", "chunk", "stall", "call", "drain")
        },
    }
    return msgspec.convert(values, Policy)


def _engine(engine: EngineNow, config: Config) -> EngineRef:
    spec = engine.spec
    return EngineRef(
        name=spec.name,
        model=spec.model,
        host=spec.host,
        port=engine.port,
        kind=spec.kind,
        max_outstanding=spec.max_outstanding,
        routable=engine.routable,
        served_name=spec.served_name,
        authorization=spec.authorization,
        tls=spec.tls,
        release=spec.release,
        task=spec.task,
        routing=spec.routing,
        continues=spec.token_prompts,
        salted=is_salted(config.models[spec.model], spec.kind),
    )
