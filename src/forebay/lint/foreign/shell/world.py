"""What a script's variables hold at one point of one way through it."""

from __future__ import annotations

from typing import Literal

import msgspec

from forebay.lint.foreign.word import Word

# Follows a text that someone outside may set otherwise (`${1:-production}`): no branch is ruled out by it.
SOFT = "\ue001"

State = Literal["runs", "returned", "exited"]


class World(msgspec.Struct):
    """Variables by name; `arrays` those in parentheses, `keyed` those that `declare -A` made.

    `arguments` is None where the script's own are meant.
    """

    variables: dict[str, str] = {}
    arrays: dict[str, tuple[Word, ...]] = {}
    exported: frozenset[str] = frozenset()
    arguments: tuple[Word, ...] | None = None
    state: State = "runs"
    keyed: dict[str, dict[str, str]] = {}

    def copy(self) -> World:
        keyed = {name: dict(texts) for name, texts in self.keyed.items()}
        return World(dict(self.variables), dict(self.arrays), self.exported, self.arguments, self.state, keyed)

    def assign(self, name: str, text: str, *, add: bool = False) -> None:
        self.variables[name] = self.variables.get(name, "") + text if add else text
        self.arrays.pop(name, None)

    def assign_array(self, name: str, words: tuple[Word, ...], *, add: bool = False) -> None:
        before = self.arrays.get(name, ()) if add else ()
        if add and name in self.variables:
            before = (Word(self.variables.pop(name)),)
        self.arrays[name] = (*before, *words)
        self.variables.pop(name, None)

    def unset(self, name: str) -> None:
        self.variables.pop(name, None)
        self.arrays.pop(name, None)
        self.keyed.pop(name, None)

    @property
    def environment(self) -> dict[str, str]:
        """What a program that it starts would see."""
        return {name: hard(text) for name, text in self.variables.items() if name in self.exported}


def hard(text: str) -> str:
    """The text without the marks of what may be set otherwise."""
    return text.replace(SOFT, "")


class Command(msgspec.Struct, frozen=True):
    """A program that the script would start, with what it finds in its environment."""

    words: tuple[Word, ...]
    env: dict[str, str]
    line: int
