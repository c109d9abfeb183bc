"""What a shared store gives back is believed only as it was kept, under the key and in the form it was kept for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.gateway.reuse.answers import Entry
from forebay.gateway.reuse.seal import sealed, unsealed

ENTRY = Entry(b'{"choices":[]}', b'{"total_tokens":1}', streamed=False)
STORED = sealed(ENTRY, b"key", 12.5, "pepper")


def test_what_was_sealed_comes_back_with_its_end() -> None:
    assert unsealed(STORED, b"key", "pepper", streamed=False) == (ENTRY, 12.5)


@pytest.mark.parametrize(
    ("key", "pepper", "streamed"), [(b"other", "pepper", False), (b"key", "other", False), (b"key", "pepper", True)]
)
def test_under_another_key_pepper_or_form_it_is_nothing(key: bytes, pepper: str, streamed: bool) -> None:
    assert unsealed(STORED, key, pepper, streamed=streamed) is None


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_nothing(stored: bytes) -> None:
    assert unsealed(stored, b"key", "pepper", streamed=False) is None


@given(st.integers(0, len(STORED) * 8 - 1))
def test_a_single_bit_makes_it_nothing(bit: int) -> None:
    changed = bytearray(STORED)
    changed[bit // 8] ^= 1 << bit % 8
    assert unsealed(bytes(changed), b"key", "pepper", streamed=False) is None
