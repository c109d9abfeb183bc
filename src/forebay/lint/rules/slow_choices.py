"""What is on by itself, turned off."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding, Severity
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import N_, _

_COSTS: tuple[tuple[str, Severity, str], ...] = (
    ("enable-chunked-prefill", "warning", N_("without chunked prefill every stream waits while a long prompt is read")),
    ("enable-prefix-caching", "note", N_("without prefix caching what prompts share is computed again for each")),
    ("async-scheduling", "note", N_("without asynchronous scheduling the accelerator waits for the scheduler")),
)


@engine_rules.add("slow_choices")
def slow_choices(served: Served) -> Iterator[Finding]:
    """Chunked prefill, prefix caching and asynchronous scheduling are on because they pay."""
    if served.hardware == "cpu":
        return
    for flag, severity, reason in _COSTS:
        if served.is_off(flag):
            yield served.finding("slow_choices", severity, flag, _(reason), _("Remove it"))
