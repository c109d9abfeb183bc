"""A snapshot made ready for the request path: everything that can be looked up is a dictionary."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
import orjson

from forebay.core.networks import Network
from forebay.gateway.queue.standing import Standings
from forebay.gateway.refusal import Refusal
from forebay.gateway.residency import Home, homes_of
from forebay.gateway.rollout.lanes import Lanes
from forebay.gateway.routing.plans import asks_for_sessions
from forebay.gateway.snapshot import KeyRecord, ModelRef, Policy, Snapshot
from forebay.gateway.support import Offer, offers_of
from forebay.privacy.rules import Rules
from forebay.security.certificate_grant import CertificateGrant
from forebay.security.failures import FailurePolicy
from forebay.security.network import Networks, compiled
from forebay.security.roles import READ_MODELS, Access, Roles
from forebay.security.tokens import Issuer
from forebay.wire.request_reader import RequestLimits

if TYPE_CHECKING:
    from forebay.security.client_certificates import Shown

Reader = Callable[[bytes, datetime], "Shown | None"]


class Caller(KeyRecord, frozen=True, kw_only=True):
    """Who calls, found good: a key, or the subject of a token. `places`: where it may be; `bounded`: whether it may
    use some models only."""

    access: Access
    places: tuple[Networks, ...] = ()
    bounded: bool = False


class View(msgspec.Struct, frozen=True):
    """What the path consults. `models` holds each model under its name and every alias, and adapters by name.

    `model_entries` are the answers of /v1/models/{id} by path; `offers` by model and endpoint what its engines serve;
    `sessions`: some policy wants to know to which session a call belongs; `subjects`: or for which person it is.
    `guarded`: calls are looked at for where they may go, what they are for, or what they hold. `verified` are the
    callers that came and were found good, by the header as it came; `shown` reads certificates of clients, where any
    name in one opens something; `unknown_keys` issuers of tokens whose keys are not
    known here; `undecided`: nobody can tell now which keys and tokens are good.
    """

    digest: str
    policy: Policy
    limits: RequestLimits
    models: dict[str, ModelRef]
    keys: dict[str, KeyRecord]
    pepper: str
    trusted: tuple[Network, ...]
    model_list: bytes
    standings: Standings
    model_entries: dict[bytes, bytes]
    offers: dict[str, dict[str, Offer]]
    privacy: Rules | None = None
    sessions: bool = False
    subjects: bool = False
    guarded: bool = False
    homes: dict[str, Home] = {}
    lanes: dict[str, Lanes] = {}
    verified: dict[bytes, Caller] = {}
    roles: Roles = Roles({})
    issuers: dict[str, Issuer] = {}
    networks: Networks | None = None
    tenant_networks: dict[str, Networks] = {}
    revoked: dict[str, float] = {}
    certificates: dict[str, CertificateGrant] = {}
    shown: Reader | None = None
    unknown_keys: set[str] = set()
    undecided: bool = False
    failures: FailurePolicy = FailurePolicy()


def view_of(digest: str, snapshot: Snapshot) -> View:
    """Compile a snapshot."""
    policy = snapshot.policy
    models = {name: model for model in snapshot.models for name in (model.name, *model.aliases)}
    models = {**_adapters(snapshot), **models}
    homes = homes_of(snapshot.regions, snapshot.engines)
    return View(
        digest=digest,
        policy=policy,
        standings=Standings(snapshot.queue, policy.queue_wait_s),
        limits=RequestLimits(policy.target_bytes, policy.head_bytes, policy.body_bytes),
        models=models,
        keys={key.id: key for key in snapshot.keys},
        privacy=None if snapshot.privacy is None else Rules(snapshot.privacy),
        pepper=snapshot.pepper,
        trusted=tuple(ipaddress.ip_network(text) for text in policy.trusted_proxies),
        model_list=_list(models),
        model_entries=_entries(models),
        offers={
            model.name: offers_of(each for each in snapshot.engines if each.model == (model.adapter_of or model.name))
            for model in models.values()
        },
        sessions=asks_for_sessions(snapshot),
        subjects=snapshot.audit is not None or snapshot.consent is not None,
        homes=homes,
        guarded=bool(homes) or snapshot.privacy is not None or snapshot.consent is not None,
        lanes=_lanes(snapshot),
        roles=Roles(snapshot.identity.roles),
        issuers={each.issuer: Issuer(each, snapshot.pepper) for each in snapshot.identity.issuers},
        networks=compiled(snapshot.identity.everyone),
        tenant_networks={
            name: found for name, rules in snapshot.identity.networks.items() if (found := compiled(rules)) is not None
        },
        revoked=snapshot.identity.revoked,
        certificates=snapshot.identity.certificates,
        shown=_reader() if snapshot.identity.certificates else None,
        failures=snapshot.identity.failures,
    )


def _reader() -> Reader:
    """What reads certificates of clients: 9 MB, and here rather than when the first certificate comes."""
    from forebay.security.client_certificates import shown  # noqa: PLC0415

    return shown


def _lanes(snapshot: Snapshot) -> dict[str, Lanes]:
    return {
        model.name: Lanes(model.rollout, (each.name for each in snapshot.engines if each.model == model.name))
        for model in snapshot.models
        if model.rollout is not None
    }


def _adapters(snapshot: Snapshot) -> dict[str, ModelRef]:
    """Adapters that engines list: each a model of its own name, with everything else of the model under it.

    But for its cascade: what a first model says of the model under it says nothing of the adapter.
    """
    by_name = {model.name: model for model in snapshot.models}
    return {
        adapter: msgspec.structs.replace(
            by_name[engine.model], name=adapter, aliases=(), adapter_of=engine.model, cascade=None, rollout=None
        )
        for engine in snapshot.engines
        if engine.model in by_name
        for adapter in engine.routing.adapters
    }


def models(path: bytes, view: View, caller: Caller) -> bytes:
    """The answer of /v1/models, or of /v1/models/{id}; raises Refusal where the caller has no such model."""
    if path == b"/v1/models":
        return view.model_list if not caller.bounded else _list(view.models, caller)
    entry = view.model_entries.get(path)
    if entry is None or (caller.bounded and not _may_see(caller, view.models[orjson.loads(entry)["id"]])):
        raise Refusal("model_not_found", "There is no such model; GET /v1/models lists those that do.", param="model")
    return entry


def _list(models: dict[str, ModelRef], caller: Caller | None = None) -> bytes:
    seen = (name for name in sorted(models) if caller is None or _may_see(caller, models[name]))
    return orjson.dumps({"object": "list", "data": [_entry(name, models[name]) for name in seen]})


def _may_see(caller: Caller, model: ModelRef) -> bool:
    return caller.access.permits(READ_MODELS, model.name)


def _entries(models: dict[str, ModelRef]) -> dict[bytes, bytes]:
    """By the path as it stands in a request, so that nothing is decoded: a name as it is, and with `/` as %2F."""
    found = {}
    for name, model in models.items():
        body = orjson.dumps(_entry(name, model))
        for written in (name, quote(name, safe="")):
            found[b"/v1/models/" + written.encode()] = body
    return found


def _entry(name: str, model: ModelRef) -> dict[str, object]:
    """A model as clients see it; aliases are models of their own, since clients may ask for them."""
    entry: dict[str, object] = {
        "id": name,
        "object": "model",
        "created": model.created_at,
        "owned_by": "forebay",
        "root": model.adapter_of or model.name,
    }
    if model.context_tokens is not None:
        entry["max_model_len"] = model.context_tokens
    return entry
