"""Engines on shared machines that bear a service's name, and whose they are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from forebay.core.errors import ForebayError, RunError
from forebay.messages import _


class Unclaimed(msgspec.Struct, frozen=True, kw_only=True):
    """`owner` is the number that `owner_of` gave, or as much of it as they bear; `handle` names it `where` it runs."""

    owner: str
    unit: str
    where: str
    handle: str


class Survey(msgspec.Struct, frozen=True):
    """What was found; `silent` are hosts that could not be asked."""

    found: tuple[Unclaimed, ...] = ()
    silent: tuple[str, ...] = ()


async def end_each(found: Sequence[Unclaimed], end: Callable[[Unclaimed], Awaitable[None]]) -> None:
    """End every one, whatever becomes of the others. RunError names those that are left."""
    answers = await asyncio.gather(*map(end, found), return_exceptions=True)
    left: list[str] = []
    details: list[str] = []
    for each, answer in zip(found, answers, strict=True):
        if isinstance(answer, ForebayError | OSError):
            left.append(f"{each.unit} ({each.handle}, {each.where})")
            details.append(f"{each.unit}: {answer}")
        elif isinstance(answer, BaseException):
            raise answer
    if left:
        what = _("not every engine could be ended, there are still {names}").format(names=", ".join(left))
        raise RunError(what, code="engines_left", detail="; ".join(details))
