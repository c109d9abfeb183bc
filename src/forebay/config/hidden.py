"""What may be seen of an environment variable: someone may have written a secret where a name belongs. Pure."""

from __future__ import annotations

import re
from typing import Any

_HIDDEN = "********"
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE", re.IGNORECASE)


def shown(name: str, value: Any) -> Any:
    """The value, or stars for one of a variable that is called like a secret."""
    return _HIDDEN if value and _SECRET_NAME.search(name) else value
