"""Values that remember the layer, file and line they came from, and what they overrode."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import msgspec

Layer = Literal["default", "hardware", "scenario", "environment", "file", "limit"]
Scalar = None | bool | int | float | str
Path = tuple[str | int, ...]


class _Written(msgspec.Struct, frozen=True, kw_only=True):
    layer: Layer
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file or self.layer


class Place(_Written, frozen=True, kw_only=True):
    """Where a value is written. `line` is 0 for values that no file holds."""

    column: int = 0


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A value with its place; `below` are the values it overrode, the nearest first."""

    value: Scalar | dict[str, Node] | list[Node]
    place: Place
    below: tuple[Node, ...] = ()


class Origin(_Written, frozen=True, kw_only=True):
    """Where a value came from; `overrides` are the values below it, the nearest first."""

    value: object
    overrides: tuple[Origin, ...] = ()


def merge(lower: Node, upper: Node) -> Node:
    """Lay `upper` over `lower`: mappings key by key; lists and plain values replace what lies below whole."""
    if isinstance(lower.value, dict) and isinstance(upper.value, dict):
        merged = dict(lower.value)
        for key, node in upper.value.items():
            merged[key] = merge(lower.value[key], node) if key in lower.value else node
        return Node(value=merged, place=upper.place)
    return Node(value=upper.value, place=upper.place, below=(*upper.below, _bare(lower), *lower.below))


def plain(node: Node) -> object:
    """The value without its places."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def find(node: Node, path: Path) -> Node | None:
    """The node at `path`, or None."""
    for part in path:
        child = step(node, part)
        if child is None:
            return None
        node = child
    return node


def step(node: Node, part: str | int) -> Node | None:
    """One step down, or None where there is nothing."""
    if isinstance(node.value, dict):
        return node.value.get(str(part))
    if isinstance(node.value, list) and isinstance(part, int) and 0 <= part < len(node.value):
        return node.value[part]
    return None


def replace(node: Node, path: Path, new: Node) -> Node:
    """The tree with `new` at `path`, whose parents must exist."""
    if not path:
        return new
    head, rest = path[0], path[1:]
    if isinstance(node.value, dict):
        child = node.value.get(str(head), Node(value={}, place=node.place))
        return Node(value={**node.value, str(head): replace(child, rest, new)}, place=node.place, below=node.below)
    if isinstance(node.value, list) and isinstance(head, int):
        items = list(node.value)
        items[head] = replace(items[head], rest, new)
        return Node(value=items, place=node.place, below=node.below)
    raise KeyError(head)


def without(node: Node, key: str) -> Node:
    """The mapping without one of its keys."""
    kept = {name: child for name, child in node.value.items() if name != key} if isinstance(node.value, dict) else {}
    return Node(value=kept, place=node.place, below=node.below)


def leaves(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Every plain value and empty collection with its path."""
    if isinstance(node.value, dict) and node.value:
        for key, child in node.value.items():
            yield from leaves(child, (*path, key))
    elif isinstance(node.value, list) and node.value:
        for index, child in enumerate(node.value):
            yield from leaves(child, (*path, index))
    else:
        yield path, node


def show_path(path: Path) -> str:
    """Write a path as an operator would: `models.smollm2.engines[0].kind`; names with dots are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            word = part if re.fullmatch(r"[\w/-]+", part) else f'"{part}"'
            text += f".{word}" if text else word
    return text


def read_path(text: str) -> Path:
    """Read what `show_path` writes; `engines.0` is `engines[0]`. ValueError where it is neither."""
    parts: list[str | int] = []
    rest = text
    while rest:
        match = re.match(r'\.?(?:"([^"]+)"|\[(\d+)\]|([^.\[\]"]+))', rest)
        if match is None:
            raise ValueError(text)
        quoted, index, word = match.groups()
        if index is not None or (word is not None and word.isdigit()):
            parts.append(int(index if index is not None else word))
        else:
            parts.append(quoted if quoted is not None else word)
        rest = rest[match.end() :]
    return tuple(parts)


def origin(node: Node) -> Origin:
    """The story of one value."""
    return Origin(
        layer=node.place.layer,
        file=node.place.file,
        line=node.place.line,
        value=plain(node),
        overrides=tuple(origin(below) for below in node.below),
    )


def _bare(node: Node) -> Node:
    return Node(value=node.value, place=node.place)
