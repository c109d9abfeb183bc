"""The allow-lists of the routes beside chat and completions, and which releases take what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.wire.refused import refused

from forebay.wire.anthropic import COUNT_TOKENS, MESSAGES
from forebay.wire.openai import (
    CHAT,
    CLASSIFY,
    COMPLETIONS,
    DETOKENIZE,
    EMBEDDINGS,
    RERANK,
    RESPONSES,
    SCORE,
    TOKENIZE,
    Shape,
    check_fields,
)

IMAGE = "data:image/png;base64,iVBORw0KGgo="
SAID = [{"role": "user", "content": "x"}]
FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}}
BASE: dict[str, tuple[Shape, dict[str, Any]]] = {
    "responses": (RESPONSES, {"model": "m", "input": "x"}),
    "messages": (MESSAGES, {"model": "m", "messages": SAID, "max_tokens": 1}),
    "count": (COUNT_TOKENS, {"model": "m", "messages": SAID}),
    "embeddings": (EMBEDDINGS, {"model": "m", "input": "x"}),
    "rerank": (RERANK, {"model": "m", "query": "x", "documents": ["x"]}),
    "score": (SCORE, {"model": "m", "text_1": "x", "text_2": "x"}),
    "classify": (CLASSIFY, {"model": "m", "input": "x"}),
    "tokenize": (TOKENIZE, {"model": "m", "prompt": "x"}),
    "detokenize": (DETOKENIZE, {"model": "m", "tokens": [1]}),
}


def item(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def seen(**image: str) -> dict[str, Any]:
    return {"type": "input_image", **image}


def picture(**source: Any) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA", **source}}


ROWS: list[tuple[str, str, Any, Any]] = [
    ("responses", "input", [item({"type": "input_text", "text": "x"})], [item({"type": "text", "text": "x"})]),
    ("responses", "input", [item(seen(image_url=IMAGE))], [item(seen(image_url="http://a/b"))]),
    ("responses", "input", [item(seen(image_url=IMAGE))], [item(seen(file_id="f"))]),
    ("responses", "input", [item()], [item({"type": "input_file", "file_url": "http://a/b"})]),
    ("responses", "input", [item()], [{"type": "item_reference", "id": "x"}]),
    ("responses", "input", [item()], [{"type": "computer_call", "id": "x"}]),
    ("responses", "input", [item()] * 10_000, [item()] * 10_001),
    ("responses", "input", [{"type": "function_call_output", "call_id": "c", "output": "x"}],
     [{"type": "function_call_output", "call_id": "c"}]),
    ("responses", "max_output_tokens", 1, 0),
    ("responses", "background", False, True),
    ("responses", "previous_response_id", None, "resp_1"),
    ("responses", "tools", [FUNCTION], [{"type": "web_search"}]),
    ("responses", "tools", [FUNCTION], [{"type": "mcp", "server_url": "http://a"}]),
    ("responses", "tools", [FUNCTION] * 512, [FUNCTION] * 513),
    ("responses", "tool_choice", {"type": "function", "name": "f"}, {"type": "file_search"}),
    ("responses", "text", {"format": {"type": "text"}}, {"format": {"type": "json_schema", "name": "n"}}),
    ("responses", "include", ["reasoning.encrypted_content"], ["file_search_call.results"]),
    ("responses", "reasoning", {"effort": "low"}, {"effort": 1}),
    ("responses", "top_logprobs", 20, 21),
    ("responses", "max_tool_calls", 1000, 1001),
    ("responses", "truncation", "auto", "middle"),
    ("messages", "messages", [item({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}})],
     [item({"type": "text"})]),
    ("messages", "messages", [item(picture())], [item(picture(type="url", url="http://a/b"))]),
    ("messages", "messages", [item(picture())], [item(picture(data="not base64"))]),
    ("messages", "messages", [item(picture())], [item(picture(media_type="text/html"))]),
    ("messages", "messages", [item()], [item({"type": "document", "source": {"type": "url", "url": "http://a"}})]),
    ("messages", "messages", [item({"type": "tool_result", "tool_use_id": "t", "content": [picture()]})],
     [item({"type": "tool_result", "tool_use_id": "t", "content": [item()]})]),
    ("messages", "messages", SAID, [{"role": "system", "content": "x"}]),
    ("messages", "max_tokens", 1, 0),
    ("messages", "temperature", 1, 1.1),
    ("messages", "stop_sequences", ["s"] * 16, ["s"] * 17),
    ("messages", "system", "x", [picture()]),
    ("messages", "tools", [{"name": "t", "input_schema": {}}], [{"type": "bash_20250124", "name": "bash"}]),
    ("messages", "tools", [{"name": "t", "input_schema": {}}], [{"name": "t", "input_schema": {"$ref": "#"}}]),
    ("messages", "tool_choice", {"type": "tool", "name": "t"}, {"type": "all"}),
    ("messages", "thinking", {"type": "enabled", "budget_tokens": 1024}, {"type": "enabled", "budget_tokens": 1023}),
    ("messages", "output_config", {"effort": "low"}, {"format": {"type": "json_schema", "schema": {"$ref": "http://a"}}}),
    ("embeddings", "input", ["x"] * 2048, ["x"] * 2049),
    ("embeddings", "input", [[1], [2]], [[1], "x"]),
    ("embeddings", "input", [1, 2], []),
    ("embeddings", "encoding_format", "base64", "bytes"),
    ("embeddings", "dimensions", 65_536, 65_537),
    ("embeddings", "truncate_prompt_tokens", -1, -2),
    ("rerank", "documents", ["x"] * 2048, ["x"] * 2049),
    ("rerank", "documents", ["x"], [{"content": [{"type": "image_url", "image_url": {"url": "http://a"}}]}]),
    ("rerank", "query", "x", ["x"]),
    ("rerank", "top_n", 0, -1),
    ("rerank", "max_tokens_per_doc", 0, -1),
    ("score", "text_2", ["x"] * 2048, []),
    ("classify", "input", ["x"] * 2048, ["x"] * 2049),
    ("tokenize", "prompt", "", ["x"]),
    ("tokenize", "add_special_tokens", True, 1),
    ("detokenize", "tokens", [2**31 - 1], [2**31]),
    ("detokenize", "tokens", [], "1"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}-{repr(row[3])[:24]}")
def test_a_field_is_taken_at_its_bound_and_refused_beyond(row: tuple[str, str, Any, Any]) -> None:
    route, field, within, beyond = row
    shape, base = BASE[route]
    assert check_fields({**base, field: within}, shape) is False
    assert refused({**base, field: beyond}, shape) == (field, "invalid_value")


@pytest.mark.parametrize("route", BASE)
@pytest.mark.parametrize(
    "field",
    ["cache_salt", "priority", "kv_transfer_params", "mm_processor_kwargs", "chat_template", "request_id", "vllm_xargs",
     "media_io_kwargs", "mm_payload", "session_id", "previous_input_messages", "enable_response_messages", "task"],
)  # fmt: skip
def test_what_is_the_engines_own_is_refused_on_every_route(route: str, field: str) -> None:
    shape, base = BASE[route]
    assert refused({**base, field: None}, shape) == (field, "unknown_field")


@pytest.mark.parametrize(
    ("route", "change", "field", "code"),
    [
        ("embeddings", {"input": None}, "input", "missing_field"),
        ("embeddings", {"messages": SAID}, "messages", "invalid_value"),
        ("score", {"text_2": None}, "text_2", "missing_field"),
        ("score", {"text_1": None, "text_2": None}, "text_1", "missing_field"),
        ("score", {"queries": "x", "documents": "x"}, "queries", "invalid_value"),
        ("tokenize", {"messages": SAID}, "messages", "invalid_value"),
        ("messages", {"max_tokens": None}, "max_tokens", "missing_field"),
    ],
)
def test_exactly_one_form_of_the_input_must_be_there(route: str, change: dict[str, Any], field: str, code: str) -> None:
    shape, base = BASE[route]
    assert refused({**base, **change}, shape) == (field, code)


def test_a_field_that_no_engine_takes_is_named_and_null_asks_for_nothing() -> None:
    shape = CHAT.narrowed(frozenset({"min_tokens"}))
    base = {"model": "m", "messages": SAID}
    assert refused({**base, "min_tokens": 1}, shape) == ("min_tokens", "not_supported")
    body = {**base, "min_tokens": None}
    assert check_fields(body, shape) is True
    assert body == base


TABLE = json.loads((Path(__file__).parent / "vllm_api.json").read_text())
SHAPES = [CHAT, COMPLETIONS, *(shape for shape, _ in BASE.values())]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.engine_path.decode())
def test_the_first_release_of_every_route_and_field_is_that_of_vllms_source(shape: Shape) -> None:
    known = TABLE[shape.engine_path.decode()]
    assert shape.since == _release(known["since"])
    assert {name: max(field.since, shape.since) for name, field in shape.fields.items()} == {
        name: _release(known["fields"][name]) for name in shape.fields
    }


def _release(text: str) -> tuple[int, int]:
    major, minor = map(int, text.split(".")[:2])
    return major, minor
