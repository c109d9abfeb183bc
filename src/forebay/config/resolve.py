"""Engine defaults laid under every engine, and what the hardware cannot do taken back, each with a note."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.layers import Limit, Profile
from forebay.config.provenance import Node, Path, Place, find, merge, replace, show_path, step
from forebay.core.errors import Finding
from forebay.messages import _


def resolve(tree: Node, profiles: list[Profile]) -> tuple[Node, list[Finding]]:
    """Every engine with the defaults of its kind below its own keys, within the limits of the hardware."""
    notes: dict[tuple[str, str], Finding] = {}
    hardware = next((part for part in profiles if part.limits), None)
    for path, engine in engines(tree):
        resolved = _with_defaults(tree, engine)
        if hardware is not None and _kind(engine) == "vllm":
            resolved = _limited(resolved, path, hardware, notes)
        tree = replace(tree, path, resolved)
    return tree, list(notes.values())


def engines(tree: Node) -> Iterator[tuple[Path, Node]]:
    """Every engine with its path, as far as the file is of the right shape."""
    models = step(tree, "models")
    if models is None or not isinstance(models.value, dict):
        return
    for name, model in models.value.items():
        listed = step(model, "engines")
        if listed is None or not isinstance(listed.value, list):
            continue
        for index, engine in enumerate(listed.value):
            if isinstance(engine.value, dict):
                yield ("models", name, "engines", index), engine


def _kind(engine: Node) -> str | None:
    kind = step(engine, "kind")
    return kind.value if kind is not None and isinstance(kind.value, str) else None


def _with_defaults(tree: Node, engine: Node) -> Node:
    defaults = find(tree, ("engine_defaults", _kind(engine) or ""))
    if defaults is None or not isinstance(defaults.value, dict) or not isinstance(engine.value, dict):
        return engine
    # An unknown key among the defaults is refused once, there, and not again at every engine.
    known = {"vllm": ("args", "env", "log_level"), "embedded": ("context_tokens", "max_sequences")}[_kind(engine) or ""]
    taken = {key: node for key, node in defaults.value.items() if key in known and node.value is not None}
    return merge(Node(value=taken, place=defaults.place), engine)


def _limited(engine: Node, path: Path, hardware: Profile, notes: dict[tuple[str, str], Finding]) -> Node:
    for flag, limit in hardware.limits.items():
        node = find(engine, ("args", flag))
        if node is None:
            continue
        allowed = _allowed(node, limit)
        if allowed is None:
            continue
        place = Place(layer="limit", file=f"profiles/hardware/{hardware.name}.yaml")
        new = Node(value=allowed, place=place, below=(Node(value=node.value, place=node.place), *node.below))
        engine = replace(engine, ("args", flag), new)
        finding = _note(node, (*path, "args", flag), allowed, limit, hardware)
        notes.setdefault((str(node.place), flag), finding)
    return engine


def _allowed(node: Node, limit: Limit) -> float | str | None:
    """What is allowed instead of the value; None where the value itself is."""
    value = node.value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if limit.at_most is not None and number and float(value) > limit.at_most:  # type: ignore[arg-type]
        return int(limit.at_most) if isinstance(value, int) else limit.at_most
    return limit.instead if value in limit.never else None


def _note(node: Node, path: Path, allowed: float | str, limit: Limit, hardware: Profile) -> Finding:
    written = node.place.layer == "file"
    why = _("{value} becomes {allowed} on {hardware}: {why}")
    fix = _("Write {allowed}, or leave hardware out of the file to keep {value}")
    words = {"value": node.value, "allowed": allowed, "hardware": hardware.name, "why": _(limit.why)}
    return Finding(
        rule="hardware-limit",
        severity="warning" if written else "note",
        where=f"{node.place}: {show_path(path)}",
        why=why.format(**words),
        fix=fix.format(**words) if written else "",
    )
