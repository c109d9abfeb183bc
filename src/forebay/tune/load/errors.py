"""Why there is no measurement.

RunError
├── Unreachable             nothing answers at the address, or it will not serve this client or model
├── NothingMeasured         the load ran, and not one answer was good enough to count
└── ClientWasTheBottleneck  the figures would be the generator's, not the service's
ForebayError
└── TraceError              a recorded load that cannot be played, by line
"""

from __future__ import annotations

from collections.abc import Mapping

from forebay.core.errors import ForebayError, RunError


class Unreachable(RunError):
    """Nothing answers there, or it refuses what every request of the load would ask."""


class NothingMeasured(RunError):
    """No request of the steady part was answered well; `sent` of them began there, and failed for these `reasons`."""

    def __init__(self, what: str, *, fix: str = "", sent: int = 0, reasons: Mapping[str, int] | None = None) -> None:
        super().__init__(what, fix=fix)
        self.sent = sent
        self.reasons = dict(reasons or {})


class ClientWasTheBottleneck(RunError):
    """The generator could not keep its own schedule, so that nobody can say what the service would have done."""


class TraceError(ForebayError):
    """A line of a trace is not what its format says."""
