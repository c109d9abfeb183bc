"""The model in numpy says what its authors' own program says; and the benchmark's promise holds."""

from __future__ import annotations

import numpy as np
import pytest

from forebay.gateway.reuse.semantic.embedder import Directions, packaged_encoder
from forebay.gateway.reuse.semantic.encoder import MOST_TOKENS, WIDTH, Encoder


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return packaged_encoder()


# As sentence-transformers computes and the model's card shows them.
@pytest.mark.parametrize(
    ("other", "similarity"), [("That is a happy dog", 0.6946), ("That is a very happy person", 0.9429)]
)
def test_similarities_are_those_that_are_published(encoder: Encoder, other: str, similarity: float) -> None:
    found = float(encoder.encode("That is a happy person") @ encoder.encode(other))
    assert found == pytest.approx(similarity, abs=5e-4)


def test_every_direction_has_length_one(encoder: Encoder) -> None:
    for text in ("", "x", "What is it?", "word " * 40):
        found = encoder.encode(text)
        assert found.shape == (WIDTH,)
        assert float(np.linalg.norm(found)) == pytest.approx(1.0, abs=1e-5)


def test_what_it_has_no_words_for_or_does_not_see_whole_is_not_known(encoder: Encoder) -> None:
    assert encoder.knows("What is the capital of France?")
    assert not encoder.knows("法国的首都是哪里？")
    assert not encoder.knows("word " * MOST_TOKENS)


def test_directions_are_remembered_in_a_bounded_number(encoder: Encoder) -> None:
    directions = Directions(encoder, most=2)
    first = directions.compare("What is a cat?", ("What is a dog?", "What is a cat?"))
    assert first[1] == pytest.approx(1.0, abs=1e-5)
    assert directions.compare("What is a cat?", ("What is a dog?", "What is a cat?")) == first
    assert directions.compare("What is a cat?", ("什么是猫？",)) == ()
    assert len(directions._known) == 2
