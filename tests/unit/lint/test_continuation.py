"""A stream that is to be continued needs an engine that can."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.config.load import load
from forebay.lint.run import lint

URL = "url: 'http://127.0.0.1:9'"
ENGINES = {
    "vLLM": ("{kind: vllm, weights: /w, release: 0.33.0}", True),
    "vLLM with a reasoning parser": (
        "{kind: vllm, weights: /w, release: 0.33.0, args: {reasoning-parser: qwen3}}", False),
    "the same with underscores": (
        "{kind: vllm, weights: /w, release: 0.33.0, args: {reasoning_parser: qwen3}}", False),
    "embedded": ("{kind: embedded, weights: smollm2}", False),
    "external": (f"{{kind: external, {URL}}}", False),
    "external that takes tokens": (f"{{kind: external, {URL}, token_prompts: true}}", True),
    "one that can and one that cannot": (f"{{kind: external, {URL}, token_prompts: true}}, {{kind: embedded}}", True),
}  # fmt: skip


@pytest.mark.parametrize("case", ENGINES)
@pytest.mark.parametrize("asked", [True, False])
def test_continuation_without_an_engine_for_it_is_found(tmp_path: Path, case: str, asked: bool) -> None:
    engines, able = ENGINES[case]
    path = tmp_path / "forebay.yaml"
    path.write_text(f"version: 1\nmodels:\n  m:\n    continuation: {str(asked).lower()}\n    engines: [{engines}]\n")
    found = [each for each in lint(load(path)) if each.rule == "continuation"]
    assert bool(found) is (asked and not able)
    assert all(each.where.startswith("forebay.yaml:4: models.m.continuation") for each in found)
