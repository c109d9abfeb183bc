"""Logs and metrics."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forebay.config.schema.base import Bytes, Port, Seconds, Section
from forebay.config.schema.includes import Monitoring


class Log(Section):
    """JSON lines of every part, under the state directory's `logs/`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe line that is written; the lines of calls have `access`."""
    access: bool = True
    """Whether every call writes a line, whatever the level; probes that find all well write none."""
    rotate: Bytes = 64 * 1024 * 1024
    """Size at which a log file is rotated."""
    keep: Annotated[int, Field(ge=1, le=1000)] = 5
    """Rotated files kept for each part."""


class Metrics(Section):
    """The Prometheus page, summed over all workers."""

    bind: str = "127.0.0.1"
    """Address of the metrics page; it asks for no key."""
    port: Port = 9090
    """Port of the metrics page."""
    scrape: Seconds = 2.0
    """How often engines' own metrics are read."""


class Observe(Section):
    """What forebay tells about itself."""

    log: Log = Log()
    metrics: Metrics = Metrics()
    monitoring: Monitoring = Monitoring()
