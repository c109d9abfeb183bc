"""Keys that machines share are believed for a time: a machine that is cut off hears of no revocation."""

from __future__ import annotations

from pathlib import Path

import msgspec

from forebay.gateway.view import View

# A clock that was set back makes a confirmation lie ahead: by more than this it says nothing.
_AHEAD_S = 60.0


def believed(confirmed: Path, within_s: float, now: float) -> bool:
    """Whether the keys were confirmed less than `within_s` ago; always where they are this machine's alone (0)."""
    if not within_s:
        return True
    try:
        at = confirmed.stat().st_mtime
    except OSError:
        return False
    return at - _AHEAD_S < now < at + within_s


def without_keys(view: View) -> View:
    """The view of a worker that cannot tell any more which keys and tokens are good. Certificates still are."""
    return msgspec.structs.replace(view, keys={}, issuers={}, verified={}, undecided=True)
