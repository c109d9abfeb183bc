"""What is known about an engine's weights: from `config.json` beside them, or from their maker's documents."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec

from forebay.config.weights_shape import Shape, count_of
from forebay.core.errors import ConfigError
from forebay.messages import _

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
    stated: bool = False
    """Whether makers state `total_bytes` as what serving needs, not only what the files hold."""
    latent_size: int = 0
    """Elements that one token leaves in a layer's cache where attention is latent (MLA), the same on every GPU."""
    stretched: bool = False
    """Whether the context is stretched by a RoPE scaling, so that its plain number says little."""
    dtype: str = ""
    estimated: bool = False
    """Whether `total_bytes` was worked out from the shape."""

    def kv_bytes_per_token(self, element_bytes: int) -> int:
        """Key and value of one token over all layers, on all GPUs together."""
        if self.latent_size:
            return self.layers * self.latent_size * element_bytes
        return 2 * self.layers * self.kv_heads * self.head_size * element_bytes


def weights(location: str, base: Path) -> Weights | None:
    """Facts about the weights at a path (relative to `base`) or under a hub id; None where nothing is known."""
    folder = base / Path(location).expanduser()
    return _from_folder(folder) or _documented(location)


def weights_of_config(path: Path, name: str = "") -> Weights:
    """Facts from a `config.json` alone, or from its folder; ConfigError where it is none.

    Sizes that the makers of the model `name` state are believed more than what the shape says.
    """
    folder = path if path.is_dir() else path.parent
    file = path / "config.json" if path.is_dir() else path
    whole = _json(file, _CONFIG_LIMIT_BYTES)
    if not whole:
        fix = _("Name the config.json of a model on disk or on a hub")
        raise ConfigError(_("this is no config.json of a model"), where=str(path), fix=fix)
    facts = _from_config(whole, str(file), _size(folder) if file.name == "config.json" else 0)
    documented = _documented(name) if name else None
    if documented is None:
        return facts
    return msgspec.structs.replace(
        facts,
        total_bytes=documented.total_bytes,
        variants=documented.variants,
        stated=documented.stated,
        source=documented.source,
    )


def _documented(location: str) -> Weights | None:
    """Models whose size their makers or vLLM's recipes state; sizes include the overhead of loading."""
    match = re.search(r"Qwen3-VL-235B-A22B-(?:Instruct|Thinking)(?:-(FP8|NVFP4))?", location, re.IGNORECASE)
    if match is None:
        return None
    # The recipes' 282 GB for FP8 would rule out the four GPUs of 80 GB that run it: its files hold 237 GB.
    variants = (("bf16", 564 * _GB), ("FP8", 237 * _GB), ("NVFP4", 141 * _GB))
    form = (match.group(1) or "bf16").upper().replace("BF16", "bf16")
    return Weights(
        source="its model card" if form == "FP8" else "vLLM's recipes",
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
        stated=form != "FP8",
    )


def _from_folder(folder: Path) -> Weights | None:
    whole = _json(folder / "config.json", _CONFIG_LIMIT_BYTES)
    return _from_config(whole, str(folder / "config.json"), _size(folder)) if whole else None


def _from_config(whole: dict[str, Any], source: str, total_bytes: int) -> Weights:
    shape = Shape.read(whole)
    return Weights(
        source=source,
        total_bytes=total_bytes or shape.weight_bytes,
        layers=shape.cache_layers,
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        head_size=shape.head_size,
        context_tokens=shape.context_tokens,
        quantisation=shape.quantisation,
        expert_width=shape.expert_width,
        quantisation_block=shape.quantisation_block,
        latent_size=shape.latent_size,
        stretched=shape.stretched,
        dtype=shape.dtype,
        estimated=not total_bytes,
    )


def _size(folder: Path) -> int:
    index = _json(folder / "model.safetensors.index.json", _INDEX_LIMIT_BYTES)
    metadata = index.get("metadata")
    if isinstance(metadata, dict) and (total := count_of(metadata, "total_size")):
        return total
    try:
        return sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    except OSError:
        return 0


def _json(path: Path, limit_bytes: int) -> dict[str, Any]:
    """A JSON object, or nothing: unreadable facts are no reason to refuse a configuration."""
    try:
        if path.stat().st_size > limit_bytes:
            return {}
        read = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}
