"""One word of a command line, with its line and with gaps where only a run could tell what stands there."""

from __future__ import annotations

import msgspec

# A private-use character: no script holds it by chance, and texts with gaps stay ordinary strings.
GAP = "\ue000"


class Word(msgspec.Struct, frozen=True):
    """`text` with GAP for what is not known. `splits`: unknown and unquoted, so that it may be any number of words."""

    text: str
    line: int = 1
    splits: bool = False

    @property
    def known(self) -> bool:
        return GAP not in self.text

    @property
    def shown(self) -> str:
        """For a person."""
        return self.text.replace(GAP, "…")
