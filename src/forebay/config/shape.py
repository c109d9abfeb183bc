"""What the schema allows at a path: the fields, types and defaults behind a key."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from forebay.config.provenance import Node, Path, step
from forebay.config.schema import Config
from forebay.config.schema.base import Section


def keys_at(path: Path, root: Node) -> tuple[str, ...]:
    """Keys that the mapping at `path` may have; none where it takes any key."""
    sections = [kind for kind in kinds_at(path, root) if _is_section(kind)]
    return tuple(dict.fromkeys(key for section in sections for key in section.model_fields))


def kinds_at(path: Path, root: Node) -> list[Any]:
    """The types that may stand at `path`; `kind: vllm` in the file picks one engine of three."""
    kinds: list[Any] = [Config]
    node: Node | None = root
    for part in path:
        kinds = [below for kind in kinds for below in _below(kind, part)]
        node = step(node, part) if node is not None else None
        kinds = _picked(kinds, node)
    return kinds


def field_at(path: Path, root: Node) -> FieldInfo | None:
    """The schema's field behind a path, with its description and default; None where there is none."""
    if not path:
        return None
    for kind in kinds_at(path[:-1], root):
        if _is_section(kind) and path[-1] in kind.model_fields:
            found: FieldInfo = kind.model_fields[str(path[-1])]
            return found
    return None


def default_of(field: FieldInfo) -> object:
    """The default; PydanticUndefined where the key must be given."""
    return field.get_default(call_default_factory=True, validated_data={})


def required(field: FieldInfo) -> bool:
    """Whether the file must hold the key."""
    return default_of(field) is PydanticUndefined


def alternatives(annotation: Any) -> list[Any]:
    """The types a value may have, with Annotated, unions and None taken apart."""
    if get_origin(annotation) is Annotated:
        return alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [kind for part in get_args(annotation) if part is not type(None) for kind in alternatives(part)]
    return [annotation]


def _below(kind: Any, part: str | int) -> Iterator[Any]:
    if _is_section(kind):
        field = kind.model_fields.get(str(part))
        if field is not None:
            yield from alternatives(field.annotation)
    elif get_origin(kind) is dict:
        yield from alternatives(get_args(kind)[1])
    elif get_origin(kind) is list:
        yield from alternatives(get_args(kind)[0])


def _picked(kinds: list[Any], node: Node | None) -> list[Any]:
    named = node.value.get("kind") if node is not None and isinstance(node.value, dict) else None
    if named is None or len(kinds) < 2:
        return kinds
    chosen = [kind for kind in kinds if _is_section(kind) and _kind_of(kind) == named.value]
    return chosen or kinds


def _kind_of(section: Any) -> object:
    field = section.model_fields.get("kind")
    if field is None or get_origin(field.annotation) is not Literal:
        return None
    return get_args(field.annotation)[0]


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)
