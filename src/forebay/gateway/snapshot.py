"""What a worker knows: policy, keys and engines, immutable and named by its digest.

The controller writes it; a worker swaps one reference between calls. Seconds and bytes throughout.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from forebay.core.errors import StateError
from forebay.core.files import write_atomically
from forebay.core.tls import EngineTls
from forebay.engines.spec import EngineRouting
from forebay.gateway.auditing.policy import AuditPolicy
from forebay.gateway.cascade.policy import CascadePolicy
from forebay.gateway.consent.policy import ConsentPolicy
from forebay.gateway.idempotency.policy import IdempotencyPolicy
from forebay.gateway.limits.policy import LimitsPolicy
from forebay.gateway.queue.policy import QueuePolicy
from forebay.gateway.reuse.policy import CachePolicy, PreparePolicy
from forebay.gateway.rollout.policy import RolloutPolicy
from forebay.gateway.routing.policy import BreakerPolicy, RoutingPolicy
from forebay.privacy.policy import PrivacyPolicy
from forebay.security.certificate_grant import CertificateGrant
from forebay.security.failures import FailurePolicy
from forebay.security.network import NetworkRules
from forebay.security.roles import RolePolicy
from forebay.security.tokens import IssuerPolicy


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An API key without its secret: `digest` is HMAC-SHA256(pepper, secret) in hex."""

    id: str
    digest: str
    tenant: str
    scopes: tuple[str, ...] = ()
    expires_at: float | None = None
    not_before: float = 0.0
    networks: tuple[str, ...] = ()


class IdentityPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Identity beyond keys, see the `security` keys. `networks` are those of tenants by name, `everyone` of all
    clients, `administrators` of the admin API.

    `revoked`: tokens and subjects that open nothing, as `security.tokens` writes them down, and from when on.
    """

    issuers: tuple[IssuerPolicy, ...] = ()
    roles: dict[str, RolePolicy] = {}
    everyone: NetworkRules = NetworkRules()
    administrators: NetworkRules = NetworkRules()
    networks: dict[str, NetworkRules] = {}
    certificates: dict[str, CertificateGrant] = {}
    failures: FailurePolicy = FailurePolicy()
    revoked: dict[str, float] = {}


class EngineRef(msgspec.Struct, frozen=True, kw_only=True):
    """An engine that may take calls. `routable` is false while it starts, stalls or drains.

    `release` is vLLM's; `task` is what it was told to do (`generate`, `embed`, `classify`, `pooling`), empty where
    nobody told it. `continues`: it tells token ids and takes prompts of them, so that streams may go on from it and at
    it.
    """

    name: str
    model: str
    host: str
    port: int
    kind: str
    max_outstanding: int
    routable: bool
    served_name: str | None = None
    authorization: str | None = None
    tls: EngineTls | None = None
    release: str | None = None
    task: str = ""
    continues: bool = False
    salted: bool = False
    routing: EngineRouting = EngineRouting()


class ModelRef(msgspec.Struct, frozen=True, kw_only=True):
    """A model clients may ask for, by its name or an alias.

    `adapter_of` is the model under an adapter. Without `routing` the policy's is in force.
    """

    name: str
    adapter_of: str | None = None
    routing: RoutingPolicy | None = None
    aliases: tuple[str, ...] = ()
    context_tokens: int | None = None
    created_at: int = 0
    continuation: bool = False
    cache: CachePolicy | None = None
    prepare: PreparePolicy | None = None
    cascade: CascadePolicy | None = None
    rollout: RolloutPolicy | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Limits and timeouts of the data path; see the `gateway` keys of the configuration."""

    service: str
    routing: str
    trusted_proxies: tuple[str, ...]
    log_level: str
    log_access: bool
    target_bytes: int
    head_bytes: int
    body_bytes: int
    answer_bytes: int
    event_bytes: int
    connections: int
    head_s: float
    body_s: float
    idle_s: float
    connect_s: float
    first_byte_s: float
    chunk_s: float
    stall_s: float
    call_s: float
    drain_s: float
    queue_calls: int
    queue_wait_s: float
    retry_attempts: int
    retry_budget_ratio: float
    breaker: BreakerPolicy = BreakerPolicy()
    choices: int = 128


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a worker needs to serve without the controller or a database.

    `keys_believed_s`: how long keys are good after the store that machines share was heard last; 0: for ever.
    """

    policy: Policy
    workers: tuple[str, ...]
    models: tuple[ModelRef, ...]
    engines: tuple[EngineRef, ...]
    keys: tuple[KeyRecord, ...]
    pepper: str
    keys_believed_s: float = 0.0
    limits: LimitsPolicy | None = None
    queue: QueuePolicy = QueuePolicy()
    idempotency: IdempotencyPolicy | None = None
    privacy: PrivacyPolicy | None = None
    audit: AuditPolicy | None = None
    consent: ConsentPolicy | None = None
    regions: dict[str, str] = {}
    identity: IdentityPolicy = IdentityPolicy()


def publish(snapshot: Snapshot, folder: Path, keep: int = 5) -> str:
    """Write the snapshot, make it current, prune older ones; returns its digest (16 hex characters)."""
    content = msgspec.json.encode(snapshot)
    digest = hashlib.sha256(content).hexdigest()[:16]
    target = folder / f"{digest}.json"
    if not target.exists() or target.read_bytes() != content:  # a damaged one would end the next worker that starts
        write_atomically(target, content)
    link = folder / "current"
    draft = folder / f".current.{os.getpid()}"
    draft.unlink(missing_ok=True)
    draft.symlink_to(target.name)
    draft.replace(link)
    by_age = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in by_age[keep:]:
        if old != target:
            old.unlink(missing_ok=True)
    return digest


def read(link: Path) -> tuple[str, Snapshot]:
    """Read the current snapshot and its digest; StateError where it is missing, damaged or not what its name says."""
    try:
        target = link.resolve(strict=True)
        content = target.read_bytes()
        snapshot = msgspec.json.decode(content, type=Snapshot)
    except (OSError, msgspec.DecodeError) as error:
        raise StateError("the snapshot cannot be read", where=str(link), detail=str(error)) from error
    digest = hashlib.sha256(content).hexdigest()[:16]
    if target.stem != digest:
        raise StateError("the snapshot is not what its name says", where=str(target))
    return digest, snapshot
