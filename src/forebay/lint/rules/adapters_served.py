"""Adapters that clients may ask for and no engine holds."""

from __future__ import annotations

import json
from collections.abc import Iterator

from forebay.config.load import Loaded
from forebay.core.errors import Finding
from forebay.lint.engines import as_served, written_engines
from forebay.lint.run import rules
from forebay.messages import _


@rules.add("adapters_served")
def adapters_served(loaded: Loaded) -> Iterator[Finding]:
    """Adapters are served only where `enable-lora` is on and each is loaded, in as many slots as promised."""
    for path, engine in written_engines(loaded):
        served = as_served(loaded, path, engine)
        if not engine.adapters:
            continue
        if not served.is_on("enable-lora"):
            why = _("adapters are named, but enable-lora is off: the engine refuses them")
            yield served.finding("adapters_served", "error", "adapters", why, _("Set args.enable-lora: true"))
            continue
        given = served.args.get("lora-modules")
        loads = {_name(module) for module in given} if isinstance(given, list) else set()
        missing = [name for name in engine.adapters if loads and name not in loads]
        if missing and engine.env.get("VLLM_ALLOW_RUNTIME_LORA_UPDATING") in (None, "", "0"):
            why = _("lora-modules does not load {names}").format(names=", ".join(missing))
            yield served.finding("adapters_served", "error", "adapters", why, _("Add them to args.lora-modules"))
        if engine.adapter_slots > served.count("max-loras", 1):
            why = _("adapter_slots, {slots}, is more than max-loras, {held}")
            why = why.format(slots=engine.adapter_slots, held=served.count("max-loras", 1))
            fix = _("Set args.max-loras: {slots}").format(slots=engine.adapter_slots)
            yield served.finding("adapters_served", "error", "adapter_slots", why, fix)


def _name(module: object) -> str:
    """`name=path`, or the name of a mapping written as JSON."""
    text = str(module)
    if not text.startswith("{"):
        return text.partition("=")[0]
    try:
        return str(json.loads(text).get("name", ""))
    except (ValueError, AttributeError):
        return ""
