"""Cascades that cannot work are refused with the key that says so."""

from __future__ import annotations

import pytest

from forebay.config.load import load
from forebay.core.errors import ConfigError

from .conftest import Write

HEAD = "version: 1\nmodels:\n"
SMALL = "  small:\n    aliases: [mini]\n    engines: [{kind: embedded}]\n"
GOOD = "{first: small, confidence: {mean_logprob: -0.6}}"


def large(cascade: str, more: str = "") -> str:
    return f"  large:\n    engines: [{{kind: embedded}}]\n    cascade: {cascade}\n{more}"


def test_one_that_can_is_taken(write: Write) -> None:
    models = load(write(HEAD + large(GOOD) + SMALL), None).config.models
    assert models["large"].cascade is not None
    assert models["small"].cascade is None


@pytest.mark.parametrize(
    ("models", "rule", "key", "why", "fix"),
    [
        (large("{first: smal}") + SMALL, "cascade_first", "first", "there is no model smal", "Did you mean small?"),
        (large("{first: mini}") + SMALL, "cascade_first", "first", "there is no model mini", "Did you mean small?"),
        (large("{first: x}"), "cascade_first", "first", "there is no model x", "Add it to models"),
        (large("{first: large}"), "cascade_cycle", "first", "go round in a circle", "smaller model"),
        (
            large(GOOD) + SMALL.replace("\n    engines", "\n    cascade: {first: large}\n    engines"),
            "cascade_cycle",
            "first",
            "go round in a circle",
            "smaller model",
        ),
        (
            large(GOOD)
            + "  small:\n    engines: [{kind: vllm, weights: /w, release: 0.33.0, args: {runner: pooling}}]\n",
            "cascade_first",
            "first",
            "writes text",
            "serves chat",
        ),
        (
            large("{first: small, confidence: {valid_json: false}}") + SMALL,
            "cascade_confidence",
            "confidence",
            "nothing tells a good answer",
            "Set mean_logprob",
        ),
        (
            large("{first: small, confidence: {mean_logprob: -1}, load: {saturated: {mean_logprob: -0.5}}}") + SMALL,
            "cascade_saturated",
            "load.saturated.mean_logprob",
            "-0.5 asks for more than confidence.mean_logprob (-1)",
            "lower value",
        ),
        (
            large("{first: small, load: {saturated: {self_check: 0.5}}}") + SMALL,
            "cascade_saturated",
            "load.saturated.self_check",
            "confidence.self_check is not set",
            "remove it",
        ),
        (
            large("{first: small, confidence: {mean_logprob: 0.5}}") + SMALL,
            "config_range",
            "confidence.mean_logprob",
            "0.5 is more than 0",
            "Write 0 or less",
        ),
        (
            large("{first: small, sample_ratio: 2}") + SMALL,
            "config_range",
            "sample_ratio",
            "2 is more than 1",
            "Write 1 or less",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    write: Write, models: str, rule: str, key: str, why: str, fix: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(HEAD + models), None)
    found = next(finding for finding in caught.value.findings if finding.rule == rule)
    assert found.where.endswith(f"cascade.{key}")
    assert why in found.why
    assert fix in found.fix
