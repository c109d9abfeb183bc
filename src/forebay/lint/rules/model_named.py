"""A command that names no model."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _


@engine_rules.add("model_named")
def model_named(served: Served) -> Iterator[Finding]:
    """vLLM then serves a small default model, and nobody is told."""
    if not served.owned and not served.model:
        why = _("no model is named: vLLM would serve its default, a small one")
        yield served.finding("model_named", "error", "weights", why, _("Write it behind `vllm serve`"))
