"""The law of streams: in whatever pieces text comes, the same is found as in the whole."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.privacy.samples import DETECTOR, JWT, SAMPLES

from forebay.privacy.budget import CROWDED, Budget
from forebay.privacy.recogniser import LONGEST_CHARACTERS, recognisers
from forebay.privacy.scan import STEP_CHARACTERS, Scan
from forebay.privacy.search import spans_of
from forebay.privacy.span import GOES_ON, Span

_GLUE = ["\n", " ", "一", ". ", "4111 ", "GB29 ", "eyJ", "-----BEGIN ", "<b>", "\\u00", "\u200b"]
_GLUE += ["\\ud835\\udfcf", "\\ud835", " \\u0038", "&#49; ", "; 1", "8 &"]
_LONG = ["1 2 3 4 " * 50, "x" * 700]


def _in_pieces(text: str, cuts: list[int], budget: Budget | None = None) -> list[Span]:
    scan = Scan(DETECTOR, budget)
    for start, end in pairwise([0, *sorted(cuts), len(text)]):
        scan.feed(text[start:end])
        assert scan.decided <= end
    scan.finish()
    return scan.spans


@pytest.mark.parametrize(("kind", "before", "value", "after"), SAMPLES)
def test_every_kind_is_found_whole_wherever_its_text_is_cut(kind: str, before: str, value: str, after: str) -> None:
    text = before + value + after
    whole = spans_of(text, DETECTOR)
    assert [(span.type, text[span.start : span.end]) for span in whole] == [(kind, value)]
    for cut in range(len(text) + 1):
        assert _in_pieces(text, [cut]) == whole
    assert _in_pieces(text, list(range(len(text)))) == whole


@pytest.mark.parametrize(("kind", "before", "value", "after"), SAMPLES)
def test_nothing_of_a_value_is_decided_before_it_is_found(kind: str, before: str, value: str, after: str) -> None:
    text, scan = before + value + after, Scan(DETECTOR)
    for place, character in enumerate(text):
        scan.feed(character)
        if place < len(before) + len(value) - 1 and not scan.spans:
            assert scan.decided <= len(before)


def test_every_recogniser_has_a_sample() -> None:
    assert set(recognisers) == {kind for kind, *_ in SAMPLES}


_TEXTS = [before + value + after for _, before, value, after in SAMPLES] + [value for _, _, value, _ in SAMPLES]
_PIECE = st.sampled_from(_TEXTS + _GLUE + _LONG)


@settings(max_examples=150, deadline=None)
@given(st.lists(_PIECE, min_size=1, max_size=8).map("".join), st.data())
def test_any_text_in_any_pieces_is_the_whole_text(text: str, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=12))
    assert _in_pieces(text, cuts) == spans_of(text, DETECTOR)


@pytest.mark.parametrize("run", ["a" * 200_000, "7" * 200_000, "eyJ" * 60_000, "-----BEGIN " * 20_000, "1 " * 100_000])
def test_what_never_ends_is_decided_all_along_and_held_within_its_bound(run: str) -> None:
    scan = Scan(DETECTOR)
    for start in range(0, len(run), 1_000):
        scan.feed(run[start : start + 1_000])
        assert start + 1_000 - scan.decided <= LONGEST_CHARACTERS + STEP_CHARACTERS
        assert len(scan._held) < 2_000


CROWD = [
    "13812345678, ",
    "a@b.example ",
    "4111 1111 1111 1112 ",
    "x" * 90,
    "postgres://a:b@c/d ",
    "1 2 3 4 5 6 7 ",
    "好",
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(CROWD + _TEXTS), min_size=1, max_size=30).map("".join), st.integers(1, 40), st.data())
def test_where_the_budget_is_spent_is_the_same_in_any_pieces(text: str, most: int, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=12))
    whole = spans_of(text, DETECTOR, Budget(most))
    assert _in_pieces(text, cuts, Budget(most)) == whole
    free = spans_of(text, DETECTOR)
    if whole and whole[-1].type == CROWDED:
        assert whole[-1].end == len(text)
        assert [each for each in free if each.start < whole[-1].start] == whole[:-1]
    else:
        assert whole == free


def test_a_key_that_is_never_closed_is_hidden_to_the_end() -> None:
    scan = Scan(DETECTOR)
    scan.feed("-----BEGIN PRIVATE KEY-----\n" + "MIIE\n" * 50_000)
    assert [(span.type, span.end) for span in scan.spans] == [("private_key", GOES_ON)]
    assert len(scan._held) < 1_000
    scan.finish()
    assert scan.spans[0].end == scan.decided == 28 + 250_000


def test_a_token_of_any_length_is_one_value() -> None:
    token = JWT + "-" + "A1b2" * 5_000
    assert _in_pieces(f"x {token} y", [5, 30, 700, 9_000]) == [Span("jwt", 2, 2 + len(token), 1.0)]
