"""Encoders of images cut into pieces too small to pay."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

_TOLD = ("mm-encoder-tp-mode", "language-model-only", "limit-mm-per-prompt", "enable-multimodal-encoder-data-parallel")


@engine_rules.add("vision_flags")
def vision_flags(served: Served) -> Iterator[Finding]:
    """Qwen3-VL's encoder is small: each GPU runs it whole on a part of the images, as its makers advise."""
    if "qwen3-vl" not in served.model.lower() or served.tensor_parallel == 1:
        return
    if any(flag.partition(".")[0] in _TOLD for flag in served.args):
        return
    why = _("the image encoder is cut over {count} GPUs, which costs more talk than it saves")
    fix = _("Set mm-encoder-tp-mode: data; or language-model-only: true where nobody sends images")
    yield served.finding("vision_flags", "note", "weights", why.format(count=served.tensor_parallel), fix)
