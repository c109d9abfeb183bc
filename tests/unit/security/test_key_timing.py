"""What checking a key takes does not tell how much of a guess was right: counted in steps, which a busy machine leaves.

Every wrong key takes the very same path of instructions: no branch is on the secret, the digest of an unknown id is
worked out too, and two digests are compared by a function whose time does not depend on where they differ.
"""

from __future__ import annotations

import gc
import sys
import zlib
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import pytest

from forebay.gateway.snapshot import KeyRecord
from forebay.security.keys import digest, new_key, parse, verify

PEPPER = "0" * 64
TEXT, IDENTITY, SECRET = new_key()
RECORDS = {IDENTITY: KeyRecord(id=IDENTITY, digest=digest(PEPPER, SECRET), tenant="t")}


def key(identity: str, secret: str) -> str:
    """A key with a right checksum, as whoever guesses would write it."""
    body = f"fb_{identity}_{secret}"
    return f"{body}_{zlib.crc32(body.encode()):08x}"


def other(character: str) -> str:
    return "a" if character != "a" else "b"


GUESSES = {
    "nothing right": key("0000000000", other(SECRET[0]) * 43),
    "the id": key(IDENTITY, other(SECRET[0]) * 43),
    "the id and the first character": key(IDENTITY, SECRET[0] + other(SECRET[1]) * 42),
    "the id and half of the secret": key(IDENTITY, SECRET[:21] + "x" * 22),
    "all but the last character": key(IDENTITY, SECRET[:-1] + other(SECRET[-1])),
    "the secret under another id": key("0000000000", SECRET),
}


def path(what: Callable[[], Any]) -> list[tuple[CodeType, int]]:
    """Every instruction of Python that `what` runs, in order."""
    steps: list[tuple[CodeType, int]] = []

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        frame.f_trace_opcodes = True
        if event == "opcode":
            steps.append((frame.f_code, frame.f_lasti))
        return trace

    before = sys.gettrace()
    gc.disable()  # a collection may run others' callbacks among our steps
    sys.settrace(trace)
    try:
        what()
    finally:
        sys.settrace(before)
        gc.enable()
    return steps


def check(text: str) -> Callable[[], object]:
    return lambda: verify(RECORDS, PEPPER, text, 1.0)


@pytest.mark.parametrize("guess", GUESSES)
def test_a_wrong_key_takes_the_same_steps_however_near_it_is(guess: str) -> None:
    assert parse(GUESSES[guess]) is not None, "it is well formed, or it would tell nothing"
    assert verify(RECORDS, PEPPER, GUESSES[guess], 1.0) is None
    check(TEXT)()  # what is remembered of the pepper is remembered
    reference, steps = (path(check(GUESSES[each])) for each in ("nothing right", guess))
    until = min(len(reference), len(steps))
    assert len(steps) > 50
    assert [where for _code, where in steps[2:until]] == [where for _code, where in reference[2:until]]
    assert len(steps) == len(reference)


def test_the_right_key_is_told_from_wrong_ones_only_at_the_end() -> None:
    right, wrong = path(check(TEXT)), path(check(GUESSES["all but the last character"]))
    assert verify(RECORDS, PEPPER, TEXT, 1.0) is not None
    same = sum(1 for one, two in zip(right, wrong, strict=False) if one[1] == two[1])
    assert same > 0.9 * len(wrong)
