"""A structured answer fits or goes on; a client's schema can neither reach out nor take long."""

from __future__ import annotations

from typing import Any

import pytest

from forebay.gateway.cascade.structured import fits

OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def wanted(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


@pytest.mark.parametrize(
    ("text", "response_format", "verdict"),
    [
        ('{"a": 1}', {"type": "json_object"}, True),
        ("[1]", {"type": "json_object"}, False),
        ('{"a": 1', {"type": "json_object"}, False),
        ('{"a": 1} trailing', {"type": "json_object"}, False),
        ('{"a": 1}', wanted(OBJECT), True),
        ('{"a": "1"}', wanted(OBJECT), False),
        ("{}", wanted(OBJECT), False),
        ("text", wanted(OBJECT), False),
        ('{"a": 1}', wanted(None), True),
        ('{"a": 1}', wanted({"type": "nonsense"}), False),
        ('{"a": 1}', wanted({"$ref": "#/$defs/o", "$defs": {"o": OBJECT}}), True),
        ('{"a": 1}', wanted({"$ref": "http://127.0.0.1:9/elsewhere"}), False),
        ('{"a": 1}', wanted({"$schema": "http://127.0.0.1:9/meta"}), False),
        ('"aaaa"', wanted({"pattern": "(?=a)"}), False),
    ],
)
def test_whether(text: str, response_format: dict[str, Any], verdict: bool) -> None:
    assert fits(text, response_format) is verdict


def test_a_pattern_made_to_backtrack_is_matched_in_linear_time() -> None:
    hard = wanted({"type": "object", "properties": {"a": {"pattern": "^(a+)+$"}}})
    assert not fits('{"a": "' + "a" * 10_000 + '!"}', hard)


def test_an_answer_nested_too_deeply_does_not_fit() -> None:
    deep = '{"a":' * 1000 + "1" + "}" * 1000
    assert fits(deep, wanted({"$ref": "#/$defs/o", "$defs": {"o": {"type": "string"}}})) is False
