"""The shape of a model as its `config.json` tells it, and how many bytes its weights take, worked out from that."""

from __future__ import annotations

from typing import Any

import msgspec

_DTYPE_BYTES = {"float32": 4.0, "float16": 2.0, "bfloat16": 2.0}
# Bytes of one parameter of a quantised linear layer, scales and zero points included.
_QUANTISED_BYTES = {"fp8": 1.02, "fbgemm_fp8": 1.02, "modelopt": 1.02, "mxfp4": 0.54, "modelopt_fp4": 0.57}
_FOUR_BIT = ("awq", "gptq", "awq_marlin", "gptq_marlin", "bitsandbytes", "auto-round", "auto_round")


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What rules need of a `config.json`; zeros where it does not say."""

    cache_layers: int
    heads: int
    kv_heads: int
    head_size: int
    context_tokens: int
    quantisation: str | None
    expert_width: int
    quantisation_block: int
    latent_size: int
    stretched: bool
    dtype: str
    weight_bytes: int

    @classmethod
    def read(cls, whole: dict[str, Any]) -> Shape:
        """Read a parsed config.json; the text model of one that sees or hears counts."""
        text = whole.get("text_config") or whole.get("llm_config")
        shape = {**whole, **text} if isinstance(text, dict) else whole
        heads, hidden = count_of(shape, "num_attention_heads"), count_of(shape, "hidden_size")
        quantisation = whole.get("quantization_config") or whole.get("compression_config")
        quantisation = quantisation if isinstance(quantisation, dict) else {}
        block = quantisation.get("weight_block_size")
        lora = count_of(shape, "kv_lora_rank")
        scaling = shape.get("rope_scaling") or shape.get("rope_parameters")
        method = str(quantisation["quant_method"]) if "quant_method" in quantisation else None
        return cls(
            cache_layers=_cache_layers(shape),
            heads=heads,
            kv_heads=count_of(shape, "num_key_value_heads") or heads,
            head_size=count_of(shape, "head_dim") or (hidden // heads if heads else 0),
            context_tokens=count_of(shape, "max_position_embeddings"),
            quantisation=method,
            expert_width=count_of(shape, "moe_intermediate_size"),
            quantisation_block=block[0] if isinstance(block, list) and block and isinstance(block[0], int) else 0,
            latent_size=lora + count_of(shape, "qk_rope_head_dim") if lora else 0,
            stretched=isinstance(scaling, dict) and "factor" in scaling,
            dtype=str(shape.get("dtype") or shape.get("torch_dtype") or ""),
            weight_bytes=_weight_bytes(shape, whole, quantisation),
        )


def count_of(values: dict[str, Any], key: str) -> int:
    """A positive whole number, else 0."""
    value = values.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _cache_layers(shape: dict[str, Any]) -> int:
    """Layers whose cache grows with the context: neither a sliding window's nor a linear attention's."""
    layers = count_of(shape, "num_hidden_layers")
    kinds = shape.get("layer_types")
    if isinstance(kinds, list) and len(kinds) == layers:
        return sum(kind == "full_attention" for kind in kinds)
    interval = count_of(shape, "full_attention_interval")
    return layers // interval if interval else layers


def _weight_bytes(shape: dict[str, Any], whole: dict[str, Any], quantisation: dict[str, Any]) -> int:
    """0 where the shape is not one that this arithmetic knows."""
    hidden, layers = count_of(shape, "hidden_size"), count_of(shape, "num_hidden_layers")
    linear = layers * _attention(shape, hidden) + _mlps(shape, hidden, layers)
    if not linear or not count_of(shape, "intermediate_size") + count_of(shape, "moe_intermediate_size"):
        return 0
    tied = shape.get("tie_word_embeddings", whole.get("tie_word_embeddings", False)) is True
    embedding = count_of(shape, "vocab_size") * hidden * (1 if tied else 2)
    plain = _DTYPE_BYTES.get(str(shape.get("dtype") or shape.get("torch_dtype") or "bfloat16"), 2.0)
    # vLLM halves float32 weights as it loads them, unless it is told otherwise.
    plain = min(plain, 2.0)
    return int(linear * (_quantised(quantisation) or plain) + (embedding + _tower(whole)) * plain)


def _attention(shape: dict[str, Any], hidden: int) -> int:
    heads = count_of(shape, "num_attention_heads")
    if not heads:
        return 0
    if lora := count_of(shape, "kv_lora_rank"):
        return _latent_attention(shape, hidden, heads, lora)
    size = count_of(shape, "head_dim") or hidden // heads
    kv_heads = count_of(shape, "num_key_value_heads") or heads
    return 2 * hidden * size * (heads + kv_heads)


def _latent_attention(shape: dict[str, Any], hidden: int, heads: int, lora: int) -> int:
    rope, nope, value = (count_of(shape, key) for key in ("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim"))
    query = count_of(shape, "q_lora_rank")
    queries = query * (hidden + heads * (nope + rope)) if query else hidden * heads * (nope + rope)
    return queries + hidden * (lora + rope) + lora * heads * (nope + value) + heads * value * hidden


def _mlps(shape: dict[str, Any], hidden: int, layers: int) -> int:
    """Three matrices each; of a mixture, every expert of every layer that has them."""
    experts = next((n for key in _EXPERTS if (n := count_of(shape, key))), 0)
    dense = 3 * hidden * count_of(shape, "intermediate_size")
    if not experts:
        return layers * dense
    width = count_of(shape, "moe_intermediate_size") or count_of(shape, "intermediate_size")
    shared = count_of(shape, "shared_expert_intermediate_size") or width * count_of(shape, "n_shared_experts")
    first = count_of(shape, "first_k_dense_replace")
    sparse = (layers - first) // max(1, count_of(shape, "decoder_sparse_step"))
    return (layers - sparse) * dense + sparse * (3 * hidden * (experts * width + shared) + experts * hidden)


_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")


def _tower(whole: dict[str, Any]) -> int:
    """What sees: a transformer of its own, about 12 h² a layer."""
    vision = whole.get("vision_config")
    if not isinstance(vision, dict):
        return 0
    layers = count_of(vision, "depth") or count_of(vision, "num_hidden_layers")
    return 12 * layers * (count_of(vision, "hidden_size") or count_of(vision, "embed_dim")) ** 2


def _quantised(quantisation: dict[str, Any]) -> float:
    method = str(quantisation.get("quant_method", "")).lower()
    if method in _QUANTISED_BYTES:
        return _QUANTISED_BYTES[method]
    if method in _FOUR_BIT:
        bits = quantisation.get("bits") or quantisation.get("w_bit") or (8 if quantisation.get("load_in_8bit") else 4)
        return float(bits) / 8 * 1.06 if isinstance(bits, int) else 0.0
    if method == "compressed-tensors":
        return _compressed(quantisation)
    return 0.0


def _compressed(quantisation: dict[str, Any]) -> float:
    groups = quantisation.get("config_groups")
    first = next(iter(groups.values()), None) if isinstance(groups, dict) else None
    weights = first.get("weights") if isinstance(first, dict) else None
    bits = weights.get("num_bits") if isinstance(weights, dict) else None
    return bits / 8 * 1.04 if isinstance(bits, int) else 0.0
