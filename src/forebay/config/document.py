"""YAML 1.2 text into nodes that remember their line and column; everything ambiguous is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from forebay.config.provenance import Layer, Node, Place, Scalar
from forebay.core.errors import Finding
from forebay.messages import _

SIZE_LIMIT_BYTES = 1024 * 1024
DEPTH_LIMIT = 24

# The core schema of YAML 1.2 (section 10.3.2), and no more: `yes`, `on`, `1:30` and dates are text.
_NULL = re.compile(r"null|Null|NULL|~|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def read(text: str, file: str, layer: Layer) -> tuple[Node | None, list[Finding]]:
    """Read one document; the node is None where its syntax is broken or it is empty."""
    if len(text.encode()) > SIZE_LIMIT_BYTES:
        why = _("the file is larger than {limit} bytes").format(limit=SIZE_LIMIT_BYTES)
        return None, [Finding(rule="yaml_size", severity="error", where=file, why=why)]
    builder = _Builder(file, layer)
    try:
        for event in _events(text):
            builder.take(event)
    except MarkedYAMLError as error:
        builder.syntax_error(error)
        return None, builder.findings
    except (YAMLError, ValueError) as error:
        builder.refuse("yaml_syntax", 1, 1, _("this is not YAML: {detail}").format(detail=error))
        return None, builder.findings
    return builder.root, builder.findings


def scalar(text: str, *, plain: bool) -> Scalar:
    """The value that a scalar stands for; quoted ones are text. ValueError for a number that Python will not read."""
    if not plain:
        return text
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return _TRUE.fullmatch(text) is not None
    return _number(text)


def _number(text: str) -> Scalar:
    if _INT.fullmatch(text):
        return int(text)
    for pattern, base in ((_OCTAL, 8), (_HEX, 16)):
        if pattern.fullmatch(text):
            return int(text[2:], base)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return math.nan if "n" in text[-1].lower() else float(text.replace(".", ""))
    return text


def _events(text: str) -> Iterator[Event]:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 2)
    yield from yaml.parse(text)


class _Builder:
    """Events into nodes, on a stack of its own so that depth is bounded."""

    def __init__(self, file: str, layer: Layer) -> None:
        self.root: Node | None = None
        self.findings: list[Finding] = []
        self._file = file
        self._layer = layer
        self._open: list[_Open] = []
        self._skipping = 0
        self._documents = 0
        self._last_scalar = ""

    def take(self, event: Event) -> None:
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents == 2:
                self.refuse("yaml_documents", *_at(event), _("the file holds more than one document"), _("Remove ---"))
        elif self._documents > 1:
            return
        elif isinstance(event, NodeEvent):
            self._node(event)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._end()

    def refuse(self, rule: str, line: int, column: int, why: str, fix: str = "") -> None:
        where = f"{self._file}:{line}:{column}"
        self.findings.append(Finding(rule=rule, severity="error", where=where, why=why, fix=fix))

    def syntax_error(self, error: MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        problem = str(error.problem or error.context or "").strip().splitlines()
        why = _("the YAML cannot be read here: {detail}").format(detail=problem[0] if problem else "?")
        fix = _("Check the indentation and the quotes on this line and the one above; tabs are not allowed")
        self.refuse("yaml_syntax", line, column, why, fix)

    def _node(self, event: NodeEvent) -> None:
        line, column = _at(event)
        if isinstance(event, AliasEvent) or event.anchor is not None:
            # A value under two keys has no single line to blame, and aliases of aliases grow without bound.
            fix = _("Write the value out, or set it once under engine_defaults")
            self.refuse("yaml_anchor", line, column, _("anchors and aliases (& and *) are not allowed"), fix)
        if getattr(event, "tag", None):
            self.refuse("yaml_tag", line, column, _("tags (!name) are not allowed"), _("Remove the tag"))
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._start(event, line, column)
        elif self._skipping == 0:
            self._add(Node(value=self._value(event), place=self._place(line, column)), line, column)

    def _start(self, event: NodeEvent, line: int, column: int) -> None:
        if self._skipping or len(self._open) >= DEPTH_LIMIT:
            if not self._skipping:
                self.refuse("yaml_depth", line, column, _("values nest deeper than {n}").format(n=DEPTH_LIMIT))
            self._skipping += 1
            return
        self._open.append(_Open(isinstance(event, MappingStartEvent), line, column))

    def _end(self) -> None:
        if self._skipping:
            self._skipping -= 1
            if self._skipping == 0:
                self._add(Node(value=None, place=self._place(1, 1)), 1, 1)
            return
        done = self._open.pop()
        node = Node(value=done.keys if done.mapping else done.items, place=self._place(done.line, done.column))
        self._add(node, done.line, done.column)

    def _add(self, node: Node, line: int, column: int) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if not parent.mapping:
            parent.items.append(node)
        elif parent.key is None:
            self._key(parent, node, line, column)
        else:
            key, place = parent.key
            parent.key = None
            if key in parent.keys:
                first = parent.keys[key].place.line
                why = _("{key} is written twice; the first is on line {line}").format(key=key, line=first)
                self.refuse("yaml_duplicate", place.line, place.column, why, _("Keep one of them"))
            else:
                # A key's own line is what an operator looks for, also where its value is a block below it.
                parent.keys[key] = Node(value=node.value, place=place)

    def _key(self, parent: _Open, node: Node, line: int, column: int) -> None:
        if isinstance(node.value, dict | list):
            self.refuse("yaml_key", line, column, _("a key must be text"), _("Write a plain word before the colon"))
            parent.key = ("", node.place)
            return
        parent.key = (self._last_scalar, node.place)

    def _value(self, event: NodeEvent) -> Scalar:
        if not isinstance(event, ScalarEvent):
            return None
        self._last_scalar = event.value  # a key is taken as written: a model may be called 8 or null
        try:
            return scalar(event.value, plain=event.style is None)
        except ValueError:
            self.refuse("yaml_number", *_at(event), _("this number has too many digits"))
            return None

    def _place(self, line: int, column: int) -> Place:
        return Place(layer=self._layer, file=self._file, line=line, column=column)


class _Open:
    """A mapping or sequence whose end has not come yet."""

    def __init__(self, mapping: bool, line: int, column: int) -> None:
        self.mapping = mapping
        self.line = line
        self.column = column
        self.keys: dict[str, Node] = {}
        self.items: list[Node] = []
        self.key: tuple[str, Place] | None = None


def _at(event: Event) -> tuple[int, int]:
    mark: StringMark = event.start_mark
    return mark.line + 1, mark.column + 1
