"""The known questions: bounded in every way, and never one more than there are answers noted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forebay.gateway.reuse.semantic.near import NearQuestions


def key(number: int) -> bytes:
    return bytes([number])


def test_the_groups_that_nobody_asked_about_leave_first() -> None:
    near = NearQuestions("v1", 2)
    near.note(b"a", key(1), "one")
    near.note(b"b", key(2), "two")
    assert near.find(b"a")
    near.note(b"c", key(3), "three")
    assert (near.find(b"a"), near.find(b"b")) == (((key(1), "one"),), ())


def test_of_one_question_only_the_latest_wordings_are_known() -> None:
    near = NearQuestions("v1", 100)
    for number in range(20):
        near.note(b"a", key(number), str(number))
    assert [text for _key, text in near.find(b"a")] == [str(number) for number in range(12, 20)]
    assert near.held == 8


Step = tuple[str, int, int]


@given(
    st.lists(st.tuples(st.sampled_from(("note", "forget", "find")), st.integers(0, 5), st.integers(0, 12))),
    st.integers(1, 10),
)
def test_it_holds_what_it_says_and_never_more_than_allowed(steps: list[Step], most: int) -> None:
    near = NearQuestions("v1", most)
    for what, group, number in steps:
        if what == "note":
            near.note(key(group), key(number), "text")
        elif what == "forget":
            near.forget(key(group), key(number))
            assert all(other != key(number) for other, _text in near.find(key(group)))
        else:
            near.find(key(group))
        assert near.held == sum(len(near.find(key(each))) for each in range(6)) <= most
