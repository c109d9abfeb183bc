"""Every way in which bytes may arrive: a strategy for cutting them."""

from __future__ import annotations

from hypothesis import strategies as st


@st.composite
def pieces_of(draw: st.DrawFn, whole: bytes) -> list[bytes]:
    """`whole` cut at up to eight places, or into single bytes."""
    if len(whole) <= 400 and draw(st.integers(0, 9)) == 0:
        return [whole[at : at + 1] for at in range(len(whole))]
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
