"""Writes prompts of a wanted length, each different from its first words on unless a prefix is shared."""

from __future__ import annotations

from random import Random

import msgspec

from forebay.tune.load.trace import BLOCK_TOKENS

_POOL_WORDS = 1 << 16
_PREFIX_STRIDE = 104_729
_MIX = 0x9E3779B1


class Vocabulary(msgspec.Struct, frozen=True, kw_only=True):
    """Words to write with. `overhead_tokens`: what a prompt of no words costs, such as a chat template."""

    words: tuple[str, ...]
    tokens_per_word: float
    overhead_tokens: float
    exact: bool
    how: str


class Writer:
    """Prompts out of a pool of random words, so that a long one costs a slice and no dice."""

    def __init__(self, vocabulary: Vocabulary, seed: int, shared_prefix_share: float = 0.0, prefixes: int = 1) -> None:
        self._words = vocabulary.words
        self._per_word = vocabulary.tokens_per_word
        self._overhead = vocabulary.overhead_tokens
        self._share = shared_prefix_share
        self._prefixes = prefixes
        self._pool = Random(f"words {seed}").choices(self._words, k=_POOL_WORDS)
        self._places = Random(f"places {seed}").randrange(_POOL_WORDS)

    def prompt(self, number: int, tokens: int, *, follows: bool = False) -> str:
        """The prompt of request `number`; one that `follows` in a session shares no prefix of its own."""
        return " ".join(part for part in self.parts(number, tokens, follows=follows) if part)

    def parts(self, number: int, tokens: int, *, follows: bool = False) -> tuple[str, str]:
        """The same in two: what it shares with others, and what is its own."""
        wanted = max(1, round((tokens - (0 if follows else self._overhead)) / self._per_word))
        shared = 0 if follows else round(wanted * self._share)
        own = wanted - shared
        name = self._name(number)[:own]
        prefix = self._slice(self._prefix(number) * _PREFIX_STRIDE, shared)
        return " ".join(prefix), " ".join([*name, *self._slice(number * 7919 + 1, own - len(name))])

    def of_blocks(self, blocks: tuple[int, ...], tokens: int) -> str:
        """A prompt made of blocks, the same text for the same block; the last one is cut to the length."""
        wanted = max(1, round((tokens - self._overhead) / self._per_word))
        each = max(1, round(BLOCK_TOKENS / self._per_word))
        words: list[str] = []
        for block in blocks:
            name = self._name(block)
            words += name + self._slice(block * 7919 + 3, each - len(name))
        return " ".join(words[:wanted])

    def _prefix(self, number: int) -> int:
        """Which of the shared prefixes: in no order, for a fleet that takes turns would else divide them evenly."""
        return (number * _MIX >> 15) % self._prefixes

    def _name(self, number: int) -> list[str]:
        """The number spelled in words, lowest digit first: it differs at the first words, where prefixes are compared.

        A cache of prefixes would else answer what no real client would have asked twice.
        """
        base, spelled = len(self._words), []
        for _ in range(4):
            number, digit = divmod(number, base)
            spelled.append(self._words[digit])
        return spelled

    def _slice(self, place: int, count: int) -> list[str]:
        begin = (place + self._places) % _POOL_WORDS
        found = self._pool[begin : begin + count]
        while len(found) < count:
            found += self._pool[: count - len(found)]
        return found
