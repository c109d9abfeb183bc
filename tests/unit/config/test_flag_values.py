"""Claims about values of vLLM's flags."""

from __future__ import annotations

from typing import Any

import pytest

from forebay.config.flag_values import fault, words
from forebay.config.flags import release


@pytest.mark.parametrize(
    ("flag", "value", "written"),
    [
        ("--max-num-seqs", 96, ("--max-num-seqs", "96")),
        ("--max-model-len", "32k", ("--max-model-len", "32000")),
        ("--max-model-len", "32K", ("--max-model-len", "32768")),
        ("--max-model-len", "auto", ("--max-model-len", "-1")),
        ("--gpu-memory-utilization", 0.9, ("--gpu-memory-utilization", "0.9")),
        ("--enforce-eager", True, ("--enforce-eager",)),
        ("--enforce-eager", False, ("--no-enforce-eager",)),
        ("--aggregate-engine-logging", False, ()),
        ("--dtype", "bfloat16", ("--dtype", "bfloat16")),
        ("--quantization", "a-plugin", ("--quantization", "a-plugin")),
        ("--hf-overrides", {"a": [1, "ü"]}, ("--hf-overrides", '{"a":[1,"ü"]}')),
        ("--hf-overrides", '{"a":1}', ("--hf-overrides", '{"a":1}')),
        ("--cudagraph-capture-sizes", ["1", "2"], ("--cudagraph-capture-sizes", "1", "2")),
        ("--middleware", ["a.b", "c.d"], ("--middleware", "a.b", "--middleware", "c.d")),
        ("--allowed-origins", ["*"], ("--allowed-origins", '["*"]')),
    ],
)
def test_a_value_is_written_as_vllm_reads_it(flag: str, value: Any, written: tuple[str, ...]) -> None:
    known = release("0.32.0")[flag]
    assert fault(known, value) == ""
    assert words(known, value) == written


@pytest.mark.parametrize(
    ("flag", "value", "why"),
    [
        ("--max-num-seqs", 0, "--max-num-seqs must be ≥ 1, not 0"),
        ("--max-num-seqs", True, "--max-num-seqs takes a whole number, or one such as 32k (32000) or 32K (32768)"),
        ("--max-num-seqs", "many", "--max-num-seqs takes a whole number"),
        ("--max-num-seqs", 1.5, "--max-num-seqs takes a whole number"),
        ("--max-num-seqs", "auto", "--max-num-seqs takes a whole number"),
        ("--gpu-memory-utilization", 1.5, "--gpu-memory-utilization must be ≤ 1, not 1.5"),
        ("--gpu-memory-utilization", "nan", "--gpu-memory-utilization takes a number"),
        ("--enforce-eager", "yes", "--enforce-eager takes true or false, not 'yes'"),
        ("--dtype", "int8", "--dtype takes auto, half, float16, bfloat16, float, float32, not 'int8'"),
        ("--collect-detailed-traces", ["model", "x"], "--collect-detailed-traces takes model, worker, all, not 'x'"),
        ("--hf-overrides", "{broken", "--hf-overrides takes a mapping"),
        ("--tokenizer", {"a": 1}, "--tokenizer takes a text"),
        ("--tokenizer", ["a"], "--tokenizer takes a text"),
        ("--tokenizer", "--trust-remote-code", "--tokenizer cannot take a text that begins with a dash"),
        ("--ignore-patterns", ["a", "--trust-remote-code"], "--ignore-patterns cannot take a text that begins"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_fits(flag: str, value: Any, why: str) -> None:
    assert fault(release("0.32.0")[flag], value).startswith(why)
