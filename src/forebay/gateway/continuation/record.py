"""What a stream has given so far, in tokens and in text, and where it can be taken up again. Pure."""

from __future__ import annotations

from array import array

_MOST_TOKENS = 2**20


class Diverged(Exception):
    """The next engine does not say again what the client already has."""


class Record:
    """The tokens and the text of one answer. `prompt_ids` is None until the engine has told them.

    Text comes in events. An engine sends the text of a token when its last character is complete, and `hold_chars`
    later where stop strings are looked for; it may put several tokens into one event. `kept` tokens were there before
    the present engine's; `shows_ids`: the client asked for token ids and must not see one twice either.
    """

    __slots__ = (
        "_base",
        "_counts",
        "_owed",
        "_owed_ids",
        "_pieces",
        "broken",
        "finish_reason",
        "hold_chars",
        "kept",
        "prompt_ids",
        "shows_ids",
        "tokens",
    )

    def __init__(self, hold_chars: int = 0, *, shows_ids: bool = False) -> None:
        self.hold_chars = hold_chars
        self.shows_ids = shows_ids
        self.prompt_ids: list[int] | None = None
        self.tokens = array("I")
        self.finish_reason: str | None = None
        self.broken = False
        self._base = ""  # text of the first `kept` tokens, exactly
        self.kept = 0
        self._pieces: list[str] = []
        self._counts = array("I")
        self._owed = ""
        self._owed_ids: list[int] = []

    @property
    def owes(self) -> bool:
        """Whether something that the client has must be generated once more."""
        return bool(self._owed or self._owed_ids)

    def note(self, text: str, token_ids: list[int]) -> str:
        """Take one event; returns the text in it that the client does not have. Raises Diverged."""
        self._pieces.append(text)
        self._counts.append(len(token_ids))
        self.tokens.extend(token_ids)
        if len(self.tokens) > _MOST_TOKENS:
            self.broken = True
        return self._repaid(text) if self._owed else text

    def note_ids(self, token_ids: list[int]) -> list[int]:
        """For a client that sees token ids: those that it does not have. Raises Diverged."""
        owed, self._owed_ids = self._owed_ids[: len(token_ids)], self._owed_ids[len(token_ids) :]
        if owed != token_ids[: len(owed)]:
            raise Diverged
        return token_ids[len(owed) :]

    def finish(self, reason: str) -> None:
        """The answer is complete. Raises Diverged where the client has more than was said again."""
        if self._owed or self._owed_ids:
            raise Diverged
        self.finish_reason = reason

    def back_up(self) -> None:
        """Go back to the last place where the tokens are known to give exactly the text before it.

        A token that ends within a character has no text of its own yet, and an engine that is asked to go on behind
        it starts the text of the whole prompt again.
        """
        sent = self._base + "".join(self._pieces) + self._owed
        kept, end = self.kept, len(self._base)
        for tokens, chars, alone, following in self._places():
            # A single token that gave text completed it. Of several, the last may have begun a character that the
            # next text completes, unless that is ASCII throughout.
            after = chars + following
            is_whole = alone or (following and after <= len(sent) and sent[chars:after].isascii())
            if is_whole and chars <= len(sent):
                kept, end = tokens, chars
        if self.shows_ids:
            self._owed_ids = self.tokens[kept:].tolist() + self._owed_ids
        del self.tokens[kept:]
        self.kept, self._base, self._owed = kept, sent[:end], sent[end:]
        self._pieces, self._counts = [], array("I")

    def _places(self) -> list[tuple[int, int, bool, int]]:
        """Behind each event with text: tokens, characters, whether it had one token, characters of the next text."""
        tokens, chars = self.kept, len(self._base) + self.hold_chars
        places: list[tuple[int, int, bool, int]] = []
        for piece, count in zip(self._pieces, self._counts, strict=True):
            tokens += count
            if piece:
                chars += len(piece)
                if places:
                    places[-1] = (*places[-1][:3], len(piece))
                places.append((tokens, chars, count == 1, 0))
        return places

    def _repaid(self, text: str) -> str:
        owed = self._owed
        if len(text) >= len(owed):
            if not text.startswith(owed):
                raise Diverged
            self._owed = ""
            # What was owed stands in the event that follows it: the text before it is the client's already.
            return text[len(owed) :]
        if not owed.startswith(text):
            raise Diverged
        self._owed = owed[len(text) :]
        return ""
