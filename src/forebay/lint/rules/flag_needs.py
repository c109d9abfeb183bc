"""Flags that need another one."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

_NEEDS = {
    "enable-auto-tool-choice": "tool-call-parser",
    "enable-log-outputs": "enable-log-requests",
    "lora-modules": "enable-lora",
    "enable-eplb": "enable-expert-parallel",
}


@engine_rules.add("flag_needs")
def flag_needs(served: Served) -> Iterator[Finding]:
    """vLLM refuses some flags alone: tools without a parser, adapters without room for them."""
    for flag, other in _NEEDS.items():
        if served.args.get(flag) not in (None, False, [], "") and not served.args.get(other):
            why = _("{flag} needs {other}: vLLM does not start").format(flag=flag, other=other)
            fix = _("Add {other}, or remove {flag}").format(flag=flag, other=other)
            yield served.finding("flag_needs", "error", flag, why, fix)
    if served.is_on("disable-log-stats") and served.is_on("enable-per-request-metrics"):
        why = _("enable-per-request-metrics does not start together with disable-log-stats")
        fix = _("Remove disable-log-stats")
        yield served.finding("flag_needs", "error", "enable-per-request-metrics", why, fix)
    slots, held = served.count("max-loras", 1), served.count("max-cpu-loras", 0)
    if held and held < slots:
        why = _("max-cpu-loras, {held}, is less than max-loras, {slots}: vLLM does not start")
        why = why.format(held=held, slots=slots)
        yield served.finding("flag_needs", "error", "max-cpu-loras", why, _("Set {slots} or more").format(slots=slots))
