"""What engines would compile into a grammar is bounded in depth, size, references and counted repetition."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.wire.openai.grammar import regex, schema


def linked(count: int, width: int = 1) -> dict[str, Any]:
    """Definitions that each refer `width` times to the next."""
    ref = [{"$ref": f"#/$defs/d{n + 1}"} for n in range(count)]
    defs = {f"d{n}": {"anyOf": [ref[n]] * width} for n in range(count)} | {f"d{count}": {"type": "string"}}
    return {"$ref": "#/$defs/d0", "$defs": defs}


TAKEN = {
    "an object": {
        "type": "object",
        "properties": {"a": {"type": "string", "pattern": r"^\d{4}$", "maxLength": 10_000}},
    },
    "a local reference": {"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}},
    "an escaped reference": {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {}}},
    "a property called $ref": {"properties": {"$ref": {"type": "string"}}},
    "seven references in a row": linked(7),
    "5000 values": {"enum": ["a"] * 4_998},
}
REFUSED = {
    "no object": [],
    "itself": {"$ref": "#"},
    "a circle": {"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"$ref": "#/$defs/a"}}},
    "recursion in a property": {"properties": {"child": {"$ref": "#/properties/child"}}},
    "a dynamic reference": {"$dynamicRef": "#a"},
    "nothing": {"$ref": "#/$defs/none", "$defs": {}},
    "an address": {"$ref": "https://example.org/schema.json"},
    "a file": {"$ref": "file:///etc/passwd"},
    "nine references in a row": linked(9),
    "references that multiply": linked(7, width=8),
    "5001 values": {"enum": ["a"] * 5_000},
    "a long pattern": {"pattern": "a" * 1_025},
    "counts in counts": {"pattern": "((a{200}){200}){2}"},
    "a large count": {"items": {"minItems": 10_001}},
    "a negative count": {"maxLength": -1},
    "a long name": {"properties": {"a" * 2_049: {}}},
    "a long constant": {"const": "a" * 2_049},
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_schema_within_bounds_is_taken(name: str) -> None:
    assert schema(TAKEN[name])


@pytest.mark.parametrize("name", REFUSED)
def test_a_schema_without_bounds_is_refused(name: str) -> None:
    assert not schema(REFUSED[name])


def test_depth_is_bounded() -> None:
    def nested(levels: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(levels):
            found = {"items": found}
        return found

    assert schema(nested(31))
    assert not schema(nested(33))
    assert not schema(nested(250))


@pytest.mark.parametrize(
    "pattern",
    ["a", "[a-z]{1,64}", r"\d{4}-\d{2}", "(a|b)+", r"[\]{]{3}", "(a{100}){200}", "a{20000}", "a{,5}", "a{3,}"],
)
def test_an_expression_within_bounds_is_taken(pattern: str) -> None:
    assert regex(pattern)


@pytest.mark.parametrize("pattern", ["", "a" * 1_025, "a{20001}", "(a{200}){101}", "((a{9}b){99}){99}", "(a", "a)", 7])
def test_an_expression_without_bounds_is_refused(pattern: object) -> None:
    assert not regex(pattern)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["#", "#/a", "#/$defs/a", "#/a/a"]),
    lambda part: (
        st.lists(part, max_size=4)
        | st.dictionaries(st.sampled_from(["$ref", "$defs", "a", "items", "pattern", "maxLength"]), part, max_size=4)
    ),
    max_leaves=30,
)


@given(JSON, st.text(max_size=60))
def test_whatever_comes_is_judged(value: Any, pattern: str) -> None:
    assert schema(value) in {True, False}
    assert regex(pattern) in {True, False}
