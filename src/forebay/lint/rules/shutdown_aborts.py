"""An engine that drops its work when it is told to stop."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

_SINCE = (0, 18, 0)


@engine_rules.add("shutdown_aborts")
def shutdown_aborts(served: Served) -> Iterator[Finding]:
    """SIGTERM ends every running answer, unless `--shutdown-timeout` gives them time."""
    if served.owned or served.number < _SINCE or served.count("shutdown-timeout", 0):
        return
    why = _("SIGTERM aborts every running answer: --shutdown-timeout is not set")
    fix = _("Set --shutdown-timeout 30 or more, and as much grace where it is stopped")
    yield served.finding("shutdown_aborts", "note", "shutdown-timeout", why, fix)
