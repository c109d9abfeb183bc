"""Bounds that fields share: each function returns a check, true where a value is within."""

from __future__ import annotations

from typing import Any

from forebay.wire.openai.shape import Check


def flag(value: Any) -> bool:
    return value is True or value is False


def text(longest: int) -> Check:
    return lambda value: type(value) is str and len(value) <= longest


def word(*words: str) -> Check:
    known = frozenset(words)
    return lambda value: type(value) is str and value in known


def whole(low: int, high: int) -> Check:
    return lambda value: type(value) is int and low <= value <= high


def number(low: float, high: float) -> Check:
    low, high = float(low), float(high)  # compared with an integer, a float takes twice as long
    return lambda value: (type(value) is float or type(value) is int) and low <= value <= high


def items(most: int, item: Check, *, at_least: int = 0) -> Check:
    return lambda value: type(value) is list and at_least <= len(value) <= most and all(map(item, value))


def either(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


def record(required: dict[str, Check], optional: dict[str, Check] | None = None) -> Check:
    """An object with these fields and no other; null stands for an optional one that is not there."""
    known = {**required, **(optional or {})}

    def check(value: Any) -> bool:
        if type(value) is not dict or not value.keys() <= known.keys():
            return False
        if any(value.get(name) is None for name in required):
            return False
        return all(part is None or known[name](part) for name, part in value.items())

    return check


def tree(most_values: int, deepest: int = 32) -> Check:
    """An object or list of any content, bounded in depth and in the number of values it holds."""
    return lambda value: type(value) in {dict, list} and size_within(value, most_values, deepest)


def size_within(value: object, most_values: int, deepest: int) -> bool:
    """Whether `value` holds at most that many values, at most that deep. Level by level: the stack is not at risk."""
    level, seen = [value], 0
    for _ in range(deepest):
        below: list[object] = []
        for item in level:
            if type(item) is dict:
                below.extend(item.values())
            elif type(item) is list:
                below.extend(item)
        seen += len(below)
        if not below or seen > most_values:
            return seen <= most_values
        level = below
    return False


def token_bias(value: Any) -> bool:
    """At most 1024 numbers from -100 to 100 by token id."""
    within = number(-100, 100)
    return (
        type(value) is dict
        and len(value) <= 1024
        and all(len(name) <= 10 and name.isascii() and name.isdigit() for name in value)
        and all(map(within, value.values()))
    )


TOKEN = whole(0, 2**31 - 1)
TOKENS = items(1_048_576, TOKEN, at_least=1)
LONG_TEXT = text(16 * 1024 * 1024)
