"""Cascades whose first model cannot answer for the other, that lead back to themselves, or that decide nothing."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.nearest import nearest_name
from forebay.config.provenance import Node, Path
from forebay.config.schema import Config
from forebay.config.schema.cascade import Cascade
from forebay.config.schema.engines import VllmEngine
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.messages import _

_WRITING = (None, "auto", "generate")


def cascade(config: Config, tree: Node) -> Iterator[Finding]:
    """Findings about `models.*.cascade`."""
    for name, model in config.models.items():
        chosen = model.cascade
        if chosen is None:
            continue
        place: Path = ("models", name, "cascade")
        first = config.models.get(chosen.first)
        if first is None:
            yield _missing(config, tree, place, chosen)
        elif _leads_back(config, name):
            yield _finding(
                tree,
                (*place, "first"),
                "cascade_cycle",
                _("the first models go round in a circle"),
                _("Name a smaller model that is nobody's second"),
            )
        elif not any(_writes(each) for each in first.engines):
            why = _("none of its engines writes text: it cannot answer first")
            fix = _("Name a model that serves chat and completions")
            yield _finding(tree, (*place, "first"), "cascade_first", why, fix)
        yield from _bounds(tree, place, chosen)


def _missing(config: Config, tree: Node, place: Path, chosen: Cascade) -> Finding:
    why = _("there is no model {name}").format(name=chosen.first)
    aliased = next((name for name, model in config.models.items() if chosen.first in model.aliases), None)
    guess = aliased or nearest_name(chosen.first, tuple(config.models))
    fix = _("Did you mean {guess}?").format(guess=guess) if guess else _("Add it to models")
    return _finding(tree, (*place, "first"), "cascade_first", why, fix)


def _leads_back(config: Config, name: str) -> bool:
    seen = {name}
    following = config.models[name].cascade
    while following is not None:
        if following.first in seen:
            return True
        seen.add(following.first)
        model = config.models.get(following.first)
        following = model.cascade if model is not None else None
    return False


def _bounds(tree: Node, place: Path, chosen: Cascade) -> Iterator[Finding]:
    """Bounds that decide nothing, or second ones that are no help."""
    confidence, saturated = chosen.confidence, chosen.load.saturated
    if confidence.mean_logprob is None and confidence.self_check is None and not confidence.valid_json:
        why = _("nothing tells a good answer from a bad one")
        fix = _("Set mean_logprob, self_check or valid_json")
        yield _finding(tree, (*place, "confidence"), "cascade_confidence", why, fix)
    for key in ("mean_logprob", "self_check"):
        usual = getattr(confidence, key)
        relaxed = getattr(saturated, key) if saturated is not None else None
        if relaxed is not None and (usual is None or relaxed > usual):
            why = (
                _("confidence.{key} is not set, so there is nothing to relax").format(key=key)
                if usual is None
                else _("{relaxed:g} asks for more than confidence.{key} ({usual:g})").format(
                    relaxed=relaxed, key=key, usual=usual
                )
            )
            fix = _("Write a lower value than confidence.{key}, or remove it").format(key=key)
            yield _finding(tree, (*place, "load", "saturated", key), "cascade_saturated", why, fix)


def _writes(engine: object) -> bool:
    if not isinstance(engine, VllmEngine):
        return True
    return engine.args.get("runner") in _WRITING and engine.args.get("task") in _WRITING


def _finding(tree: Node, path: Path, rule: str, why: str, fix: str) -> Finding:
    return Finding(rule=rule, severity="error", where=locate(tree, path), why=why, fix=fix)
