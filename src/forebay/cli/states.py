"""The words for what a service and its parts are doing, in the language of whoever reads them."""

from __future__ import annotations

from forebay.messages.reasons import because


def state_word(state: str) -> str:
    """`state` as a person reads it; programs read the English word of `-o json`."""
    return because(state).shown
