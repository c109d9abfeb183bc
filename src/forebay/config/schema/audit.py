"""The audit log: what is decided about calls, on the disk before it takes effect."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from forebay.config.schema.base import Seconds, Section


class Witness(Section):
    """Somebody else who signs that the log only grows: `forebay audit witness`, or any that speaks C2SP's protocol."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
    """Where it takes checkpoints; `/add-checkpoint` is put behind it."""
    key: Annotated[str, Field(pattern=r"^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$")]
    """Its public key, as `forebay audit witness` prints it: name+id+key."""
    every: Annotated[Seconds, Field(gt=0)] = 60.0
    """How often it is asked."""


class Audit(Section):
    """A log of every decision that cannot be rewritten unseen: who, what, when, from where; no content.

    A call's intent is on the disk before an engine is asked, its outcome before the end of its answer. What cannot be
    recorded is not answered.
    """

    enabled: bool = False
    """Whether calls are recorded; off, the log costs nothing."""
    wait: Annotated[Seconds, Field(gt=0, le=60)] = 2.0
    """Longest that a call waits for one of its records; then it is refused with 503."""
    summary: Annotated[Seconds, Field(gt=0)] = 10.0
    """How often refusals of callers whom nobody knows are told, counted."""
    samples: Annotated[int, Field(ge=0, le=1000)] = 16
    """How many of these each worker tells one by one, each time."""
    personal: Annotated[Seconds, Field(ge=14 * 86400)] | None = None
    """How long names and addresses can be read, at least 14d: then their keys are destroyed, a week's at a time and up
    to a week early; the records stay, and verify. Default: until `forebay privacy erase`."""
    witnesses: list[Witness] = []
    """Who signs what the log says of itself."""
