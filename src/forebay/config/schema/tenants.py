"""Tenants: whose calls these are, and what each may have. A tenant that is not named here has the defaults."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from forebay.config.schema.base import Name, Section
from forebay.config.schema.limits import Bounds
from forebay.config.schema.security import Networks


class Tenant(Section):
    """One tenant, by the name that its keys carry."""

    priority: Name | None = None
    """Class of its calls, one of gateway.queue.classes. Default: gateway.queue.default."""
    networks: Networks = Networks()
    """Where calls of its keys and tokens may come from."""
    region: Name | None = None
    """Region whose engines alone may see its calls, also when a call is tried again, continued or copied: where none of
    them is ready, a call is refused with 503. An engine that names no region is in none. Default: all engines."""
    purpose: Name | None = None
    """What its calls are for, one of processing.purposes, where they name none. Default: processing.calls."""
    limits: Bounds | None = None
    """What all its keys may use together. Default: limits.tenant."""
    keys: dict[Annotated[str, Field(pattern=r"^[^\x00-\x1f]{1,120}$")], Bounds] = {}
    """Limits of single keys, by their id or name. A name that several of its keys bear bounds each of them."""
