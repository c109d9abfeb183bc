"""A model that does not fit into the memory of its GPUs."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.layers import Facts
from forebay.config.load import Loaded
from forebay.config.weights import Weights
from forebay.core.errors import Finding
from forebay.lint.engines import Served, vllm_engines
from forebay.lint.rules.tensor_parallel import divides
from forebay.lint.run import rules
from forebay.messages import _

_DEFAULT_SHARE = 0.92
_SIZES = (1, 2, 4, 8, 16)
_GIB = 2**30
# Activations, CUDA graphs, NCCL and a KV cache worth having: with less, vLLM stops at start or serves one at a time.
_RESERVE_RATIO = 0.10


@rules.add("model_fits")
def model_fits(loaded: Loaded) -> Iterator[Finding]:
    """Weights, and the KV cache of one longest request, in the share of the memory that vLLM may take."""
    facts = loaded.facts
    if facts is None or not facts.memory_bytes:
        return
    for served in vllm_engines(loaded):
        if served.weights is None or not served.weights.total_bytes:
            continue
        share = _share_bytes(served, facts)
        room = share - facts.memory_bytes * _RESERVE_RATIO
        need = served.weights.total_bytes / served.gpus_per_copy
        if need > room:
            yield _too_large(served, facts, need, room)
        elif _cache(served, _context(served)) > share - need:
            yield _too_long(served, share - need)


def _too_large(served: Served, facts: Facts, need: float, room: float) -> Finding:
    weights = served.weights
    assert weights is not None  # noqa: S101  the caller looked
    why = _(
        "the weights ({total} GB, says {source}) need {need} GiB on each of {gpus} GPUs; {gpu} has room for {room} GiB"
    )
    why = why.format(
        need=_gib(need),
        gpus=served.gpus_per_copy,
        gpu=facts.gpu,
        room=_gib(room),
        total=round(weights.total_bytes / 1e9),
        source=weights.source,
    )
    path = served.arg("tensor-parallel-size") if "tensor-parallel-size" in served.args else (*served.path, "weights")
    return served.finding("model_fits", "error", path, why, _advice(weights, facts, room))


def _advice(weights: Weights, facts: Facts, room: float) -> str:
    """What would fit: more GPUs of this kind, or a smaller form of the model."""
    fitting = [
        f"tensor-parallel-size: {size}" for size in _SIZES if _holds(weights, size, room) and divides(weights, size)
    ]
    if not fitting and weights.expert_width:
        sizes = [size for size in _SIZES if _holds(weights, size, room)]
        fitting = [f"tensor-parallel-size: {size}, enable-expert-parallel: true" for size in sizes]
    fitting = fitting[:1] if _runs(weights, facts) else []
    for name, total_bytes in weights.variants:
        if total_bytes >= weights.total_bytes or not _computes(name, facts):
            continue
        smaller = next((size for size in _SIZES if total_bytes / size <= room), None)
        if smaller is not None:
            fitting.append(_("its {form} form on {count} GPUs").format(form=name, count=smaller))
    if not fitting:
        return _("Nothing of this model fits on 16 such GPUs: take a smaller model or newer hardware")
    return _("What fits: {choices}").format(choices=_(" or ").join(fitting))


def _holds(weights: Weights, size: int, room: float) -> bool:
    return weights.total_bytes / size <= room and (not weights.heads or weights.heads % size == 0)


def _runs(weights: Weights, facts: Facts) -> bool:
    return weights.quantisation != "fp8" or _computes("FP8", facts)


def _computes(form: str, facts: Facts) -> bool:
    """Whether the hardware can run a quantised form, if only weight-only."""
    return facts.fp4 if form == "NVFP4" else facts.compute_capability >= 8.0


def _too_long(served: Served, left: float) -> Finding:
    context = _context(served)
    per_token = _cache(served, 1)
    longest = int(left / per_token) // 1024 * 1024
    why = _("one request of {context} tokens needs {need} GiB of KV cache on each GPU; {left} GiB are left")
    why = why.format(context=context, need=_gib(context * per_token), left=_gib(left))
    fix = _("Set max-model-len: {longest}").format(longest=longest) if longest else _("Use more GPUs for each engine")
    if not served.fp8_cache:
        fix += _(", or kv-cache-dtype: fp8 where the hardware can")
    return served.finding("model_fits", "error", served.arg("max-model-len"), why, fix)


def _share_bytes(served: Served, facts: Facts) -> float:
    share = served.args.get("gpu-memory-utilization", _DEFAULT_SHARE)
    return facts.memory_bytes * (float(share) if isinstance(share, int | float) else _DEFAULT_SHARE)


def _context(served: Served) -> int:
    known = served.weights.context_tokens if served.weights is not None else 0
    given = served.count("max-model-len", known)
    return max(0, given)  # -1 lets vLLM choose what fits


def _cache(served: Served, tokens: int) -> float:
    """Bytes of KV cache on each GPU; with more GPUs than KV heads, heads are held again."""
    if served.weights is None:
        return 0
    heads = served.weights.kv_heads or 1
    shards = min(served.tensor_parallel, heads) * served.count("pipeline-parallel-size", 1)
    return tokens * served.weights.kv_bytes_per_token(1 if served.fp8_cache else 2) / shards


def _gib(count: float) -> str:
    return f"{count / _GIB:.0f}" if count >= 10 * _GIB else f"{count / _GIB:.1f}"
