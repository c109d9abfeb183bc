"""Tensor parallelism that does not divide the model."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.weights import Weights
from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

SIZES = (1, 2, 4, 8, 16)


@engine_rules.add("tensor_parallel")
def tensor_parallel(served: Served) -> Iterator[Finding]:
    """Heads must divide evenly; the blocks of block-quantised experts too, unless experts lie whole on one GPU."""
    facts, size = served.weights, served.tensor_parallel
    if facts is None or size == 1:
        return
    if facts.heads and facts.heads % size:
        why = _("{size} GPUs do not divide the model's {heads} attention heads")
        why = why.format(size=size, heads=facts.heads)
        yield _error(served, why, _("Set {sizes}").format(sizes=_fitting(facts, served)))
    elif not _experts_divide(facts, size) and not served.is_on("enable-expert-parallel"):
        why = _("{size} GPUs do not divide the experts: {width} wide in quantised blocks of {block}")
        why = why.format(size=size, width=facts.expert_width, block=facts.quantisation_block)
        fix = _("Set {sizes}, or enable-expert-parallel: true").format(sizes=_fitting(facts, served))
        yield _error(served, why, fix)
    elif facts.kv_heads and size > facts.kv_heads:
        why = _("{size} GPUs share {heads} KV heads: each holds the KV cache of {copies} of them again")
        why = why.format(size=size, heads=facts.kv_heads, copies=size // facts.kv_heads)
        fix = _("{heads} GPUs an engine and more engines hold more sequences").format(heads=facts.kv_heads)
        yield served.finding("tensor_parallel", "note", "tensor-parallel-size", why, fix)


def divides(facts: Weights, size: int) -> bool:
    """Whether the model can be cut into `size` parts."""
    return (not facts.heads or facts.heads % size == 0) and _experts_divide(facts, size)


def _experts_divide(facts: Weights, size: int) -> bool:
    if not facts.expert_width or not facts.quantisation_block:
        return True
    return facts.expert_width % (size * facts.quantisation_block) == 0


def _fitting(facts: Weights, served: Served) -> str:
    sizes = [size for size in SIZES if size < served.tensor_parallel and divides(facts, size)]
    return f"tensor-parallel-size: {sizes[-1] if sizes else 1}"


def _error(served: Served, why: str, fix: str) -> Finding:
    return served.finding("tensor_parallel", "error", "tensor-parallel-size", why, fix)
