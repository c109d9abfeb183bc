"""Engine defaults laid under every engine, and what its release or the hardware cannot do taken back, with notes."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.arg_names import canonical, table, with_dashes
from forebay.config.flag_values import fault
from forebay.config.flags import Release
from forebay.config.layers import Limit, Profile
from forebay.config.provenance import Node, Path, Place, find, merge, replace, show_path, step, without
from forebay.core.errors import Finding
from forebay.messages import _

# What engines take from the defaults of their kind.
_TAKEN = {"vllm": ("args", "env", "log_level"), "embedded": ("context_tokens", "max_sequences")}
_ORDER = ("default", "hardware", "scenario", "environment", "file", "limit")

Notes = dict[tuple[str, ...], Finding]


def resolve(tree: Node, profiles: list[Profile]) -> tuple[Node, list[Finding]]:
    """Every engine with all its values, within the limits of its release and the hardware.

    `engine_defaults` is empty afterwards: nothing is left to be merged again.
    """
    notes: Notes = {}
    hardware = next((part for part in profiles if part.limits), None)
    for path, engine in engines(tree):
        resolved = _with_defaults(tree, engine)
        if _kind(engine) == "vllm":
            flags = table(_scalar(engine, "release"))
            resolved = _one_spelling(resolved, flags)
            resolved = _known_to_release(resolved, path, flags, notes)
            resolved = _limited(resolved, path, hardware, flags, notes) if hardware is not None else resolved
        tree = replace(tree, path, resolved)
    return without(tree, "engine_defaults"), list(notes.values())


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


def _with_defaults(tree: Node, engine: Node) -> Node:
    kind = _kind(engine)
    defaults = find(tree, ("engine_defaults", kind))
    if defaults is None or not isinstance(defaults.value, dict):
        return engine
    taken = {
        key: node for key, node in defaults.value.items() if key in _TAKEN.get(kind, ()) and node.value is not None
    }
    own = engine
    if (args := step(engine, "args")) is not None:
        own = replace(engine, ("args",), with_dashes(args))
    return merge(Node(value=taken, place=defaults.place), own)


def _one_spelling(engine: Node, flags: Release | None) -> Node:
    """Of a flag's spellings the one of the highest layer; two in the file stay, for the flag table to refuse."""
    args = step(engine, "args")
    if args is None or not isinstance(args.value, dict):
        return engine
    kept: dict[str, str] = {}
    dropped: set[str] = set()
    for key, node in args.value.items():
        name = canonical(key, flags)
        other = kept.get(name)
        if other is None:
            kept[name] = key
        elif _rank(node) > _rank(args.value[other]):
            dropped.add(other)
            kept[name] = key
        elif _rank(node) < _rank(args.value[other]):
            dropped.add(key)
    for key in dropped:
        args = without(args, key)
    return replace(engine, ("args",), args)


def _known_to_release(engine: Node, path: Path, flags: Release | None, notes: Notes) -> Node:
    """A profile's flag that the release does not have is left out; the operator's own is refused elsewhere."""
    args = step(engine, "args")
    if flags is None or args is None or not isinstance(args.value, dict):
        return engine
    for key, node in args.value.items():
        if node.place.layer == "file":
            continue
        found = flags.find(key)
        if found is not None and not fault(found.flag, node.value):
            continue
        args = without(args, key)
        why = _("{flag} is left out: vLLM {release} does not take it").format(flag=key, release=flags.version)
        where = f"{node.place}: {show_path((*path, 'args', key))}"
        finding = Finding(rule="flag_absent", severity="note", where=where, why=why)
        notes.setdefault((str(node.place), key, flags.version), finding)
    return replace(engine, ("args",), args)


def _limited(engine: Node, path: Path, hardware: Profile, flags: Release | None, notes: Notes) -> Node:
    args = step(engine, "args")
    if args is None or not isinstance(args.value, dict):
        return engine
    place = Place(layer="limit", file=f"profiles/hardware/{hardware.name}.yaml")
    for key, node in args.value.items():
        limit = hardware.limits.get(canonical(key, flags))
        allowed = _allowed(node, limit) if limit is not None else None
        if limit is None or allowed is None:
            continue
        new = Node(value=allowed, place=place, below=(Node(value=node.value, place=node.place), *node.below))
        engine = replace(engine, ("args", key), new)
        notes.setdefault((str(node.place), key), _note(node, (*path, "args", key), allowed, limit, hardware))
    return engine


def _allowed(node: Node, limit: Limit) -> float | str | None:
    """What is allowed instead of the value; None where the value itself is."""
    value = node.value
    if limit.at_most is not None and isinstance(value, int | float) and not isinstance(value, bool):
        if value > limit.at_most:
            return int(limit.at_most) if isinstance(value, int) else limit.at_most
        return None
    return limit.instead if value in limit.never else None


def _note(node: Node, path: Path, allowed: float | str, limit: Limit, hardware: Profile) -> Finding:
    written = node.place.layer == "file"
    words = {"value": node.value, "allowed": allowed, "hardware": hardware.name, "reason": _(limit.why)}
    fix = _("Write {allowed}, or leave hardware out of the file to keep {value}")
    return Finding(
        rule="hardware_limit",
        severity="warning" if written else "note",
        where=f"{node.place}: {show_path(path)}",
        why=_("{value} becomes {allowed} on {hardware}: {reason}").format(**words),
        fix=fix.format(**words) if written else "",
    )


def _kind(engine: Node) -> str:
    kind = _scalar(engine, "kind")
    return kind if isinstance(kind, str) else ""


def _scalar(engine: Node, key: str) -> object:
    node = step(engine, key)
    return node.value if node is not None else None


def _rank(node: Node) -> int:
    return _ORDER.index(node.place.layer)
