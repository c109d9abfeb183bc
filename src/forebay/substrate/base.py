"""What a place that runs units must be able to do: start, observe, signal, stop, and find what it lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from forebay.engines.record import UnitRecord
from forebay.engines.spec import UnitSpec

CONTROLLER = "controller"


def is_controller(unit: str) -> bool:
    """Whether the unit is a controller: the only one, or one of several."""
    return unit == CONTROLLER or unit.removeprefix(f"{CONTROLLER}-").isdigit()


class Substrate(Protocol):
    """Runs units by name. Everything is answered from what really runs, never from memory, so that any process can ask.

    A unit outlives the process that started it.
    """

    def start(self, spec: UnitSpec) -> UnitRecord:
        """Start a unit and return once its program runs or has failed to; RunError where it cannot be held at all."""
        ...

    def observe(self) -> dict[str, UnitRecord]:
        """Every unit that has been started and not deleted, ended ones included."""
        ...

    def find(self, name: str) -> UnitRecord | None:
        """One unit as `observe` would tell of it; cheap enough to ask ten times a second."""
        ...

    def signal(self, name: str, number: int) -> bool:
        """Send a signal to the unit's program; False where it does not run."""
        ...

    def stop(self, names: Sequence[str], within_s: float) -> tuple[str, ...]:
        """Ask the units to stop, all at once, and wait; returns those that had to be killed."""
        ...

    def kill(self, name: str) -> None:
        """End a unit at once, with everything it started."""
        ...

    def delete(self, name: str) -> None:
        """Forget a unit that has ended."""
        ...

    def strays(self) -> dict[int, str]:
        """Processes of units that no living holder owns: pid to unit."""
        ...

    def end_strays(self, *, controllers: bool = True) -> tuple[str, ...]:
        """End them; returns the names of their units. `controllers` False spares those, which are started elsewhere."""
        ...
