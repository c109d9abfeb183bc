"""A snapshot made ready for the request path: everything that can be looked up is a dictionary."""

from __future__ import annotations

import ipaddress

import msgspec
import orjson

from forebay.gateway.snapshot import KeyRecord, ModelRef, Policy, Snapshot
from forebay.wire.request_reader import RequestLimits

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class View(msgspec.Struct, frozen=True):
    """What the path consults. `models` holds each model under its name and every alias."""

    digest: str
    policy: Policy
    limits: RequestLimits
    models: dict[str, ModelRef]
    keys: dict[str, KeyRecord]
    pepper: str
    trusted: tuple[Network, ...]
    model_list: bytes


def view_of(digest: str, snapshot: Snapshot) -> View:
    """Compile a snapshot."""
    policy = snapshot.policy
    models = {name: model for model in snapshot.models for name in (model.name, *model.aliases)}
    return View(
        digest=digest,
        policy=policy,
        limits=RequestLimits(policy.target_bytes, policy.head_bytes, policy.body_bytes),
        models=models,
        keys={key.id: key for key in snapshot.keys},
        pepper=snapshot.pepper,
        trusted=tuple(ipaddress.ip_network(text) for text in policy.trusted_proxies),
        model_list=_model_list(models),
    )


def _model_list(models: dict[str, ModelRef]) -> bytes:
    """The answer of /v1/models: aliases are listed too, since clients may ask for them."""
    entries = []
    for name, model in sorted(models.items()):
        entry: dict[str, object] = {
            "id": name,
            "object": "model",
            "created": model.created_at,
            "owned_by": "forebay",
            "root": model.name,
        }
        if model.context_tokens is not None:
            entry["max_model_len"] = model.context_tokens
        entries.append(entry)
    return orjson.dumps({"object": "list", "data": entries})
