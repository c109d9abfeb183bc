"""What engines are called."""

from __future__ import annotations

import re


def engine_names(name: str | None, model: str, kind: str, count: int) -> tuple[str, ...]:
    """One name a copy: `chat-1`, `chat-2` …; a name of its own or `model-kind` first. Safe as file names and labels."""
    base = name or re.sub(r"[^a-z0-9._-]+", "-", f"{model}-{kind}".lower()).strip("-.")[-60:].lstrip("-._")
    return tuple(f"{base}-{copy + 1}" for copy in range(count))
