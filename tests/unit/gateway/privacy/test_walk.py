"""A request of megabytes is searched in small steps, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from forebay.gateway.privacy import inspect
from forebay.gateway.privacy.guard import Guard
from forebay.gateway.privacy.walk import Walk
from forebay.privacy.budget import Budget
from forebay.privacy.detector import Detector
from forebay.privacy.policy import Actions, PrivacyPolicy, Scope
from forebay.privacy.redact import PIECE_CHARACTERS
from forebay.privacy.replace import Names, Replacer
from forebay.privacy.rules import Rules

MEMBERS = 3_000
MOST_MEMBERS = 256

BODIES: dict[str, Callable[[], Any]] = {
    "long keys": lambda: {f"key {number:05} " * 80: None for number in range(MEMBERS // 10)},
    "keys": lambda: {f"a key {number}": None for number in range(MEMBERS)},
    "short keys": lambda: {f"{number}": True for number in range(MEMBERS)},
    "numbers": lambda: [0] * MEMBERS,
    "short lists of numbers": lambda: [[0] * 10] * (MEMBERS // 10),
    "empty lists": lambda: [[]] * MEMBERS,
    "empty objects": lambda: [{} for _ in range(MEMBERS)],
    "texts": lambda: [""] * MEMBERS,
}


class Searched:
    """A detector that counts what it has been shown; its search of a text is not looked at here."""

    endless = Detector({}).endless

    def __init__(self) -> None:
        self.characters = 0
        self.known_keys: set[str] = set()

    def passes(self, text: str) -> bool:
        self.characters += len(text)
        return False


@pytest.mark.parametrize("body", BODIES)
def test_no_step_searches_much(body: str) -> None:
    value, detector = BODIES[body](), Searched()
    replacer = Replacer(Actions(), b"", Names(), frozenset(), frozenset())
    walk = Walk(cast("Detector", detector), replacer, numbers=True, budget=Budget())
    most, before, steps = 0, 0, 0
    for _ in walk.steps(value):
        most, before, steps = max(most, detector.characters - before), detector.characters, steps + 1
    assert max(most, detector.characters - before) <= 2 * PIECE_CHARACTERS
    assert steps >= _members(value) // MOST_MEMBERS


@pytest.mark.parametrize("value", [0, "a", "", None, []])
def test_fields_of_a_request_are_searched_in_steps(value: object) -> None:
    asked = SimpleNamespace(model=SimpleNamespace(name="m"), body=b"{}")
    rules = Rules(PrivacyPolicy(scopes=()))
    guard = Guard(Scope(input=Actions("mask")), rules, b"secret", cast("Any", None), cast("Any", asked))
    fields = {f"field {number}": value for number in range(MEMBERS)}
    assert sum(1 for _ in guard.ask(fields, "/v1/chat/completions")) >= MEMBERS // MOST_MEMBERS


@pytest.mark.parametrize("body", BODIES)
def test_texts_for_plugins_are_gathered_in_steps(body: str) -> None:
    value = BODIES[body]()
    assert sum(1 for _ in inspect._places(value, frozenset())) >= _members(value) // MOST_MEMBERS


def _members(value: Any) -> int:
    inside = value.values() if type(value) is dict else value if type(value) is list else ()
    return len(inside) + sum(_members(each) for each in inside)
