"""Changes single keys of the operator's file; every other byte stays: comments, order, quotes, blank lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from forebay.core.errors import ConfigError
from forebay.messages import _

Change = Literal["value", "name", "remove"]
_PLAIN = re.compile(r"[A-Za-z][\w.+/-]*")
_WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")


class _Pair(msgspec.Struct, frozen=True):
    mapping: MappingNode
    key: ScalarNode
    value: Node


def edited(text: str, changes: Iterable[tuple[int, int, Change, object]]) -> str:
    """The text with changes of the keys at (line, column), counted from 1; ConfigError where one is not found."""
    try:
        root = YAML(typ="rt", pure=True).compose(text)
    except YAMLError as error:
        raise ConfigError(_("the file cannot be changed: it is not YAML")) from error
    pairs = {(pair.key.start_mark.line + 1, pair.key.start_mark.column + 1): pair for pair in _pairs(root)}
    splices: list[tuple[int, int, str]] = []
    removed: dict[int, list[_Pair]] = {}
    for line, column, change, to in changes:
        pair = pairs.get((line, column))
        if pair is None:
            raise ConfigError(_("line {line} cannot be changed").format(line=line), fix=_("Change it by hand"))
        if change == "remove":
            removed.setdefault(id(pair.mapping), []).append(pair)
        else:
            node = pair.key if change == "name" else pair.value
            splices.append((node.start_mark.index, _end(node), _written(to)))
    for gone in removed.values():
        splices += _removals(text, gone)
    for start, end, new in sorted(splices, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _pairs(node: Node | None) -> Iterator[_Pair]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                yield _Pair(node, key, value)
            yield from _pairs(value)
    elif isinstance(node, SequenceNode):
        for item in node.value:
            yield from _pairs(item)


def _removals(text: str, gone: list[_Pair]) -> Iterator[tuple[int, int, str]]:
    mapping = gone[0].mapping
    if len(gone) == len(mapping.value):
        # A key with nothing below it would mean null.
        yield mapping.start_mark.index, _end(mapping), "{}"
    elif mapping.flow_style:
        yield from (_flow_removal(text, pair) for pair in gone)
    else:
        yield from (_block_removal(text, pair) for pair in gone)


def _block_removal(text: str, pair: _Pair) -> tuple[int, int, str]:
    """The whole lines; of a sequence's item (`- key: …`) only what stands behind the dash."""
    start = text.rfind("\n", 0, pair.key.start_mark.index) + 1
    end = text.find("\n", _end(pair.value))
    end = len(text) if end < 0 else end + 1
    before = text[start : pair.key.start_mark.index]
    if before.strip():
        following = re.compile(r"[ ]*").match(text, end)
        return start + len(before), following.end() if following else end, ""
    return start, end, ""


def _flow_removal(text: str, pair: _Pair) -> tuple[int, int, str]:
    """The pair and one comma: the one behind it, or before it where it stands last."""
    start, end = pair.key.start_mark.index, _end(pair.value)
    behind = re.compile(r"\s*,\s*").match(text, end)
    if behind:
        return start, behind.end(), ""
    before = re.search(r"\s*,\s*$", text[:start])
    return before.start() if before else start, end, ""


def _end(node: Node) -> int:
    """Where it ends itself: a block's own mark lies behind the comments that follow it."""
    if isinstance(node, CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    end: int = node.end_mark.index
    return end


def _written(value: object) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
