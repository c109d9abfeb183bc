"""Routing keys that contradict one another: adapters named like something else, scores that nobody looks at."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.provenance import Node, Path, show_path
from forebay.config.schema import Config
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.messages import _

_BLIND = ("weighted", "turn")


def routing(config: Config, tree: Node) -> Iterator[Finding]:
    """Findings about `models.*.routing` and the engines' adapters."""
    yield from _adapters(config, tree)
    for name, model in config.models.items():
        chosen = model.routing
        if chosen is not None and chosen.pick in _BLIND and chosen.scorers:
            why = _("{pick} looks at no scores, but scorers are set").format(pick=chosen.pick)
            fix = _("Remove the scorers, or pick best or power_of_two")
            where = locate(tree, ("models", name, "routing", "scorers"))
            yield Finding(rule="routing_scorers", severity="error", where=where, why=why, fix=fix)


def _adapters(config: Config, tree: Node) -> Iterator[Finding]:
    owners: dict[str, tuple[str, Path]] = {}
    for name, model in config.models.items():
        owners[name] = (name, ("models", name))
        owners |= dict.fromkeys(model.aliases, (name, ("models", name, "aliases")))
    named = set(owners)
    for name, model in config.models.items():
        for index, engine in enumerate(model.engines):
            for adapter in engine.adapters:
                path: Path = ("models", name, "engines", index, "adapters")
                owner, other = owners.setdefault(adapter, (name, path))
                if adapter in named or owner != name:
                    why = _("the adapter {adapter} is called like {other}").format(
                        adapter=adapter, other=show_path(other)
                    )
                    fix = _("Give it a name of its own: a name must mean one model")
                    yield Finding(rule="adapter_clash", severity="error", where=locate(tree, path), why=why, fix=fix)
