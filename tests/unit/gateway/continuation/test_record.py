"""Where a text can be taken up again: never within a character, never behind text that is not sure to be a token's."""

from __future__ import annotations

import pytest

from forebay.gateway.continuation.record import Diverged, Record

Events = list[tuple[str, list[int]]]

PLACES: dict[str, tuple[int, Events, int, str]] = {
    # hold, events, tokens kept, text owed
    "nothing yet": (0, [], 0, ""),
    "a token an event": (0, [("a", [1]), ("b", [2])], 2, ""),
    "a character of three tokens": (0, [("a", [1]), ("", [2]), ("", [3]), ("中", [4])], 4, ""),
    "cut within a character": (0, [("a", [1]), ("", [2]), ("", [3])], 1, ""),
    "nothing but a begun character": (0, [("", [1]), ("", [2])], 0, ""),
    "a special token behind the text": (0, [("a", [1]), ("", [2])], 1, ""),
    "several tokens, the last may have begun a character": (0, [("a", [1]), ("bc", [2, 3])], 1, "bc"),
    "several tokens, then ASCII": (0, [("ab", [1, 2]), ("c", [3])], 3, ""),
    "several tokens, twice, then ASCII": (0, [("ab", [1, 2]), ("cd", [3, 4])], 2, "cd"),
    "several tokens, then a space that came with a character": (0, [("ab", [1, 2]), (" 中", [3, 4])], 0, "ab 中"),
    "several tokens, then a character": (0, [("ab", [1, 2]), ("中", [3, 4])], 0, "ab中"),
    "held back, nothing sent": (2, [("", [1]), ("", [2])], 0, ""),
    "held back: the text of two tokens is not sent": (2, [("", [1]), ("", [2]), ("a", [3]), ("b", [4])], 0, "ab"),
    "held back: sent text reaches a token": (1, [("", [1]), ("a", [2]), ("b", [3]), ("c", [4])], 3, ""),
    "held back: a token of two characters": (1, [("a", [1]), ("bc", [2]), ("d", [3])], 2, ""),
    "held back: the first text is within a token": (1, [("a", [1])], 0, "a"),
}  # fmt: skip


def record_of(hold: int, events: Events) -> Record:
    record = Record(hold)
    for text, ids in events:
        assert record.note(text, ids) == text
    return record


@pytest.mark.parametrize("case", PLACES)
def test_it_backs_up_to_what_is_certain(case: str) -> None:
    hold, events, kept, owed = PLACES[case]
    record = record_of(hold, events)
    record.back_up()
    assert record.tokens.tolist() == [each for _, ids in events for each in ids][:kept]
    assert record.owes == bool(owed)
    assert record.note(owed + "!", [99]) == "!"


def test_backing_up_twice_keeps_the_same() -> None:
    record = record_of(0, [("a", [1]), ("bc", [2, 3])])
    record.back_up()
    assert record.note("b", [2]) == ""
    record.back_up()
    assert (record.tokens.tolist(), record.kept) == ([1, 2], 2)
    assert record.note("cd", [3]) == "d"


def test_text_that_differs_from_what_was_sent_is_refused() -> None:
    record = record_of(0, [("a", [1]), ("bc", [2, 3])])
    record.back_up()
    with pytest.raises(Diverged):
        record.note("bx", [2, 9])


def test_an_end_before_all_that_was_sent_is_refused() -> None:
    record = record_of(0, [("a", [1]), ("bc", [2, 3])])
    record.back_up()
    record.note("b", [2])
    with pytest.raises(Diverged):
        record.finish("stop")


def test_a_client_that_sees_token_ids_sees_each_once() -> None:
    record = Record(shows_ids=True)
    record.note("a", [1])
    record.note("", [2])
    record.back_up()
    assert record.owes
    record.note("", [2])
    assert record.note_ids([2]) == []
    assert record.note_ids([3]) == [3]
    record.finish("stop")


def test_other_token_ids_than_those_that_were_seen_are_refused() -> None:
    record = Record(shows_ids=True)
    record.note("a", [1])
    record.note("", [2])
    record.back_up()
    with pytest.raises(Diverged):
        record.note_ids([9])
