"""What is remembered stays within its bytes and its time."""

from __future__ import annotations

import os
from pathlib import Path

import orjson
from hypothesis import given
from hypothesis import strategies as st

from forebay.gateway.reuse.answers import Answers, Entry


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def entry(size: int = 10, *, streamed: bool = False) -> Entry:
    return Entry(b"x" * size, b"", streamed)


def test_an_answer_is_there_until_its_time_is_over() -> None:
    clock = Clock()
    answers = Answers("v", 10_000, clock)
    answers.put(b"k", entry(), 105.0)
    assert answers.get(b"k", streamed=False) == entry()
    assert answers.get(b"k", streamed=True) is None
    clock.now = 105.0
    assert answers.get(b"k", streamed=False) is None
    assert answers.held_bytes == 0


def test_the_least_recently_used_leaves_first() -> None:
    answers = Answers("v", 3 * 522, Clock())
    for name in (b"a", b"b", b"c"):
        answers.put(name, entry(), 200.0)
    answers.get(b"a", streamed=False)
    answers.put(b"d", entry(), 200.0)
    assert [answers.get(name, streamed=False) is not None for name in (b"a", b"b", b"c", b"d")] == [1, 0, 1, 1]


def test_a_new_answer_takes_the_place_of_every_form_of_the_old() -> None:
    answers = Answers("v", 10_000, Clock())
    answers.put(b"k", entry(streamed=True), 200.0)
    answers.replace(b"k", entry(20), 200.0)
    assert answers.get(b"k", streamed=True) is None
    assert answers.get(b"k", streamed=False) == entry(20)


puts = st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.integers(0, 4000), st.booleans(), st.floats(90, 110))


@given(st.lists(puts, max_size=30))
def test_never_more_bytes_than_allowed_and_none_forgotten(changes: list[tuple[bytes, int, bool, float]]) -> None:
    clock = Clock()
    answers = Answers("v", 5000, clock)
    for key, size, streamed, expires_at in changes:
        answers.put(key, entry(size, streamed=streamed), expires_at)
        assert 0 <= answers.held_bytes <= 5000
    clock.now = 1000.0
    for key in (b"a", b"b", b"c"):
        assert answers.get(key, streamed=True) is answers.get(key, streamed=False) is None
    assert (len(answers), answers.held_bytes) == (0, 0)


def test_what_is_held_weighs_what_is_counted() -> None:
    """What orjson writes keeps 4 KiB, however short it is."""
    answers = Answers("v", 64 * 2**20, Clock())
    before = resident_bytes()
    for number in range(10_000):
        usage = orjson.dumps({"prompt_tokens": number})
        answers.put(b"%032d" % number, Entry(orjson.dumps({"text": "a" * 300}), usage, streamed=False), 200.0)
    assert len(answers) == 10_000
    assert resident_bytes() - before < 2 * answers.held_bytes


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
