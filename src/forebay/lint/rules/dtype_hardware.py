"""A number format that the hardware does not compute in."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _


@engine_rules.add("dtype_hardware")
def dtype_hardware(served: Served) -> Iterator[Finding]:
    """vLLM refuses to start with bfloat16 before compute capability 8.0 (V100, T4)."""
    facts = served.facts
    if facts is None or facts.bfloat16 or served.args.get("dtype") != "bfloat16":
        return
    why = _("{gpu} does not compute in bfloat16, which needs compute capability 8.0").format(gpu=facts.gpu)
    yield served.finding("dtype_hardware", "error", "dtype", why, _("Set float16"))
