"""Variables that open the engine, or that nothing reads any more."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.engines.command import REFUSED_ENV
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _


@engine_rules.add("environment")
def environment(served: Served) -> Iterator[Finding]:
    """Development mode puts engines to sleep on request; insecure serialisation runs what a message says."""
    for name, value in served.env.items():
        if value in ("", "0"):
            continue
        if name in REFUSED_ENV and not served.owned and name != "VLLM_API_KEY":
            why = _("{name} is dangerous: {reason}").format(name=name, reason=_(REFUSED_ENV[name]))
            yield served.finding("env_dangerous", "error", f"env.{name}", why, _("Remove it"))
        if name == "VLLM_USE_V1":
            why = _("vLLM {release} has one engine only and does not read {name}")
            why = why.format(name=name, release=served.release)
            yield served.finding("env_unread", "note", f"env.{name}", why, _("Remove it"))
    if served.env.get("VLLM_USE_V1") == "0":
        why = _("the engine that VLLM_USE_V1=0 asks for is gone since vLLM 0.11")
        yield served.finding("env_unread", "warning", "env.VLLM_USE_V1", why, _("Remove it"))
