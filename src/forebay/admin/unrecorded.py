"""What was urgent and is done though the audit log does not have it: the admin process's own log has it instead."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from forebay.admin.guard import Administrator
from forebay.observe.log import JsonLog


def unrecorded(log: JsonLog, action: str, who: Administrator) -> Callable[[str], None]:
    """To be made in the loop and told, on any thread, why the audit log took nothing: only the loop writes the log."""
    loop = asyncio.get_running_loop()

    def tell(why: str) -> None:
        message = f"the audit log does not have what was done: {why}"
        line = partial(log.write, "error", message, time.time(), action=action, key_id=who.id)
        loop.call_soon_threadsafe(line)

    return tell
