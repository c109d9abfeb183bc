"""Words of the operator's own: thousands of them, found in any pieces as in the whole."""

from __future__ import annotations

import json
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.privacy.samples import SAMPLES

from forebay.privacy.own import listed
from forebay.privacy.policy import Actions, Pattern, PrivacyPolicy, Scope
from forebay.privacy.redact import redact
from forebay.privacy.replace import Names, Replacer
from forebay.privacy.rules import Rules
from forebay.privacy.search import search, spans_of
from forebay.privacy.span import Span

SHORT = Rules(
    PrivacyPolicy(
        scopes=(Scope(),),
        patterns=(
            Pattern(
                name="project",
                words=("昆仑", "昆仑计划", "Project Apollo", "Apollo", "Zeus", "邮箱a@b.example.com"),
            ),
            Pattern(
                name="drug",
                listed="# note\n\nAspirin\n阿司匹林\r\nAspirin Protect\n",
                near=("prescribed", "处方"),
            ),
        ),
    )
).detector  # fmt: skip
PIECES = [
    "昆仑", "计划", "昆仑计划", "Project ", "Apollo", "project apollo", "Zeus", "zeusx", "处方阿司", "匹林",
    "prescribed ", "Aspirin", " Protect", "邮箱a@b.example.com", "a@b.example.com", " ", "，", "x", "\u200b",
    "Ｚｅｕｓ", "\\u005a", "eus", "&#90;", "<b>", "\\", "&", "<", "\\\\", "ß", "Σ",
    "\\ud835\\udc19", "\\ud835",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from([*PIECES, *(value for _, _, value, _ in SAMPLES[:8])]), max_size=9).map("".join)


def in_pieces(text: str, cuts: list[int]) -> list[Span]:
    found = search(SHORT)
    for start, end in pairwise([0, *sorted(cuts), len(text)]):
        found.feed(text[start:end])
        assert found.decided <= end
        assert all(span.start < found.decided for span in found.spans)
    found.finish()
    assert found.decided == len(text)
    return found.spans


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.data())
def test_words_are_found_in_any_pieces_as_in_the_whole(text: str, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=10))
    whole = in_pieces(text, [])
    assert in_pieces(text, cuts) == whole
    assert spans_of(text, SHORT) == whole
    assert all(left.end <= right.start for left, right in pairwise(whole))


def masked(text: str) -> str:
    return redact(text, SHORT, Replacer(Actions(), b"", Names(), frozenset(), SHORT.endless))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("关于昆仑计划的进展", "关于[PROJECT]的进展"),
        ("昆仑山", "[PROJECT]山"),
        ("PROJECT APOLLO and project apollo's", "[PROJECT] and [PROJECT]'s"),
        ("Zeus and Zeusian, Ｚｅｕｓ", "[PROJECT] and Zeusian, [PROJECT]"),
        ("Z\u200be\u00adus", "[PROJECT]"),
        (json.dumps("昆仑计划"), '"[PROJECT]"'),
        (json.dumps("𝐙eus"), '"[PROJECT]"'),
        ("<i>Ze</i>us", "<i>[PROJECT]"),
        ("Aspirin helps; prescribed Aspirin Protect", "Aspirin helps; prescribed [DRUG]"),
        ("处方：阿司匹林", "处方：[DRUG]"),
        ("Zeus is zeus@corp.example", "[PROJECT] is [EMAIL]"),
        ("一昆计仑划 is not it", "一昆计仑划 is not it"),
    ],
)
def test_words_as_people_and_programs_write_them(text: str, told: str) -> None:
    assert masked(text) == told


def test_what_is_held_is_no_more_than_may_become_a_word() -> None:
    found = search(SHORT)
    found.feed("今天讨论昆")
    assert found.decided == 4
    found.feed("明湖")
    assert found.decided == 7


def test_a_file_is_one_word_a_line() -> None:
    assert listed("\ufeffone\r\n# note\n\n two words \n三\n") == ("one", "two words", "三")


def test_thousands_of_words_are_each_found_and_nothing_else() -> None:
    dice = random.Random(5)
    characters = [chr(point) for point in range(0x4E00, 0x5E00)]
    words = {"".join(dice.sample(characters, dice.randint(2, 5))) for _ in range(20_000)}
    pattern = Pattern(name="name", listed="\n".join(words))
    detector = Rules(PrivacyPolicy(scopes=(Scope(),), patterns=(pattern,))).detector
    for word in dice.sample(sorted(words), 300):
        (span,) = spans_of(f"他说：{word}。", detector)
        assert (span.start, span.end) == (3, 3 + len(word))
    assert spans_of("今天天气很好，我们去公园散步吧。", detector) == []
