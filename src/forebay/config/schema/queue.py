"""How calls wait in the gateway: how many, how long, and who goes first."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from forebay.config.schema.base import Name, Seconds, Section


class QueueClass(Section):
    """A class of calls. The order of the list breaks ties, and says what is lower than what."""

    name: Name
    """What tenants and the header `x-forebay-class` call it."""
    weight: Annotated[int, Field(ge=1, le=1000)] = 1
    """Its part of the places that come free while several classes wait: this weight over the sum of theirs, in
    tokens."""
    reserved: Annotated[float, Field(ge=0, le=0.9, strict=False)] = 0.0
    """Share of a model's places that other classes leave to it even while it needs none; rounded down."""
    calls: Annotated[int, Field(ge=0)] | None = None
    """How many of its calls may wait in one worker; beyond it 429. Default: gateway.queue.calls."""
    wait: Seconds | None = None
    """How long one of its calls may wait. Default and most: gateway.queue.wait."""


class Queue(Section):
    """Calls that wait in the gateway because every engine is full. Tenants of one class share alike, by tokens."""

    calls: Annotated[int, Field(ge=0)] = 1000
    """How many may wait in one worker, of each class where there are classes; beyond it 429."""
    wait: Seconds = 60.0
    """How long one may wait; beyond it 503. `x-forebay-deadline-ms` may ask for less."""
    reject_early: bool = True
    """Whether a call is refused at once (503) when its wait is foreseen to be longer than it may wait."""
    classes: Annotated[list[QueueClass], Field(max_length=8)] = []
    """Classes of calls, highest first. None: all calls are alike."""
    default: Name | None = None
    """Class of tenants that name none. Default: the last of the list."""
