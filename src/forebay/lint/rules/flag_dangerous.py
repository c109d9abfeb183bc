"""Flags that give away the machine or blind its operators."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.engines.vllm_args import DANGEROUS
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import N_, _

_FIXES = {
    "trust-remote-code": N_("Remove it where vLLM knows the model itself; else pin --revision and --code-revision"),
    "allowed-local-media-path": N_("Remove it, or name one folder that holds nothing but media"),
}


@engine_rules.add("flag_dangerous")
def flag_dangerous(served: Served) -> Iterator[Finding]:
    """Code that comes with weights, files of the machine, templates of clients, and engines that show no metrics."""
    if served.owned:
        return  # vllm_flags refuses them, with the reason
    for name, reason in DANGEROUS.items():
        flag = name.removeprefix("--")
        value = served.args.get(flag)
        if not value:
            continue
        fatal = flag == "disable-log-stats" or (flag == "allowed-local-media-path" and value == "/")
        why = _("{name} is dangerous: {reason}").format(name=name, reason=_(reason))
        fix = _(_FIXES.get(flag, N_("Remove it")))
        yield served.finding("flag_dangerous", "error" if fatal else "warning", flag, why, fix)
