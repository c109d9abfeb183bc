"""What must agree between two questions: tables of what may differ, and of what never may."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.gateway.reuse.semantic.essence import MOST_CHARACTERS, essence


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("How do I reset my password?", "How can I reset my password?"),
        ("How do I reset my password?", "Please tell me how to reset my password."),
        ("What is a neural network?", "Could you explain what a neural network is?"),
        ("What's my balance?", "What is my balance?"),
        ("Is it possible to pay with PayPal?", "Can I pay with PayPal?"),
        ("How do I track a parcel?", "How can I track packages?"),
        ("When do I have to pay customs?", "When must I pay customs?"),
        ("How do I turn off the wifi?", "How can I switch off the wifi?"),
        ("How do I turn on “dark mode”?", 'How can I turn on "dark mode"?'),
    ],
)
def test_the_same_question_in_other_words(first: str, second: str) -> None:
    assert isinstance(essence(first), tuple)
    assert essence(first) == essence(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("What is 15% of 240?", "What is 25% of 240?"),
        ("What is 5 - 3?", "What is 5 + 3?"),
        ("What is new in Python 3.11?", "What is new in Python 3.12?"),
        ("Is -5 less than 3?", "Is 5 less than 3?"),
        ("Who was Henry VIII?", "Who was Henry VII?"),
        ("What is twenty plus one?", "What is thirty plus one?"),
        ("Which animals can fly?", "Which animals cannot fly?"),
        ("Why does it work?", "Why doesn't it work?"),
        ("Is the file readable?", "Is the file unreadable?"),
        ("Translate from English to French: cat", "Translate from French to English: cat"),
        ("Is Python faster than Java?", "Is Java faster than Python?"),
        ("How do I log in to it?", "How do I log out of it?"),
        ("How do I turn on the wifi?", "How do I turn off the wifi?"),
        ("What is in the box?", "What is on the box?"),
        ('How do you say "to be" in French?', 'How do you say "to do" in French?'),
        ("What does US law say?", "What does us law say?"),
        ("Is vitamin C healthy?", "Is vitamin D healthy?"),
        ("How do I open config.yaml?", "How do I open config.json?"),
        ("What does parse_date do?", "What does format_date do?"),
        ("What is C?", "What is C++?"),
        ("What is your name?", "What is my name?"),
        ("Who am I to judge?", "Who are you to judge?"),
        ("What does DNA do?", "What is DNA?"),
        ("Where is my gate?", "Where is the gate?"),
        ("Can I return it today?", "How can I return it today?"),
        ("Did it rain here?", "Does it rain here?"),
    ],
)
def test_a_question_that_differs_in_what_carries_its_meaning(first: str, second: str) -> None:
    assert isinstance(essence(first), tuple)
    assert isinstance(essence(second), tuple)
    assert essence(first) != essence(second)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("法国的首都是哪里？", "language"),
        ("Wie kann ich mein Passwort zurücksetzen?", "language"),
        ("Quiero cancelar mi pedido.", "language"),
        ("Was ist die Hauptstadt von Frankreich", "language"),
        ("What does print(x) do?", "code"),
        ("What is `ls`?", "code"),
        ("What is this?\nAnd that?", "code"),
        ("What is at https://example.org?", "code"),
        ("", "length"),
        ("Who is it?", "length"),
        ("What is it?", "length"),
        ("What is " + "the " * 100, "length"),
        ("?!", "length"),
    ],
)
def test_what_cannot_be_judged_is_not_compared(text: str, why: str) -> None:
    assert essence(text) == why


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=400))
def test_no_text_breaks_it_and_long_ones_are_refused(text: str) -> None:
    found = essence(text)
    assert found
    if len(text.strip()) > MOST_CHARACTERS:
        assert found == "length"


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_no_two_numbers_are_ever_one(first: int, second: int) -> None:
    asked = [essence(f"What is the status of order {number}?") for number in (first, second)]
    assert (asked[0] == asked[1]) == (first == second)
