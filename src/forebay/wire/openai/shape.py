"""What one route's body may hold: an allow-list of fields, each with its bounds and with the engines that take it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

Check = Callable[[Any], bool]
OLDEST = (0, 11)
"""The oldest release of vLLM whose routes and fields are known."""


class BadField(ValueError):
    """A field of the body that is unknown, forbidden, out of bounds, or taken by no engine of the model."""

    def __init__(self, field: str, message: str, code: str = "invalid_value") -> None:
        super().__init__(message)
        self.field = field
        self.message = message
        self.code = code


class Field(msgspec.Struct, frozen=True):
    """One field: its bounds, in code and in words.

    `since` is the first release of vLLM that takes it; `embedded` says whether llama.cpp does. An engine that does not
    know a field ignores it, so the client would get an answer to another question.
    """

    check: Check
    expects: str
    since: tuple[int, int] = OLDEST
    embedded: bool = True


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A route's body, and where engines take it.

    `engine_path`, `since` and `embedded`: its path at the engine, the first release of vLLM that has it, and whether
    llama.cpp does.
    `groups`: the fields of exactly one of these must be there. `dropped` are taken and go no further, so that clients
    of the platform work unchanged. `unsupported` are fields of the route that no engine of a model takes: `narrowed`
    moves them there. `streams`: the route may be asked for a stream; `usage_option`: engines are told by
    `stream_options` to count the tokens of one.
    """

    engine_path: bytes
    fields: dict[str, Field]
    since: tuple[int, int] = OLDEST
    embedded: bool = True
    required: tuple[str, ...] = ("model",)
    groups: tuple[tuple[str, ...], ...] = ()
    dropped: frozenset[str] = frozenset()
    unsupported: frozenset[str] = frozenset()
    streams: bool = False
    usage_option: bool = False

    def narrowed(self, unsupported: frozenset[str]) -> Shape:
        """The same route where `unsupported` cannot be had."""
        if not unsupported:
            return self
        left = {name: field for name, field in self.fields.items() if name not in unsupported}
        return msgspec.structs.replace(self, fields=left, unsupported=unsupported)


def check_fields(body: dict[str, Any], shape: Shape) -> bool:
    """Check every field of `body`, removing those that go no further; returns whether any was removed.

    Raises BadField for the first that does not fit.
    """
    fields = shape.fields
    removed: list[str] = []
    for name, value in body.items():
        known = fields.get(name)
        if known is None:
            _check_unlisted(name, value, shape)
            removed.append(name)
        elif value is not None and not known.check(value):
            raise BadField(name, f"{name} must be {known.expects}.")
    for name in shape.required:
        if body.get(name) is None:
            raise BadField(name, f"{name} is missing.", "missing_field")
    if shape.groups:
        _check_groups(body, shape)
    for name in removed:
        del body[name]
    return bool(removed)


def _check_unlisted(name: str, value: object, shape: Shape) -> None:
    """Raise BadField unless the field may be left out: the platform's own, or one that asks for nothing."""
    if name in shape.unsupported:
        if value is not None:
            raise BadField(name, f"No engine of this model takes {name}.", "not_supported")
    elif name not in shape.dropped:
        raise BadField(name, f"The field {name[:64]!r} is not accepted on this route.", "unknown_field")


def _check_groups(body: dict[str, Any], shape: Shape) -> None:
    begun = [group for group in shape.groups if any(body.get(name) is not None for name in group)]
    choices = " or ".join(" and ".join(group) for group in shape.groups)
    if not begun:
        raise BadField(shape.groups[0][0], f"{choices} is missing.", "missing_field")
    if len(begun) > 1:
        raise BadField(begun[1][0], f"Send {choices}, not both.")
    for name in begun[0]:
        if body.get(name) is None:
            raise BadField(name, f"{name} is missing.", "missing_field")
