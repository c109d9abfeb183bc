"""What is declared of stores, held against what is kept. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from forebay.config.schema import Config
from forebay.config.schema.processing import StoreDeclared
from forebay.core.units import show_duration
from forebay.messages import _
from forebay.privacy.stores import FOR_EVER, Store, kept_of_people


class Gap(msgspec.Struct, frozen=True):
    """Where what is declared and what is kept differ; `missing`: nothing is declared at all."""

    path: tuple[str, ...]
    why: str
    fix: str
    missing: bool = False


def gaps(config: Config) -> Iterator[Gap]:
    """Every gap between the declaration and the stores that are on."""
    declared = {str(name): each for name, each in config.processing.stores.items()}
    for name, store in kept_of_people(config).items():
        if name not in declared:
            why = _("the store {name} keeps something of people and is not declared: {fields}")
            fix = _("Declare it: `forebay compliance stores` prints what to write")
            fields = ", ".join(store.personal)
            yield Gap(("processing", "stores", name), why.format(name=name, fields=fields), fix, missing=True)
        else:
            yield from _of_store(config, name, store, declared[name])


def _of_store(config: Config, name: str, store: Store, said: StoreDeclared) -> Iterator[Gap]:
    path = ("processing", "stores", name)
    absent = sorted(set(store.personal) - set(said.fields))
    if absent:
        why = _("the store {name} keeps these fields, too: {fields}").format(name=name, fields=", ".join(absent))
        yield Gap((*path, "fields"), why, _("Declare all that is kept"))
    kept_s = store.kept_s(config)
    if kept_s is not None and kept_s > said.retention:
        kept = _("for ever") if kept_s == FOR_EVER else show_duration(kept_s)
        why = _("the store {name} keeps for {kept} what is declared to be kept for {said}")
        why = why.format(name=name, kept=kept, said=show_duration(said.retention))
        yield Gap((*path, "retention"), why, _("Declare how long it is kept, or keep it shorter"))
    for tenant, bound in config.tenants.items():
        if bound.region is not None and said.region != bound.region:
            why = _("the tenant {tenant} is bound to {region}, and the store {name} lies elsewhere")
            fix = _("Give its store the same region, or the tenant a service of its own there")
            why = why.format(tenant=tenant, region=bound.region, name=name)
            yield Gap((*path, "region"), why, fix)
