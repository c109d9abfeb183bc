"""The record of processing activities (GDPR Art. 30, PIPL Art. 55), made from the configuration that runs."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec

from forebay.config.schema import Config
from forebay.config.schema.processing import Purpose, StoreDeclared
from forebay.core.units import show_duration
from forebay.messages import N_, _
from forebay.privacy.declared import gaps
from forebay.privacy.stores import STORES, kept_of_people

BASES = {
    "consent": N_("consent (GDPR Art. 6(1)(a), PIPL Art. 13(1))"),
    "contract": N_("contract (GDPR Art. 6(1)(b), PIPL Art. 13(2))"),
    "legal_obligation": N_("legal obligation (GDPR Art. 6(1)(c), PIPL Art. 13(3))"),
    "vital_interests": N_("vital interests (GDPR Art. 6(1)(d), PIPL Art. 13(4))"),
    "public_task": N_("public task (GDPR Art. 6(1)(e), PIPL Art. 13(5) and (7))"),
    "legitimate_interests": N_("legitimate interests (GDPR Art. 6(1)(f); PIPL knows no such basis)"),
}


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What one store keeps of people for one purpose."""

    store: str
    about: str
    fields: tuple[str, ...]
    retention: str
    region: str
    place: str


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """One purpose with everything that is done for it. `calls`: requests and answers pass engines for it."""

    purpose: str
    why: str
    basis: str
    people: tuple[str, ...]
    recipients: tuple[str, ...]
    calls: bool
    kept: tuple[Kept, ...]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The whole record. `gaps`: where what is declared and what is kept differ."""

    service: str
    environment: str
    made_at: str
    responsible: str
    officer: str
    activities: tuple[Activity, ...]
    engines: tuple[str, ...]
    measures: tuple[str, ...]
    gaps: tuple[str, ...]


def record(config: Config, made_at: str) -> Record:
    """Made of the configuration alone; texts in the language that is spoken."""
    written = config.processing
    return Record(
        service=config.service,
        environment=config.environment,
        made_at=made_at,
        responsible=written.responsible,
        officer=written.officer,
        activities=tuple(_activity(config, name, purpose) for name, purpose in written.purposes.items()),
        engines=tuple(sorted(set(_engines(config)))),
        measures=tuple(_measures(config)),
        gaps=tuple(gap.why for gap in gaps(config)),
    )


def _activity(config: Config, name: str, purpose: Purpose) -> Activity:
    on = kept_of_people(config)
    stores = {str(store): said for store, said in config.processing.stores.items()}
    served = {config.processing.calls, *(tenant.purpose for tenant in config.tenants.values())}
    return Activity(
        purpose=name,
        why=purpose.why,
        basis=_(BASES[purpose.basis]),
        people=tuple(purpose.people),
        recipients=tuple(purpose.recipients),
        calls=name in served or purpose.basis == "consent",
        kept=tuple(_kept(store, said) for store, said in stores.items() if said.purpose == name and store in on),
    )


def _kept(name: str, said: StoreDeclared) -> Kept:
    store = STORES[name]
    return Kept(
        store=name,
        about=_(store.about),
        fields=tuple(said.fields),
        retention=show_duration(said.retention),
        region=said.region or "",
        place=store.place,
    )


def _engines(config: Config) -> Iterator[str]:
    """Who computes answers: what requests are sent to, and where that stands."""
    for name, model in config.models.items():
        for engine in model.engines:
            place = engine.region or _("no region stated")
            host = urlsplit(engine.url).hostname if engine.kind == "external" else _("this service")
            yield f"{name}: {host} ({place})"


def _measures(config: Config) -> Iterator[str]:
    """What protects the data by the configuration; `forebay compliance check` looks whether it is so."""
    if config.edge.kind != "none":
        yield _("clients are served over TLS")
    yield _("every call needs a key or token; of keys a keyed hash alone is kept")
    yield _("requests and answers are written to no log")
    if config.privacy.enabled:
        yield _("personal data is found and replaced in requests and answers")
    if config.audit.enabled:
        yield _("decisions are recorded on a log that cannot be changed unseen; people on it can be erased")
    for name, tenant in config.tenants.items():
        if tenant.region is not None:
            text = _("calls of {tenant} reach engines in {region} alone")
            yield text.format(tenant=name, region=tenant.region)
