"""Calls with several prompts or answers, and their usage at an engine that counts the first alone. Pure."""

from __future__ import annotations

from typing import Any


def of_all(usage: tuple[int, int], fields: dict[str, Any]) -> tuple[int, int]:
    """Tokens of all prompts and answers, from the `usage` of the first.

    llama.cpp runs each prompt, and each of its `n` answers, as a task of its own, puts the answers together and keeps
    the usage of the first. The others are taken to be as long: 128 answers must not be charged as one.
    """
    prompts = prompts_in(fields.get("prompt"))
    return usage[0] * prompts, usage[1] * prompts * (fields.get("n") or 1)


def prompts_in(prompt: Any) -> int:
    """/v1/completions takes several prompts at once: a list of texts, or of lists of tokens."""
    return len(prompt) if type(prompt) is list and prompt and type(prompt[0]) is not int else 1
