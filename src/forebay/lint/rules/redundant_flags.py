"""Flags that turn on what is on."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

_ON_SINCE = {"async-scheduling": (0, 14, 0), "enable-chunked-prefill": (0, 11, 0)}
# With these vLLM decides otherwise, so that saying it may say something.
_OTHERWISE = (
    "runner",
    "convert",
    "task",
    "speculative-config",
    "pipeline-parallel-size",
    "distributed-executor-backend",
)


@engine_rules.add("redundant_flags")
def redundant_flags(served: Served) -> Iterator[Finding]:
    """Asynchronous scheduling is on since 0.14, chunked prefill since before 0.11: saying so says nothing."""
    if any(flag in served.args for flag in _OTHERWISE):
        return
    for flag, since in _ON_SINCE.items():
        if served.is_on(flag) and served.number >= since:
            why = _("{flag} is on by itself in vLLM {release}").format(flag=flag, release=served.release)
            found = served.finding("redundant_flags", "note", flag, why, _("Remove it"))
            yield served.repairable(found, flag, None)
