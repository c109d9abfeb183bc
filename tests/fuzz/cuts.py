"""Ways to cut bytes that the fuzzer chooses with the last two bytes of its input."""

from __future__ import annotations

from collections.abc import Iterator


def split(fuzzed: bytes) -> tuple[bytes, tuple[int, int]]:
    """What is sent, and the two places where it is cut."""
    sent = fuzzed[:-2]
    first, second = sorted((*fuzzed[-2:], 0, 0)[:2])
    return sent, (first * len(sent) // 255, second * len(sent) // 255)


def pieces(sent: bytes, at: tuple[int, int]) -> Iterator[bytes]:
    """`sent` in three pieces, or byte by byte where both cuts fall on one place."""
    if at[0] == at[1]:
        yield from (sent[place : place + 1] for place in range(len(sent)))
    else:
        yield from (sent[: at[0]], sent[at[0] : at[1]], sent[at[1] :])
