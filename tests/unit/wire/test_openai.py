"""The allow-lists: every field at its bounds, nothing that only an engine may set."""

from __future__ import annotations

from typing import Any

import pytest

from forebay.wire.openai import CHAT, COMPLETIONS, BadField, Shape, check_fields

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


def numbered(count: int) -> dict[str, Any]:
    return {str(number): number for number in range(count)}


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
    ("chat", "messages", [{"role": "u", **numbered(15)}], [{"role": "u", **numbered(16)}]),
    ("chat", "messages", [MESSAGE], MESSAGE),
    ("chat", "messages", [MESSAGE], ["x"]),
    ("chat", "max_completion_tokens", 1, 0),
    ("chat", "logprobs", True, 1),
    ("chat", "top_logprobs", 20, 21),
    ("chat", "top_logprobs", 0, -1),
    ("chat", "tools", [{}] * 512, [{}] * 513),
    ("chat", "tools", [{"function": nested(31)}], [{"function": nested(32)}]),
    ("chat", "tool_choice", "auto", "a" * 17),
    ("chat", "tool_choice", {"type": "function"}, ["auto"]),
    ("chat", "response_format", {"type": "json_schema", "json_schema": nested(31)}, {"a": nested(32)}),
    ("chat", "response_format", {}, "json"),
    ("chat", "reasoning_effort", "low", "l" * 17),
    ("chat", "chat_template_kwargs", {str(n): n for n in range(16)}, {str(n): n for n in range(17)}),
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
    with pytest.raises(BadField) as refused:
        check_fields({**base, field: beyond}, shape)
    assert (refused.value.field, refused.value.code) == (field, "invalid_value")


@pytest.mark.parametrize("route", ["chat", "completions"])
@pytest.mark.parametrize(
    "field",
    [
        "best_of", "cache_salt", "priority", "kv_transfer_params", "prompt_embeds", "mm_processor_kwargs",
        "chat_template", "documents", "lora", "lora_path", "vllm_xargs", "request_id", "guided_regex", "guided_json",
        "guided_grammar", "structured_outputs", "logits_processors", "truncate_prompt_tokens", "prompt_logprobs",
        "allowed_token_ids", "return_tokens_as_token_ids", "use_beam_search", "min_pixels", "functions", "cache_prompt",
        "n_predict", "slot_id", "samplers", "grammar", "__proto__", "Model", "model ", "",
    ],
)  # fmt: skip
def test_a_field_that_is_not_listed_is_refused(route: str, field: str) -> None:
    shape, base = BASE[route]
    with pytest.raises(BadField) as refused:
        check_fields({**base, field: None}, shape)
    assert (refused.value.field, refused.value.code) == (field, "unknown_field")


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
        with pytest.raises(BadField) as refused:
            check_fields(body, shape)
        assert (refused.value.field, refused.value.code) == (field, "missing_field")


def test_null_stands_for_the_default() -> None:
    assert check_fields({"model": "m", "messages": [MESSAGE], "temperature": None, "stop": None}, CHAT) is False
