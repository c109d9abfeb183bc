"""What keeps a plan from being made."""

from __future__ import annotations

from forebay.core.errors import UsageError


class NoCountMeets(UsageError):
    """The objective is missed by a call that runs alone: no number of engines helps."""


class CurveHasHoles(UsageError):
    """The measured points do not say where the objective is first missed."""
