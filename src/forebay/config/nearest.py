"""What somebody who mistyped a name meant."""

from __future__ import annotations

import difflib


def nearest_name(name: str, known: tuple[str, ...]) -> str | None:
    """The known name that `name` was probably meant to be."""
    flat = {key.replace("_", "").replace("-", "").lower(): key for key in known}
    if (same := flat.get(name.replace("_", "").replace("-", "").lower())) is not None:
        return same
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return close[0] if close else None
