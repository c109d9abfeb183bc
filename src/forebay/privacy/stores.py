"""The places where forebay keeps something: what of people, where, how long by its own settings, and how it goes. Pure.

A place that is missing here would be a place that nobody declares and no erasure knows: `tests/house` compares the list
with what the state directory says of itself.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from forebay.config.schema import Config
from forebay.messages import N_

_DAY_S = 86_400.0
_TWO_MONTHS_S = 62 * _DAY_S
FOR_EVER = float("inf")
_DROPPED = "all of this machine dropped, as none is kept by person"


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """One place. `personal` are the fields that are of people, empty where none is.

    `kept_s` is the longest time by the store's own setting; None where the declared retention is what removes it.
    `erased` says what becomes of one person's part when they are erased, in English, as receipts are signed; in it,
    `{within}` is the longest that it takes.
    """

    about: str
    place: str
    personal: tuple[str, ...] = ()
    on: Callable[[Config], bool] = lambda _config: True
    kept_s: Callable[[Config], float | None] = lambda _config: None
    erased: str = ""


def needs_consent(config: Config) -> bool:
    """Whether some purpose is lawful by consent alone."""
    return any(purpose.basis == "consent" for purpose in config.processing.purposes.values())


def audit_kept_s(config: Config) -> float | None:
    """How long names and addresses on the audit log can be read: its own setting, else what is declared."""
    return config.audit.personal if config.audit.personal is not None else declared_s(config, "audit_log")


def declared_s(config: Config, name: str) -> float | None:
    """The retention that is declared for a store; None where none is."""
    found = {str(each): declared for each, declared in config.processing.stores.items()}.get(name)
    return None if found is None else found.retention


def bound_s(config: Config, name: str) -> float | None:
    """How long a store keeps something at most: by its own setting, else by what is declared; None where by neither."""
    kept_s = STORES[name].kept_s(config)
    bounds = [each for each in (kept_s, declared_s(config, name)) if each is not None and each != FOR_EVER]
    return min(bounds, default=None)


def log_span_s(config: Config) -> float:
    """How long one log file is written, so that files can go by their age; 0 where no retention is declared."""
    return (declared_s(config, "access_log") or 0.0) / (config.observe.log.keep + 1)


def _answers_s(config: Config) -> float:
    return max((model.cache.ttl for model in config.models.values() if model.cache.exact), default=0.0)


def _spends(config: Config) -> bool:
    bounds = [config.limits.key, *(bound for each in config.tenants.values() for bound in each.keys.values())]
    return any(bound.usd_per_day is not None or bound.usd_per_month is not None for bound in bounds)


STORES: dict[str, Store] = {
    "access_log": Store(
        about=N_("Lines of calls, of the gateway and of the edge; no content"),
        place="logs/",
        personal=("client_ip", "key_id", "request_id", "tenant", "timestamp"),
        on=lambda config: config.observe.log.access,
        erased="no names; addresses of callers go within {within}",
    ),
    "answers": Store(
        about=N_("Answers that are given again to the same question, as they are"),
        place="memory, valkey/",
        personal=("answer",),
        on=lambda config: any(model.cache.exact for model in config.models.values()),
        kept_s=_answers_s,
        erased=_DROPPED,
    ),
    "audit_log": Store(
        about=N_("Decisions about calls and by operators; what is of a person is sealed with a key of their own"),
        place="audit/",
        personal=("ip", "key", "operator", "subject", "tenant"),
        on=lambda config: config.audit.enabled,
        kept_s=lambda config: audit_kept_s(config) or FOR_EVER,
        erased="names and addresses cannot be read any more, in any copy of it",
    ),
    "consents": Store(
        about=N_("Who has consented to what, under a keyed hash of their name"),
        place="audit/consents.db",
        personal=("consent", "person"),
        on=needs_consent,
        kept_s=lambda _config: None,
        erased="forgotten: calls for what needs a consent are refused",
    ),
    "habits": Store(
        about=N_("What callers usually do, and anomalies"),
        place="watch.json",
        personal=("hours", "key_id", "networks", "places"),
        on=lambda config: config.watch.enabled,
        erased="not by person; gone within {within}",
    ),
    "idempotency": Store(
        about=N_("Answers by the key that a client gave its call, as they are"),
        place="claims.db, valkey/",
        personal=("answer",),
        on=lambda config: config.gateway.idempotency.enabled,
        kept_s=lambda config: config.gateway.idempotency.keep,
        erased=_DROPPED,
    ),
    "keys": Store(
        about=N_("API keys without their secrets, and when each was used last"),
        place="state.db, keys.json, run/",
        personal=("last_used", "name", "networks", "tenant"),
        erased="a key of this person is revoked, its name removed",
    ),
    "questions": Store(
        about=N_("The meaning of questions, to find answers to them in other words"),
        place="memory",
        personal=("question",),
        on=lambda config: any(model.cache.semantic.enabled for model in config.models.values()),
        kept_s=_answers_s,
        erased=_DROPPED,
    ),
    "spending": Store(
        about=N_("Money that keys have spent this day and month"),
        place="spent/, valkey/",
        personal=("amount", "key_id"),
        on=_spends,
        kept_s=lambda _config: _TWO_MONTHS_S,
        erased="not by person; gone within {within}",
    ),
    "counters": Store(about=N_("Metrics; no label takes a value of a person"), place="counters/"),
    "pseudonyms": Store(
        about=N_("What stands for a value that was pseudonymised, for as long as its call lasts"),
        place="memory",
        erased="never outlive their request",
    ),
    "releases": Store(
        about=N_("Versions of the configuration; who made and approved them, as git knows them"), place="configs/"
    ),
    "snapshots": Store(
        about=N_("What workers hold: the policy, engines, and keys without secrets"), place="snapshots/"
    ),
}
"""Every store by its name, as `processing.stores` declares it."""


def kept_of_people(config: Config) -> dict[str, Store]:
    """The stores that are on and hold something of people."""
    return {name: store for name, store in STORES.items() if store.personal and store.on(config)}
