"""Bounds on what engines compile into grammars: JSON schemas and regular expressions.

An engine builds an automaton out of them before the first token, on the core that serves everyone else. What makes one
explode is counted repetition inside counted repetition, references that refer to themselves, and sheer size.
"""

from __future__ import annotations

import re
from typing import Any

from forebay.wire.openai.bounds import size_within

SCHEMA_DEPTH = 32
SCHEMA_VALUES = 5_000
SCHEMA_EXPANDED_VALUES = 20_000
SCHEMA_TEXT = 2_048
SCHEMA_REFERENCES = 8
"""References that may lead one into the next: each is a level of recursion here and in the engine."""
SCHEMA_COUNT = 10_000
REGEX_LENGTH = 1_024
REGEX_STATES = 20_000

_COUNTS = {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
_PIECE = re.compile(
    r"(?P<escape>\\.)|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])|(?P<open>\()|(?P<close>\))"
    r"|\{(?P<low>[0-9]*)(?P<comma>,?)(?P<high>[0-9]*)\}|(?P<other>.)",
    re.DOTALL,
)


def schema(value: Any) -> bool:
    """Whether `value` is a JSON schema whose automaton stays small; references stay inside it and never come back."""
    if type(value) is not dict or not size_within(value, SCHEMA_VALUES, SCHEMA_DEPTH):
        return False
    try:
        return _expanded(value, value, {}, ()) <= SCHEMA_EXPANDED_VALUES
    except _Unbounded:
        return False


def regex(value: Any) -> bool:
    """Whether `value` is an expression of bounded length that unrolls to a bounded number of states."""
    return type(value) is str and 0 < len(value) <= REGEX_LENGTH and _states(value) <= REGEX_STATES


class _Unbounded(Exception):
    """Some part of the schema has no bound that can be told."""


def _expanded(node: Any, root: dict[str, Any], known: dict[str, int], open_refs: tuple[str, ...]) -> int:
    """Values of `node` with every reference replaced by what it refers to. Depth is bounded before this is called."""
    if isinstance(node, list):
        return 1 + sum(_expanded(item, root, known, open_refs) for item in node)
    if not isinstance(node, dict):
        return 1
    total = 1
    for name, part in node.items():
        if name == "$ref" and type(part) is str:
            total += _referred(part, root, known, open_refs)
        elif name in {"$dynamicRef", "$recursiveRef"}:
            raise _Unbounded
        else:
            _check_leaf(name, part)
            total += _expanded(part, root, known, open_refs)
        if total > SCHEMA_EXPANDED_VALUES:
            raise _Unbounded
    return total


def _referred(ref: str, root: dict[str, Any], known: dict[str, int], open_refs: tuple[str, ...]) -> int:
    if ref in open_refs or len(open_refs) >= SCHEMA_REFERENCES:
        raise _Unbounded
    if ref not in known:
        known[ref] = _expanded(_target(ref, root), root, known, (*open_refs, ref))
    return known[ref]


def _target(ref: str, root: dict[str, Any]) -> Any:
    """What a reference within the schema points to. Any other would make the engine fetch something."""
    if not ref.startswith("#/"):
        raise _Unbounded
    found: Any = root
    for step in ref[2:].split("/"):
        if type(found) is not dict or (name := step.replace("~1", "/").replace("~0", "~")) not in found:
            raise _Unbounded
        found = found[name]
    return found


def _check_leaf(name: str, part: Any) -> None:
    if name == "pattern" and type(part) is str and not regex(part):
        raise _Unbounded
    if name in _COUNTS and type(part) in {int, float} and not 0 <= part <= SCHEMA_COUNT:
        raise _Unbounded
    if len(name) > SCHEMA_TEXT or (type(part) is str and len(part) > SCHEMA_TEXT * (8 if name == "description" else 1)):
        raise _Unbounded


def _states(pattern: str) -> int:
    """About how many states the expression unrolls to: one an atom, times every count around it."""
    groups, last = [0], 0
    for piece in _PIECE.finditer(pattern):
        kind = piece.lastgroup
        if kind == "open":
            groups.append(0)
            last = 0
        elif kind == "close":
            if len(groups) == 1:
                return REGEX_STATES + 1  # not an expression
            last = groups.pop()
            groups[-1] += last
        elif piece["low"] or piece["high"]:
            count = int((piece["high"] or piece["low"])[:9])
            groups[-1] += last * max(0, count - 1)
            last *= max(1, count)
        else:
            last = 1
            groups[-1] += 1
    return groups[0] if len(groups) == 1 else REGEX_STATES + 1
