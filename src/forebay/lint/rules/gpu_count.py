"""More GPUs than there are, or fewer."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _


@engine_rules.add("gpu_count")
def gpu_count(served: Served) -> Iterator[Finding]:
    """Tensor, pipeline and data parallelism multiply; the product is what an engine takes."""
    if served.owned or not served.gpus or served.count("nnodes", 1) > 1:
        return
    ranks = served.count("data-parallel-size-local", 0) or served.count("data-parallel-size", 1)
    need = served.gpus_per_copy * max(1, ranks) * max(1, served.count("prefill-context-parallel-size", 1))
    words = {"need": need, "gpus": served.gpus}
    key = "tensor-parallel-size" if "tensor-parallel-size" in served.args else "gpus"
    if need > served.gpus:
        why = _("its flags need {need} GPUs (tensor x pipeline x data parallel), it has {gpus}").format(**words)
        yield served.finding("gpu_count", "error", key, why, _("Set tensor-parallel-size to fit"))
    elif need < served.gpus:
        why = _("its flags use {need} of {gpus} GPUs").format(**words)
        yield served.finding("gpu_count", "note", key, why, _("Run more engines, or raise tensor-parallel-size"))
