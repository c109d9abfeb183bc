"""How many copies of an engine run, by the load."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forebay.config.schema.base import Seconds, Section

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class ScaleWindow(Section):
    """A part of the week in which more copies run at least."""

    days: Annotated[list[Day], Field(min_length=1)] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    """On which days it begins."""
    start: Clock
    """When it begins, such as 08:30."""
    end: Clock
    """When it ends; before `start` means on the next day."""
    least: Annotated[int, Field(ge=1, le=1000)]
    """Copies that run at least in it."""

    @property
    def weekdays(self) -> frozenset[int]:
        """The days on which it begins, Monday being 0."""
        return frozenset(_WEEK.index(day) for day in self.days)

    @property
    def start_minute(self) -> int:
        """Minutes from midnight."""
        return _minute(self.start)

    @property
    def end_minute(self) -> int:
        """Minutes from midnight."""
        return _minute(self.end)


class EngineScale(Section):
    """More and fewer copies by the load. Off unless written.

    Where forebay starts the engines, `count` copies are there to be had, and those that are not needed drain and stop.
    What `forebay render kubernetes` writes lets KEDA ask Prometheus by the same keys but `ahead`, in place of `count`.
    """

    least: Annotated[int, Field(ge=1, le=1000)] = 1
    """Copies that always run."""
    most: Annotated[int, Field(ge=1, le=1000)]
    """Copies that there are at most."""
    calls: Annotated[int, Field(ge=1)] | None = None
    """Calls that a copy runs and has waiting, on average, above which another copy comes. Default: four fifths of what
    it can hold."""
    kv: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.9
    """Share of the KV cache in use, on average, above which another copy comes."""
    up: Seconds = 3.0
    """How long more must have been needed before a copy comes."""
    down: Seconds = 600.0
    """How long fewer must have been enough, and nothing have changed, before one goes."""
    windows: list[ScaleWindow] = []
    """Parts of the week with a higher `least`."""
    zone: Annotated[str, Field(pattern=r"^[A-Za-z0-9_+/-]+$")] = "UTC"
    """Time zone of `windows`, such as Asia/Shanghai."""
    ahead: Seconds | None = None
    """How long before calls come that were seen at this time of earlier days the copies for them are started; about
    what a start takes. Needs `observe.log.access`. Default: nothing is started on a forecast."""
    prometheus: Annotated[str, Field(pattern=r"^https?://[^\s'\"]+$")] = "http://prometheus.monitoring:9090"
    """The Prometheus that scrapes the engines, as KEDA reaches it."""


def _minute(clock: str) -> int:
    hours, _colon, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)
