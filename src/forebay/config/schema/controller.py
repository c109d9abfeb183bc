"""How many controllers a service has, and how they agree on the one that acts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forebay.config.schema.base import Seconds, Section


class Lease(Section):
    """Makes one controller of several the leader; the others stand by."""

    via: Literal["file", "valkey"] = "file"
    """`file`: controllers of one machine, over its state directory. `valkey`: controllers of several machines, through
    the Valkey of `valkey`; services that share one need names of their own."""
    ttl: Annotated[Seconds, Field(ge=1, le=300)] = 5.0
    """How long a leader may be silent: after that another one takes over."""


class Controller(Section):
    """What starts, watches and changes everything else. What serves calls needs none of them."""

    replicas: Annotated[int, Field(ge=1, le=3)] = 1
    """Controllers on this machine: one leads, the others stand by and take over at once when it dies."""
    lease: Lease = Lease()
