"""The allow-lists: every field at its bounds, nothing that only an engine may set."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.wire.refused import refused

from forebay.wire.openai import CHAT, COMPLETIONS, Shape, check_fields

MESSAGE = {"role": "user", "content": "x"}
BASE: dict[str, tuple[Shape, dict[str, Any]]] = {
    "chat": (CHAT, {"model": "m", "messages": [MESSAGE]}),
    "completions": (COMPLETIONS, {"model": "m", "prompt": "x"}),
}


def nested(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels - 1):
        found = {"a": found}
    return found


IMAGE = "data:image/png;base64,iVBORw0KGgo="


def said(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def text_part() -> dict[str, Any]:
    return {"type": "text", "text": "x"}


def image(url: str = IMAGE) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def call() -> dict[str, Any]:
    return {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **function}}


def schema_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}


AT_THE_BOUND: list[tuple[str, str, Any, Any]] = [
    ("both", "model", "m" * 128, "m" * 129),
    ("both", "temperature", 2, 2.0001),
    ("both", "temperature", 0, -0.0001),
    ("both", "top_p", 1, 1.0001),
    ("both", "top_p", 0.0, -1),
    ("both", "n", 16, 17),
    ("both", "n", 1, 0),
    ("both", "max_tokens", 10_000_000, 10_000_001),
    ("both", "max_tokens", 1, 0),
    ("both", "max_tokens", 1, -1),
    ("both", "max_tokens", 1, 1.0),
    ("both", "max_tokens", 1, True),
    ("both", "max_tokens", 1, "1"),
    ("both", "stop", "s" * 256, "s" * 257),
    ("both", "stop", ["s" * 256] * 16, ["s"] * 17),
    ("both", "stop", ["s"], ["s" * 257]),
    ("both", "stop", ["s"], [1]),
    ("both", "presence_penalty", 2, 2.1),
    ("both", "presence_penalty", -2, -2.1),
    ("both", "frequency_penalty", 2.0, 3),
    ("both", "frequency_penalty", -2.0, -3),
    ("both", "logit_bias", {str(n): 100 for n in range(1024)}, {str(n): 1 for n in range(1025)}),
    ("both", "logit_bias", {"1": -100}, {"1": -101}),
    ("both", "logit_bias", {"1": 100.0}, {"1": "100"}),
    ("both", "seed", 2**63 - 1, 2**63),
    ("both", "seed", -(2**63), 1.5),
    ("both", "top_k", -1, -2),
    ("both", "top_k", 1_000_000, 1_000_001),
    ("both", "min_p", 1, 1.1),
    ("both", "repetition_penalty", 0.01, 0),
    ("both", "repetition_penalty", 10, 11),
    ("both", "min_tokens", 0, -1),
    ("both", "min_tokens", 10_000_000, 10_000_001),
    ("both", "stop_token_ids", [2**31 - 1] * 64, [0] * 65),
    ("both", "stop_token_ids", [0], [2**31]),
    ("both", "stop_token_ids", [0], [-1]),
    ("both", "bad_words", ["b" * 256] * 64, ["b"] * 65),
    ("both", "stream", True, 1),
    ("both", "stream", False, "true"),
    ("both", "stream_options", {"include_usage": True}, {"include_usage": 1}),
    ("both", "stream_options", {}, {"continuous_usage_stats": True}),
    ("both", "ignore_eos", True, 0),
    ("chat", "messages", [MESSAGE] * 10_000, [MESSAGE] * 10_001),
    ("chat", "messages", [MESSAGE], []),
    ("chat", "messages", [{"role": "user"}], [{"content": "x"}]),
    ("chat", "messages", [{"role": "user"}], [{"role": 1}]),
    ("chat", "messages", [{"role": "tool", "tool_call_id": "c" * 256}], [{"role": "tool", "tool_call_id": "c" * 257}]),
    ("chat", "messages", [{"role": "developer", "content": "x"}], [{"role": "root", "content": "x"}]),
    ("chat", "messages", [{"role": "assistant", "content": None}], [{"role": "user", "content": 1}]),
    ("chat", "messages", [{"role": "user", "content": "x", "name": "n"}],
     [{"role": "user", "content": "x", "uuid": "n"}]),
    ("chat", "messages", [said(text_part())] , [said({"text": "x"})]),
    ("chat", "messages", [said(*[text_part()] * 256)], [said(*[text_part()] * 257)]),
    ("chat", "messages", [said(image())], [said(image("http://10.0.0.1/x.png"))]),
    ("chat", "messages", [said(image())], [said(image("https://example.org/x.png"))]),
    ("chat", "messages", [said(image())], [said(image("file:///etc/passwd"))]),
    ("chat", "messages", [said(image())], [said(image("data:text/html;base64,AAAA"))]),
    ("chat", "messages", [said(image())], [said({**image(), "uuid": "shared"})]),
    ("chat", "messages", [said(image())], [said({"image_url": IMAGE})]),
    ("chat", "messages", [said(image())], [said({"type": "image_url", "image_url": IMAGE})]),
    ("chat", "messages", [said(image("data:image/png;base64," + "A" * (12 * 2**20 - 22)))],
     [said(image("data:image/png;base64," + "A" * (12 * 2**20 - 21)))]),
    ("chat", "messages", [said(text_part())],
     [said({"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}})]),
    ("chat", "messages", [said(text_part())], [said({"type": "video_url", "video_url": {"url": IMAGE}})]),
    ("chat", "messages", [said(text_part())], [said({"type": "file", "file": {"file_id": "x"}})]),
    ("chat", "messages", [{"role": "assistant", "tool_calls": [call()]}], [{"role": "assistant", "tool_calls": [{}]}]),
    ("chat", "messages", [{"role": "assistant", "tool_calls": [call()] * 512}],
     [{"role": "assistant", "tool_calls": [call()] * 513}]),
    ("chat", "messages", [MESSAGE], MESSAGE),
    ("chat", "messages", [MESSAGE], ["x"]),
    ("chat", "max_completion_tokens", 1, 0),
    ("chat", "logprobs", True, 1),
    ("chat", "top_logprobs", 20, 21),
    ("chat", "top_logprobs", 0, -1),
    ("chat", "tools", [tool()] * 512, [tool()] * 513),
    ("chat", "tools", [tool(parameters=nested(32))], [tool(parameters=nested(34))]),
    ("chat", "tools", [tool(name="n" * 128)], [tool(name="n" * 129)]),
    ("chat", "tools", [tool(strict=True)], [tool(run="rm")]),
    ("chat", "tools", [tool()], [{"type": "web_search"}]),
    ("chat", "tool_choice", "auto", "any"),
    ("chat", "tool_choice", {"type": "function", "function": {"name": "f"}}, {"type": "function"}),
    ("both", "response_format", schema_format(nested(32)), schema_format(nested(34))),
    ("both", "response_format", {"type": "json_object"}, {"type": "structural_tag", "structures": []}),
    ("both", "response_format", {"type": "text"}, "json"),
    ("both", "structured_outputs", {"json": {"type": "object"}}, {"json": {"$ref": "http://a/b"}}),
    ("both", "structured_outputs", {"regex": "a" * 1024}, {"regex": "a" * 1025}),
    ("both", "structured_outputs", {"regex": "a{20000}"}, {"regex": "a{20001}"}),
    ("both", "structured_outputs", {"choice": ["a"] * 1000}, {"choice": ["a"] * 1001}),
    ("both", "structured_outputs", {"choice": ["a" * 1024]}, {"choice": ["a" * 1025]}),
    ("both", "structured_outputs", {"json_object": True}, {"json_object": True, "regex": "a"}),
    ("both", "structured_outputs", {"json_object": True}, {}),
    ("both", "structured_outputs", {"json_object": True}, {"grammar": "root ::= root"}),
    ("both", "logit_bias", {"9999999999": 1}, {"99999999999": 1}),
    ("both", "logit_bias", {"0": 1}, {"a": 1}),
    ("both", "logit_bias", {"0": 1}, {"²": 1}),
    ("chat", "reasoning_effort", "low", "l" * 17),
    ("chat", "chat_template_kwargs", {f"k{n}": n for n in range(16)}, {f"k{n}": n for n in range(17)}),
    ("chat", "chat_template_kwargs", {"enable_thinking": False}, {"chat_template": "{{ x }}"}),
    ("chat", "chat_template_kwargs", {"enable_thinking": False}, {"documents": "x"}),
    ("chat", "chat_template_kwargs", {"language": "l" * 256}, {"language": {"a": 1}}),
    ("chat", "thinking_token_budget", 0, -1),
    ("completions", "prompt", "", 1),
    ("completions", "prompt", ["x"] * 1024, ["x"] * 1025),
    ("completions", "prompt", ["x"], []),
    ("completions", "prompt", [0, 2**31 - 1], [2**31]),
    ("completions", "prompt", [[1], [2]], [[]]),
    ("completions", "prompt", [[1]] * 1024, [[1]] * 1025),
    ("completions", "prompt", [1], [1, "x"]),
    ("completions", "logprobs", 20, 21),
    ("completions", "suffix", "s" * 65_536, "s" * 65_537),
    ("completions", "echo", True, 1),
]  # fmt: skip


ROWS = [
    (route, field, within, beyond)
    for where, field, within, beyond in AT_THE_BOUND
    for route in BASE
    if where in {"both", route}
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}-{repr(row[3])[:24]}")
def test_a_field_is_taken_at_its_bound_and_refused_beyond(row: tuple[str, str, Any, Any]) -> None:
    route, field, within, beyond = row
    shape, base = BASE[route]
    assert check_fields({**base, field: within}, shape) is False
    assert refused({**base, field: beyond}, shape) == (field, "invalid_value")


@pytest.mark.parametrize("route", ["chat", "completions"])
@pytest.mark.parametrize(
    "field",
    [
        "best_of", "cache_salt", "priority", "kv_transfer_params", "prompt_embeds", "mm_processor_kwargs",
        "chat_template", "documents", "lora", "lora_path", "vllm_xargs", "request_id", "guided_regex", "guided_json",
        "guided_grammar", "logits_processors", "truncate_prompt_tokens", "prompt_logprobs",
        "allowed_token_ids", "return_tokens_as_token_ids", "use_beam_search", "min_pixels", "functions", "cache_prompt",
        "n_predict", "slot_id", "samplers", "grammar", "__proto__", "Model", "model ", "",
    ],
)  # fmt: skip
def test_a_field_that_is_not_listed_is_refused(route: str, field: str) -> None:
    shape, base = BASE[route]
    assert refused({**base, field: None}, shape) == (field, "unknown_field")


@pytest.mark.parametrize("route", ["chat", "completions"])
@pytest.mark.parametrize("field", ["user", "metadata", "store", "service_tier", "safety_identifier"])
def test_a_field_of_the_platform_is_taken_and_goes_no_further(route: str, field: str) -> None:
    shape, base = BASE[route]
    body = {**base, field: {"any": "thing"}}
    assert check_fields(body, shape) is True
    assert body == base


@pytest.mark.parametrize("route", ["chat", "completions"])
@pytest.mark.parametrize("missing", [True, False])
def test_a_required_field_that_is_missing_or_null_is_named(route: str, missing: bool) -> None:
    shape, base = BASE[route]
    for field in shape.required:
        body = {name: value for name, value in base.items() if name != field} | ({} if missing else {field: None})
        assert refused(body, shape) == (field, "missing_field")


def test_null_stands_for_the_default() -> None:
    assert check_fields({"model": "m", "messages": [MESSAGE], "temperature": None, "stop": None}, CHAT) is False
