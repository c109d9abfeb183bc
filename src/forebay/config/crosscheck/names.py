"""Names that clients, files and metrics must be able to tell apart: models, aliases, engines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from forebay.config.provenance import Node, Path, show_path
from forebay.config.schema import Config, DiscoveredEngine, Engine, ExternalEngine
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.messages import _

# Names of forebay's own units: an engine called so would share their files under the state directory.
_OWN_UNITS = re.compile(r"edge|admin|gateway|controller|console|valkey|embedder|audit|(worker|gateway|controller)-\d+")


def engine_names(model: str, engine: Engine) -> tuple[str, ...]:
    """Names of an engine's copies: its own or the model's and kind, with -1, -2 … where there are several."""
    base = engine.name or f"{_slug(model)}-{engine.kind}"
    count = 1 if isinstance(engine, ExternalEngine | DiscoveredEngine) else engine.count
    return (base,) if count == 1 else tuple(f"{base}-{copy}" for copy in range(1, count + 1))


def names(config: Config, tree: Node) -> Iterator[Finding]:
    """Names that mean two things."""
    yield from _aliases(config, tree)
    yield from _engines(config, tree)


def _aliases(config: Config, tree: Node) -> Iterator[Finding]:
    owners: dict[str, Path] = {name: ("models", name) for name in config.models}
    for name, model in config.models.items():
        for index, alias in enumerate(model.aliases):
            path: Path = ("models", name, "aliases", index)
            if alias not in owners:
                owners[alias] = path
                continue
            why = _("the alias {alias} is taken by {other}").format(alias=alias, other=show_path(owners[alias]))
            fix = _("Remove one of the two: a name must mean one model")
            yield Finding(rule="alias_clash", severity="error", where=locate(tree, path), why=why, fix=fix)


def _engines(config: Config, tree: Node) -> Iterator[Finding]:
    owners: dict[str, Path] = {}
    for path, model, engine in _each(config):
        where = locate(tree, (*path, "name"))
        taken = [name for name in engine_names(model, engine) if name in owners]
        reserved = [name for name in engine_names(model, engine) if _OWN_UNITS.fullmatch(name)]
        if taken:
            why = _("the engine {name} is also {other}").format(name=taken[0], other=show_path(owners[taken[0]]))
            fix = _("Set a name of its own at one of them")
            yield Finding(rule="engine_name", severity="error", where=where, why=why, fix=fix)
        elif reserved:
            why = _("an engine cannot be called {name}: a part of forebay is").format(name=reserved[0])
            fix = _("Set another name")
            yield Finding(rule="engine_name", severity="error", where=where, why=why, fix=fix)
        owners.update(dict.fromkeys(engine_names(model, engine), path))


def _each(config: Config) -> Iterator[tuple[Path, str, Engine]]:
    for name, model in config.models.items():
        for index, engine in enumerate(model.engines):
            yield ("models", name, "engines", index), name, engine


def _slug(model: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", model.lower()).strip("-._")[:48].rstrip("-._")
