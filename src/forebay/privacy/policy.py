"""What is done with what is found: frozen values, by direction and type, for tenants and models."""

from __future__ import annotations

from typing import Literal

import msgspec

from forebay.privacy.budget import CROWDED, FREE

Action = Literal["allow", "mask", "pseudonymise", "hash", "block"]
Unreadable = Literal["block", "allow", "read"]


class Actions(msgspec.Struct, frozen=True):
    """What is done in one direction: by type, and `default` with every other."""

    default: Action = "mask"
    types: dict[str, Action] = {}

    def of(self, kind: str) -> Action:
        return self.types.get(kind) or (self._of_crowded() if kind == CROWDED else self.default)

    def _of_crowded(self) -> Action:
        """What was not confirmed may be anything: the strictest that is done with anything, and never nothing."""
        return "block" if "block" in {self.default, *self.types.values()} else "mask"

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be done with anything."""
        return {self.default, *self.types.values()} == {"allow"}


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """The policy of calls of one tenant, of one model, or of one tenant to one model; None is any.

    `unreadable` is what becomes of content that holds text no recogniser can read: images, prompts of token ids. `read`
    has plug-ins read the images.
    """

    tenant: str | None = None
    model: str | None = None
    input: Actions = Actions()
    output: Actions = Actions()
    unreadable: Unreadable = "block"


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of the operator's own: words, or an expression in RE2's syntax; with `near`, only behind one of these.

    `listed` are words, too, one a line.
    """

    name: str
    words: tuple[str, ...] = ()
    listed: str = ""
    expression: str = ""
    near: tuple[str, ...] = ()


class Plugin(msgspec.Struct, frozen=True, kw_only=True):
    """A program of the operator's that finds what no recogniser does: `plugin` has what it is asked.

    `finds` are the types that it may tell of. `images`: it reads what stands in images. `answers`: it looks at answers,
    too, which must then be whole.
    """

    name: str
    url: str
    finds: frozenset[str] = frozenset()
    images: bool = False
    answers: bool = False
    timeout_s: float = 2.0
    most_bytes: int = 1024 * 1024


class PrivacyPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that workers must know. Of `scopes` the first that fits a call is in force.

    `spared` are values that are nobody's: the company's own address and telephone number.
    """

    scopes: tuple[Scope, ...]
    patterns: tuple[Pattern, ...] = ()
    plugins: tuple[Plugin, ...] = ()
    spared: tuple[str, ...] = ()
    least: float = 0.6
    candidates: int = FREE
    off: tuple[str, ...] = ()
