"""Tools, and what an answer must look like: schemas within bounds, in each route's spelling."""

from __future__ import annotations

from typing import Any

from forebay.wire.openai.bounds import either, flag, items, record, text, word
from forebay.wire.openai.grammar import regex, schema

NAME = text(128)
DESCRIPTION = text(65_536)
_FUNCTION = record({"name": NAME}, {"description": DESCRIPTION, "parameters": schema, "strict": flag})
TOOLS = items(512, record({"type": word("function"), "function": _FUNCTION}))
TOOLS_EXPECT = (
    "a list of at most 512 functions; a schema holds at most 5000 values (20000 with its references replaced), "
    "32 levels, references to itself alone and never in a circle"
)
TOOL_CHOICE = either(
    word("none", "auto", "required"), record({"type": word("function"), "function": record({"name": NAME})})
)
TOOL_CHOICE_EXPECT = "none, auto, required, or the name of one function"

# The Responses API writes a function without the inner object.
FLAT_TOOLS = items(
    512,
    record(
        {"type": word("function"), "name": NAME}, {"description": DESCRIPTION, "parameters": schema, "strict": flag}
    ),
)
FLAT_TOOL_CHOICE = either(word("none", "auto", "required"), record({"type": word("function"), "name": NAME}))

_SCHEMA_FORMAT = {"description": DESCRIPTION, "strict": flag}
_RESPONSE_FORMAT = either(
    record({"type": word("text", "json_object")}),
    record({"type": word("json_schema"), "json_schema": record({"name": NAME}, {"schema": schema, **_SCHEMA_FORMAT})}),
)
TEXT_FORMAT = either(
    record({"type": word("text", "json_object")}),
    record({"type": word("json_schema"), "name": NAME, "schema": schema}, _SCHEMA_FORMAT),
)
RESPONSE_FORMAT_EXPECT = "text, json_object, or json_schema with a schema within bounds"
_CONSTRAINTS = {
    "json": schema,
    "regex": regex,
    "choice": items(1_000, text(1_024), at_least=1),
    "json_object": flag,
}
_ONE_CONSTRAINT = record({}, {**_CONSTRAINTS, "disable_any_whitespace": flag})
STRUCTURED_OUTPUTS_EXPECT = (
    "one of json (a schema within bounds), regex (at most 1024 characters and 20000 states), choice (at most 1000 "
    "strings) or json_object"
)


def response_format(value: Any) -> bool:
    return _RESPONSE_FORMAT(value)


def structured_outputs(value: Any) -> bool:
    """vLLM's own form. Grammars are left out: nothing bounds what they compile to."""
    return _ONE_CONSTRAINT(value) and sum(value.get(name) is not None for name in _CONSTRAINTS) == 1
