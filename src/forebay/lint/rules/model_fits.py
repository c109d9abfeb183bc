"""A model that does not fit into the memory of its GPUs."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.layers import Facts
from forebay.config.weights import Weights
from forebay.core.errors import Finding
from forebay.lint.rules.tensor_parallel import SIZES, divides
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

_DEFAULT_SHARE = 0.92
_OLD_DEFAULT_SHARE = 0.90  # before 0.20
_GIB = 2**30
# Activations, CUDA graphs, NCCL and a KV cache worth having: with less, vLLM stops at start or serves one at a time.
_RESERVE_RATIO = 0.10
# With less than this beside the weights vLLM does not start; between the two it starts and holds few sequences.
_LEAST_RATIO = 0.03
_QUANTISED_AT_LOAD = {"fp8": 0.52, "bitsandbytes": 0.30, "experts_int8": 0.55}


@engine_rules.add("model_fits")
def model_fits(served: Served) -> Iterator[Finding]:
    """Weights, and the KV cache of one longest request, in the share of the memory that vLLM may take."""
    facts, weights = served.facts, served.weights
    if facts is None or not facts.memory_bytes or weights is None or not weights.total_bytes:
        return
    if "cpu-offload-gb" in served.args:
        return  # part of the weights lies elsewhere
    share = _share_bytes(served, facts)
    room = share - facts.memory_bytes * _RESERVE_RATIO
    need = _loaded_bytes(served, weights) / served.weight_shards
    if need > (room if weights.stated else share - facts.memory_bytes * _LEAST_RATIO):
        yield _too_large(served, weights, facts, need, room)
    elif _cache(served, weights, _context(served, weights)) > share - need:
        yield _too_long(served, weights, share - need)
    elif need > room:
        yield _tight(served, facts, share - need)


def _too_large(served: Served, weights: Weights, facts: Facts, need: float, room: float) -> Finding:
    why = _(
        "the weights ({total} GB, says {source}) need {need} GiB on each of {gpus} GPUs; {gpu} has room for {room} GiB"
    )
    close = _gib(need) == _gib(room)
    why = why.format(
        need=f"{need / _GIB:.2f}" if close else _gib(need),
        gpus=served.weight_shards,
        gpu=facts.gpu,
        room=f"{room / _GIB:.2f}" if close else _gib(room),
        total=round(weights.total_bytes / 1e9),
        source=weights.source,
    )
    key = "tensor-parallel-size" if "tensor-parallel-size" in served.args else "weights"
    return served.finding("model_fits", "error", key, why, _advice(weights, facts, room))


def _tight(served: Served, facts: Facts, left: float) -> Finding:
    why = _("the weights leave {left} GiB of each {gpu} for the KV cache: few sequences will run at once")
    fix = _("Use more GPUs for each engine, quantised weights, or a shorter max-model-len")
    return served.finding("model_fits", "warning", "weights", why.format(left=_gib(left), gpu=facts.gpu), fix)


def _loaded_bytes(served: Served, weights: Weights) -> float:
    """What the weights take once loaded: vLLM quantises 16-bit ones to fp8 as it loads them where it is told to."""
    halved = weights.quantisation is None and served.quantisation in _QUANTISED_AT_LOAD
    return weights.total_bytes * _QUANTISED_AT_LOAD[served.quantisation] if halved else weights.total_bytes


def _advice(weights: Weights, facts: Facts, room: float) -> str:
    """What would fit: more GPUs of this kind, or a smaller form of the model."""
    fitting = [
        f"tensor-parallel-size: {size}" for size in SIZES if _holds(weights, size, room) and divides(weights, size)
    ]
    if not fitting and weights.expert_width:
        sizes = [size for size in SIZES if _holds(weights, size, room)]
        fitting = [f"tensor-parallel-size: {size}, enable-expert-parallel: true" for size in sizes]
    fitting = fitting[:1] if _runs(weights, facts) else []
    for name, total_bytes in weights.variants:
        if total_bytes >= weights.total_bytes or not _computes(name, facts):
            continue
        smaller = next((size for size in SIZES if total_bytes / size <= room), None)
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


def _too_long(served: Served, weights: Weights, left: float) -> Finding:
    context = _context(served, weights)
    per_token = _cache(served, weights, 1)
    longest = int(left / per_token) // 1024 * 1024
    why = _("one request of {context} tokens needs {need} GiB of KV cache on each GPU; {left} GiB are left")
    why = why.format(context=context, need=_gib(context * per_token), left=_gib(left))
    fix = _("Set max-model-len: {longest}").format(longest=longest) if longest else _("Use more GPUs for each engine")
    if not served.fp8_cache:
        fix += _(", or kv-cache-dtype: fp8 where the hardware can")
    return served.finding("model_fits", "error", "max-model-len", why, fix)


def _share_bytes(served: Served, facts: Facts) -> float:
    default = _DEFAULT_SHARE if served.number >= (0, 20, 0) else _OLD_DEFAULT_SHARE
    share = served.args.get("gpu-memory-utilization", default)
    return facts.memory_bytes * (float(share) if isinstance(share, int | float) else default)


def _context(served: Served, weights: Weights) -> int:
    given = served.count("max-model-len", weights.context_tokens)
    return max(0, given)  # -1 lets vLLM choose what fits


def _cache(served: Served, weights: Weights, tokens: int) -> float:
    """Bytes of KV cache on each GPU; with more GPUs than KV heads, heads are held again, a latent cache always is."""
    heads = 1 if weights.latent_size else weights.kv_heads or 1
    shards = min(served.tensor_parallel, heads) * max(1, served.count("pipeline-parallel-size", 1))
    shards *= max(1, served.count("decode-context-parallel-size", 1))
    return tokens * weights.kv_bytes_per_token(1 if served.fp8_cache else 2) / shards


def _gib(count: float) -> str:
    return f"{count / _GIB:.0f}" if count >= 10 * _GIB else f"{count / _GIB:.1f}"
