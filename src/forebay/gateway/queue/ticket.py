"""One call's turn in the queue of its model."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Set


class Ticket:
    """`owner` is whoever is told of the grant; `cost_tokens` what the call will take, as estimated.

    `name` is what it asked for, a model or an adapter; `model` whose line it stands in.

    Tickets are told apart by identity. `deadline` and `joined_at` are monotonic seconds.
    """

    __slots__ = (
        "avoid",
        "cost_tokens",
        "deadline",
        "joined_at",
        "line",
        "model",
        "name",
        "owner",
        "priority",
        "tenant",
    )

    def __init__(self, owner: object, name: str, deadline: float, *, avoid: Set[str] | None = None) -> None:
        self.owner = owner
        self.name = self.model = name
        self.deadline = deadline
        self.avoid: Set[str] = avoid if avoid is not None else set()
        self.joined_at = 0.0
        self.priority = ""
        self.tenant = ""
        self.cost_tokens = 1
        self.line: Line | None = None


# Not a deque: a call that leaves is taken out of the middle at once. Not a dict: the first of a dict whose front was
# deleted is found by walking over the gap.
Line = OrderedDict[Ticket, None]
"""Tickets in order of arrival; `line` of a ticket is the one it stands in."""
