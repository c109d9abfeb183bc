"""The schema applied to merged values, with a finding at the line that holds each value that it refuses."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from forebay.config.explained import explained
from forebay.config.provenance import Node, Path, Place, find, plain, show_path, step
from forebay.config.schema import Config
from forebay.core.errors import Finding


def validate(root: Node) -> tuple[Config | None, list[Finding]]:
    """The configuration, or every reason why it is none."""
    try:
        return Config.model_validate(plain(root)), []
    except ValidationError as error:
        grouped: dict[Path, list[ErrorDetails]] = {}
        for item in error.errors(include_url=False):
            grouped.setdefault(_path(item, root), []).append(item)
        return None, [_finding(root, path, items) for path, items in grouped.items()]


def locate(root: Node, path: Path) -> str:
    """`forebay.yaml:12: gateway.timeouts.head`; for a key that is not written, the operator's nearest line above it."""
    node = find(root, path)
    place = node.place if node is not None else _nearest_written(root, path)
    return f"{place}: {show_path(path)}" if path else str(place)


def _nearest_written(root: Node, path: Path) -> Place:
    place, node = root.place, root
    for part in path:
        below = step(node, part)
        if below is None:
            break
        node = below
        place = node.place if node.place.layer == "file" else place
    return place


def _path(item: ErrorDetails, root: Node) -> Path:
    """The validator's location without the names of union branches that it mixes in."""
    parts: list[str | int] = []
    node: Node | None = root
    location = item["loc"]
    for index, part in enumerate(location):
        if part == "[key]":
            break
        if index == 4 and node is not None and _is_engine(tuple(parts)) and part in _tags(node):
            continue  # the validator's name for the kind of engine, not a key
        below = step(node, part) if node is not None else None
        last = index == len(location) - 1
        if below is None and not (last and item["type"] in ("missing", "extra_forbidden")):
            continue
        parts.append(part)
        node = below
    return tuple(parts)


def _is_engine(path: Path) -> bool:
    return len(path) == 4 and path[0] == "models" and path[2] == "engines"


def _tags(engine: Node) -> set[object]:
    kind = step(engine, "kind")
    return {kind.value} if kind is not None and isinstance(kind.value, str) else set()


def _finding(root: Node, path: Path, items: list[ErrorDetails]) -> Finding:
    rule, why, fix = explained(root, path, items)
    return Finding(rule=rule, severity="error", where=locate(root, path), why=why, fix=fix)
