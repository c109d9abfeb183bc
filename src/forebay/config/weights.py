"""What is known about an engine's weights: from `config.json` beside them, or from their maker's documents."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec

_GB = 10**9
_CONFIG_LIMIT_BYTES = 4 * 1024 * 1024
_INDEX_LIMIT_BYTES = 64 * 1024 * 1024


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """Size and shape of a model; zeros where unknown. `source` says where it was read."""

    source: str
    total_bytes: int = 0
    layers: int = 0
    heads: int = 0
    kv_heads: int = 0
    head_size: int = 0
    context_tokens: int = 0
    quantisation: str | None = None
    expert_width: int = 0
    quantisation_block: int = 0
    variants: tuple[tuple[str, int], ...] = ()

    def kv_bytes_per_token(self, element_bytes: int) -> int:
        """Key and value of one token over all layers, on all GPUs together."""
        return 2 * self.layers * self.kv_heads * self.head_size * element_bytes


def weights(location: str, base: Path) -> Weights | None:
    """Facts about the weights at a path (relative to `base`) or under a hub id; None where nothing is known."""
    folder = base / Path(location).expanduser()
    return _from_folder(folder) or _documented(location)


def _documented(location: str) -> Weights | None:
    """Models whose size their makers or vLLM's recipes state; sizes include the overhead of loading."""
    match = re.search(r"Qwen3-VL-235B-A22B-(?:Instruct|Thinking)(?:-(FP8|NVFP4))?", location, re.IGNORECASE)
    if match is None:
        return None
    variants = (("bf16", 564 * _GB), ("FP8", 282 * _GB), ("NVFP4", 141 * _GB))
    form = (match.group(1) or "bf16").upper().replace("BF16", "bf16")
    return Weights(
        source="vLLM's recipes",
        total_bytes=dict(variants)[form],
        layers=94,
        heads=64,
        kv_heads=4,
        head_size=128,
        context_tokens=262_144,
        quantisation={"FP8": "fp8", "NVFP4": "nvfp4"}.get(form),
        expert_width=1536,
        quantisation_block=128 if form == "FP8" else 0,
        variants=variants,
    )


def _from_folder(folder: Path) -> Weights | None:
    whole = _json(folder / "config.json", _CONFIG_LIMIT_BYTES)
    if not whole:
        return None
    text = whole.get("text_config")
    shape = {**whole, **text} if isinstance(text, dict) else whole
    heads, hidden = _count(shape, "num_attention_heads"), _count(shape, "hidden_size")
    quantisation = whole.get("quantization_config") or whole.get("compression_config")
    quantisation = quantisation if isinstance(quantisation, dict) else {}
    block = quantisation.get("weight_block_size")
    return Weights(
        source=str(folder / "config.json"),
        total_bytes=_size(folder),
        layers=_count(shape, "num_hidden_layers"),
        heads=heads,
        kv_heads=_count(shape, "num_key_value_heads") or heads,
        head_size=_count(shape, "head_dim") or (hidden // heads if heads else 0),
        context_tokens=_count(shape, "max_position_embeddings"),
        quantisation=str(quantisation["quant_method"]) if "quant_method" in quantisation else None,
        expert_width=_count(shape, "moe_intermediate_size"),
        quantisation_block=block[0] if isinstance(block, list) and block and isinstance(block[0], int) else 0,
    )


def _size(folder: Path) -> int:
    index = _json(folder / "model.safetensors.index.json", _INDEX_LIMIT_BYTES)
    metadata = index.get("metadata")
    if isinstance(metadata, dict) and (total := _count(metadata, "total_size")):
        return total
    try:
        return sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    except OSError:
        return 0


def _count(values: dict[str, Any], key: str) -> int:
    value = values.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _json(path: Path, limit_bytes: int) -> dict[str, Any]:
    """A JSON object, or nothing: unreadable facts are no reason to refuse a configuration."""
    try:
        if path.stat().st_size > limit_bytes:
            return {}
        read = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}
