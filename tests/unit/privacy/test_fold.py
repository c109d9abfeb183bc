"""The way back from folded text: every byte of it knows the characters that it came from."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.privacy.fold import _spelt, fold, fold_with_places

PIECES = [
    "a", "1", "<b>", "</i>", "<", "\\u0031", "\\u200b", "\\\\u0031", "\\n", "\\", "\\ud835\\udfcf", "\\ud835",
    "\\udb40\\\\udc31", "&#49;", "&#x200b;", "&#", "&",
    "\u200b", "\u200b\u200b", "１", "一", "京", "密码", "密码是", "密", "是", "：", "\u3000", "😀", "é", "ﬁ",
]  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_every_byte_leads_back_to_what_it_stands_for(text: str) -> None:
    folded = fold_with_places(text)
    assert folded.text == fold(text)
    places = [folded.span(index, index + 1) for index in range(len(folded.text))]
    for index, (begin, end) in enumerate(places):
        assert folded.text[index : index + 1] in fold(text[begin:end])
    assert places == sorted(places)
    for place in range(len(text) + 1):
        behind = [index for index, (begin, _end) in enumerate(places) if begin >= place]
        assert folded.index(place) == (behind[0] if behind else len(folded.text))
    if places:
        assert folded.span(0, len(places)) == (places[0][0], places[-1][1])


def test_no_piece_of_a_text_stays_but_escapes_and_words() -> None:
    fold_with_places("密码1\\u00312&#50;")
    before = _spelt.cache_info()
    nothing = "\u200b"
    text = "".join(f"1<own{number}>2{nothing * number}" for number in range(50))
    assert fold_with_places(text).text == fold(text) == b"12" * 50
    assert _spelt.cache_info() == before
