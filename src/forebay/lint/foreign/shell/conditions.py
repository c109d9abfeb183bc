"""Conditions of a script: true, false, or not to be told without running it."""

from __future__ import annotations

import fnmatch
import operator
import re
from collections.abc import Callable

import msgspec
from tree_sitter import Node

from forebay.lint.foreign.shell.expand import source, text_of
from forebay.lint.foreign.shell.world import SOFT, World
from forebay.lint.foreign.word import GAP

_NUMBERS: dict[str, Callable[[int, int], bool]] = {
    "-eq": operator.eq,
    "-ne": operator.ne,
    "-gt": operator.gt,
    "-ge": operator.ge,
    "-lt": operator.lt,
    "-le": operator.le,
}


class Answer(msgspec.Struct, frozen=True):
    """`holds` is None where both may be. `then` and `otherwise` are what a variable must be in either case."""

    holds: bool | None
    then: tuple[tuple[str, str], ...] = ()
    otherwise: tuple[tuple[str, str], ...] = ()


_UNKNOWN = Answer(None)


def condition(node: Node, world: World) -> Answer:
    """What a command in the place of a condition says."""
    kind = node.type
    if kind in ("test_command", "parenthesized_expression", "redirected_statement"):
        inner = node.named_children
        return condition(inner[0], world) if len(inner) == 1 or kind == "redirected_statement" else _UNKNOWN
    if kind == "negated_command" or (kind == "unary_expression" and source(node).startswith("!")):
        return _not(condition(node.named_children[-1], world))
    if kind == "unary_expression":
        return _unary(node, world)
    if kind in ("binary_expression", "list"):
        return _binary(node, world)
    if kind == "command":
        return Answer({"true": True, ":": True, "false": False}.get(source(node)))
    return _UNKNOWN


def matches(text: str, patterns: list[str]) -> bool | None:
    """Whether a pattern of `case` takes the text."""
    if GAP in text or SOFT in text:
        return None
    if any(GAP in pattern for pattern in patterns):
        return None
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns)


def variable(node: Node | None) -> str:
    """The one variable that a word consists of, else nothing."""
    match = re.fullmatch(r'"?\$\{?([A-Za-z_]\w*)(?::?-[^}]*)?\}?"?', source(node)) if node is not None else None
    return match[1] if match else ""


def _not(answer: Answer) -> Answer:
    holds = None if answer.holds is None else not answer.holds
    return Answer(holds, answer.otherwise, answer.then)


def _unary(node: Node, world: World) -> Answer:
    parts = node.named_children
    test, operand = source(parts[0]), parts[-1]
    if test not in ("-z", "-n") or len(parts) < 2:
        return _UNKNOWN
    text = text_of(operand, world)
    name = variable(operand)
    empty = ((name, ""),) if name else ()
    answer = Answer(None if SOFT in text or GAP in text else not text, empty)
    return answer if test == "-z" else _not(answer)


def _binary(node: Node, world: World) -> Answer:
    left, right = node.named_children[0], node.named_children[-1]
    sign = next((source(child) for child in node.children[1:-1] if child.type != "comment"), "")
    if sign in ("&&", "||", "-a", "-o"):
        return _both(sign in ("&&", "-a"), condition(left, world), condition(right, world))
    one, other = text_of(left, world), text_of(right, world)
    if any(mark in text for mark in (GAP, SOFT) for text in (one, other)):
        name = variable(left)
        equal = ((name, other),) if name and GAP not in other and sign in ("=", "==", "!=") else ()
        return _not(Answer(None, equal)) if sign == "!=" else Answer(None, equal)
    if sign in _NUMBERS:
        numbers = one.strip().isdigit() and other.strip().isdigit()
        return Answer(_NUMBERS[sign](int(one), int(other))) if numbers else _UNKNOWN
    if sign in ("=", "=="):
        return Answer(fnmatch.fnmatchcase(one, other))
    return Answer(not fnmatch.fnmatchcase(one, other)) if sign == "!=" else _UNKNOWN


def _both(every: bool, left: Answer, right: Answer) -> Answer:
    decided = [answer.holds for answer in (left, right)]
    if every:
        holds = False if False in decided else True if decided == [True, True] else None
        return Answer(holds, left.then + right.then)
    holds = True if True in decided else False if decided == [False, False] else None
    return Answer(holds, (), left.otherwise + right.otherwise)
