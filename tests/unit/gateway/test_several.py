"""Of a call with several answers all are counted, though the engine told the first alone."""

from __future__ import annotations

from typing import Any

import pytest

from forebay.gateway.several import of_all

CASES: list[tuple[dict[str, Any], tuple[int, int]]] = [
    ({"messages": []}, (5, 7)),
    ({"messages": [], "n": 3}, (5, 21)),
    ({"prompt": "a", "n": None}, (5, 7)),
    ({"prompt": [1, 2, 3]}, (5, 7)),
    ({"prompt": ["a", "b"]}, (10, 14)),
    ({"prompt": [[1], [2]], "n": 2}, (10, 28)),
]


@pytest.mark.parametrize(("fields", "counted"), CASES)
def test_prompts_and_answers_multiply(fields: dict[str, Any], counted: tuple[int, int]) -> None:
    assert of_all((5, 7), fields) == counted
