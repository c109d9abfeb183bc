"""Containers that are killed before their engine is done."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _


@engine_rules.add("container_stop")
def container_stop(served: Served) -> Iterator[Finding]:
    """Docker kills ten seconds after SIGTERM, unless it is told to wait."""
    container, shutdown_s = served.container, served.count("shutdown-timeout", 0)
    if container is None or shutdown_s <= container.stop_s:
        return
    why = _("the engine has {shutdown} s to finish its work, the container is killed after {stop:g} s")
    why = why.format(shutdown=shutdown_s, stop=container.stop_s)
    fix = _("Set stop_grace_period (or --stop-timeout) to {grace}s").format(grace=shutdown_s + 15)
    yield served.finding("container_stop", "error", "at.stop_grace_period", why, fix)
