"""Watching callers for what they do not usually do."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forebay.config.schema.base import Seconds, Section

Kind = Literal["geography", "hours", "networks", "probing", "rate", "refusals", "volume"]


class Watch(Section):
    """Learns what each key usually does from the access log, and tells what is not: in the log, in
    `forebay_anomalies_total`, and in `forebay watch`. Needs `observe.log.access`."""

    enabled: bool = False
    """Whether callers are watched."""
    learn: Annotated[Seconds, Field(ge=60)] = 3600.0
    """How long a key must have been active before its own habits are judged by."""
    places: str = ""
    """A map for `geography`: a CSV file whose lines begin with a network, or with a first and a last address, and end
    with a place, such as a list of countries. Beside forebay.yaml, or a whole path; read when the watch starts."""
    suspend: list[Kind] = []
    """Anomalies after which the key is suspended until `forebay key resume`."""
