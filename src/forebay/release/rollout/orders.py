"""What a person asks of a rollout: left in a file by a command, taken from there by the controller, once."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from forebay.core.files import write_atomically

Wish = Literal["pause", "resume", "promote", "abort"]
FILE = "rollout.order"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One wish, for the change with that id alone."""

    change: str
    wish: Wish
    by: str
    reason: str = ""


def leave(run: Path, order: Order) -> None:
    """Leave it for the controller; one that it has not taken yet is replaced."""
    write_atomically(run / FILE, msgspec.json.encode(order))


def take(run: Path) -> Order | None:
    """The order that lies there, which is then gone; None where there is none, or one that cannot be read."""
    path = run / FILE
    try:
        content = path.read_bytes()
        path.unlink()
        return msgspec.json.decode(content, type=Order)
    except (OSError, msgspec.DecodeError):
        return None
