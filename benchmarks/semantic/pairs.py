"""The labelled pairs, and how near the model finds them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from forebay.gateway.reuse.semantic.encoder import Encoder
from forebay.gateway.reuse.semantic.essence import essence

_FOLDER = Path(__file__).parent


class Pair(msgspec.Struct, frozen=True):
    """Two questions. `kind` is `same` where one answer serves both, else what sets them apart."""

    language: str
    kind: str
    first: str
    second: str
    similarity: float
    known: bool
    """Whether the model has words for both."""

    @property
    def same(self) -> bool:
        return self.kind == "same"

    @property
    def passes(self) -> bool:
        """Whether the words that carry meaning agree."""
        first, second = essence(self.first), essence(self.second)
        return first == second and not isinstance(first, str)

    def hits(self, threshold: float, *, guarded: bool) -> bool:
        """Whether the second would get the first one's answer."""
        return self.similarity >= threshold and (not guarded or (self.known and self.passes))


def read(name: str, encoder: Encoder) -> list[Pair]:
    """The pairs of one file of this folder."""
    pairs = []
    for line in (_FOLDER / f"{name}.tsv").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            language, kind, first, second = line.split("\t")
            near = float(encoder.encode(first) @ encoder.encode(second))
            known = encoder.knows(first) and encoder.knows(second)
            pairs.append(Pair(language, kind, first, second, near, known))
    return pairs
