"""Names that clients may use: one name means one model."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.provenance import Node, Path, show_path
from forebay.config.schema import Config
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.messages import _


def names(config: Config, tree: Node) -> Iterator[Finding]:
    """Aliases that are also a model's name, or given twice."""
    owners: dict[str, Path] = {name: ("models", name) for name in config.models}
    for name, model in config.models.items():
        for index, alias in enumerate(model.aliases):
            path: Path = ("models", name, "aliases", index)
            if alias not in owners:
                owners[alias] = path
                continue
            why = _("the alias {alias} is taken by {other}").format(alias=alias, other=show_path(owners[alias]))
            fix = _("Remove one of the two: a name must mean one model")
            yield Finding(rule="alias-clash", severity="error", where=locate(tree, path), why=why, fix=fix)
