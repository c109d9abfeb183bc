"""What workers hold of a model's `cache` and `prepare` keys. Pure."""

from __future__ import annotations

import hashlib

from forebay.config.schema import Config, Model
from forebay.config.schema.reuse import Semantic
from forebay.gateway.limits.policy import ValkeyRef
from forebay.gateway.reuse.policy import CachePolicy, PreparePolicy, SemanticPolicy


def version_of(config: Config) -> str:
    """A name for the configuration: whatever changes in it, what was answered before is not given again."""
    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:16]


def cache_policy(model: Model, version: str, valkey: ValkeyRef | None = None) -> CachePolicy | None:
    """None where nothing is reused: the request path then looks no further."""
    cache = model.cache
    if not (cache.exact or cache.single_flight):
        return None
    return CachePolicy(
        version=version,
        exact=cache.exact,
        single_flight=cache.single_flight,
        ttl_s=cache.ttl,
        memory_bytes=cache.memory,
        answer_bytes=cache.answer,
        shared=valkey if cache.shared else None,
        semantic=_semantic_policy(cache.semantic),
        tenants=None if cache.tenants is None else tuple(cache.tenants),
    )


def _semantic_policy(semantic: Semantic) -> SemanticPolicy | None:
    if not semantic.enabled:
        return None
    return SemanticPolicy(threshold=semantic.threshold, deadline_s=semantic.deadline, questions=semantic.questions)


def is_semantic(config: Config) -> bool:
    """Whether any model needs the embedder."""
    return any(model.cache.semantic.enabled for model in config.models.values())


def prepare_policy(model: Model) -> PreparePolicy | None:
    """None where requests go to the engines as they come."""
    prepare = model.prepare
    wanted = "tenant" if prepare.cache_salt == "auto" else prepare.cache_salt
    salted = any(is_salted(model, engine.kind) for engine in model.engines)
    policy = PreparePolicy(
        salt=wanted if salted else "",
        history_tokens=prepare.history_tokens,
        max_tokens_default=prepare.max_tokens_default,
        max_tokens_limit=prepare.max_tokens_limit,
        sort_tools=prepare.sort_tools,
        trim_system=prepare.trim_system,
    )
    return None if policy == PreparePolicy() else policy


def is_salted(model: Model, kind: str) -> bool:
    """Whether engines of this kind get a salt: others than vLLM may refuse the field."""
    if kind in {"external", "discovered"}:
        return model.prepare.cache_salt in {"tenant", "key"}
    return kind == "vllm" and model.prepare.cache_salt != "off"
