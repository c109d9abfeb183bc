"""Checks of the running service against laws and standards, by themselves."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from forebay.config.schema.base import Seconds, SecretRef, Section


class Compliance(Section):
    """`forebay compliance check` on a schedule: reports are kept, and a control that is lost raises an alert."""

    every: Annotated[Seconds, Field(ge=60)] | None = None
    """How often the running service is assessed, such as `1d`. Default: only when somebody asks."""
    packs: list[Annotated[str, Field(min_length=1)]] = []
    """Packs of controls by name or file. Default: all that come with forebay."""
    keep: Annotated[int, Field(ge=2, le=10_000)] = 90
    """Reports that are kept, under the state directory's `compliance/`."""
    key: SecretRef | None = None
    """API key that probes call with. Default: the development key, where there is one."""
