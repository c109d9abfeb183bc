"""What stands in the place of a value: nothing of it, a name that can be turned back within one request, or a hash."""

from __future__ import annotations

import hashlib
import hmac
import re

from forebay.privacy.policy import Actions
from forebay.privacy.recogniser import CERTAIN, Recogniser
from forebay.privacy.span import Span

PSEUDONYM = "pseudonym"
_HASH_CHARACTERS = 16
_NAME = r"<[A-Z0-9][A-Z0-9_]{0,63}_[0-9]{1,6}>"

PSEUDONYMS = Recogniser(pattern=f"({_NAME})", judge=lambda _found: 2 * CERTAIN)
"""Finds names that stand for values, surer than anything else."""

_SPACES = re.compile(r"[\s.\-()]+")


class Blocked(Exception):
    """A value whose policy is that nothing with it in it passes; `kind` is its type."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Names:
    """The pseudonyms of one request: which value each stands for. They end with it."""

    __slots__ = ("_avoided", "_counts", "_names", "_values")

    def __init__(self, avoided: str = "") -> None:
        self._avoided = avoided
        self._names: dict[tuple[str, str], str] = {}
        self._values: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._values)

    def of(self, kind: str, value: str) -> str:
        """The name of a value; no name is given that stood in the request before."""
        known = self._names.get((kind, value))
        if known is not None:
            return known
        while True:
            self._counts[kind] = count = self._counts.get(kind, 0) + 1
            name = f"<{kind.upper()}_{count}>"
            if name not in self._avoided:
                break
        self._names[kind, value] = name
        self._values[name] = value
        return name

    def value(self, name: str) -> str | None:
        """What a name stands for; None for text that only looks like one."""
        return self._values.get(name)


class Replacer:
    """Replaces values by what the policy has for their type. `spared` are values that stay as they are.

    `endless` are the types of values without a longest length. A stream has to say what stands in their place before
    it knows them, so they are masked where a name or a hash is asked for.
    """

    __slots__ = ("_actions", "_endless", "_names", "_secret", "_spared", "counts")

    def __init__(
        self, actions: Actions, secret: bytes, names: Names, spared: frozenset[str], endless: frozenset[str]
    ) -> None:
        self._actions = actions
        self._endless = endless
        self._secret = secret
        self._spared = spared
        self._names = names
        self.counts: dict[tuple[str, str], int] = {}

    def replacement(self, span: Span, value: str) -> str | None:
        """What the client or the engine gets instead of `value`; None where that is itself. Raises Blocked."""
        kind = span.type
        if kind == PSEUDONYM:
            return self._names.value(value)
        action = self._actions.of(kind)
        if kind in self._endless:
            action = action if action in {"allow", "block"} else "mask"
        elif value in self._spared:
            return None
        self.counts[kind, action] = self.counts.get((kind, action), 0) + 1
        if action == "allow":
            return None
        if action == "block":
            raise Blocked(kind)
        if action == "pseudonymise":
            return self._names.of(kind, value)
        if action == "hash":
            return f"[{kind.upper()}#{self._hash(kind, value)}]"
        return f"[{kind.upper()}]"

    def _hash(self, kind: str, value: str) -> str:
        """The same value has the same hash, however it was grouped; without the secret nobody can try values out."""
        plain = _SPACES.sub("", value).lower()
        return hmac.new(self._secret, f"{kind}\0{plain}".encode(), hashlib.sha256).hexdigest()[:_HASH_CHARACTERS]
