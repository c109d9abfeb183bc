"""Tenants: whose calls these are, and what each may have. A tenant that is not named here has the defaults."""

from __future__ import annotations

from forebay.config.schema.base import Name, Section


class Tenant(Section):
    """One tenant, by the name that its keys carry."""

    priority: Name | None = None
    """Class of its calls, one of gateway.queue.classes. Default: gateway.queue.default."""
