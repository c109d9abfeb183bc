"""What workers are told of the `privacy` keys."""

from __future__ import annotations

from pathlib import Path

from forebay.config.load import load
from forebay.config.schema import Config
from forebay.controller.privacy import privacy_policy
from forebay.privacy.rules import Rules
from forebay.privacy.search import spans_of

MODELS = {"m": {"engines": [{"kind": "embedded"}]}, "n": {"engines": [{"kind": "embedded"}]}}


def _config(**privacy: object) -> Config:
    return Config.model_validate({"version": 1, "models": MODELS, "privacy": privacy})


def test_off_is_nothing() -> None:
    assert privacy_policy(_config()) is None
    assert privacy_policy(_config(patterns={"x": {"words": ["a"]}})) is None


def test_a_tenants_entry_wins_over_a_models_and_each_direction_by_itself() -> None:
    policy = privacy_policy(
        _config(
            enabled=True,
            input={"default": "hash"},
            tenants={"a": {"input": {"default": "block"}}},
            models={"m": {"input": {"default": "allow"}, "output": {"default": "block"}, "unreadable": "allow"}},
        )
    )
    assert policy is not None
    rules = Rules(policy)
    wanted = {
        ("a", "m"): ("block", "block", "allow"),
        ("a", "n"): ("block", "mask", "block"),
        ("b", "m"): ("allow", "block", "allow"),
        ("b", "n"): ("hash", "mask", "block"),
    }
    for (tenant, model), told in wanted.items():
        scope = rules.scope(tenant, model)
        assert scope is not None
        assert (scope.input.of("email"), scope.output.of("email"), scope.unreadable) == told


def test_where_nothing_is_done_nothing_is_searched() -> None:
    policy = privacy_policy(
        _config(enabled=True, tenants={"a": {"input": {"default": "allow"}, "output": {"default": "allow"}}})
    )
    assert policy is not None
    assert Rules(policy).scope("a", "m") is None
    assert Rules(policy).scope("b", "m") is not None


def test_types_that_are_off_and_the_score_count() -> None:
    policy = privacy_policy(_config(enabled=True, off=["email"], score=1.0))
    assert policy is not None
    found = Rules(policy).detector.find("", "a@b.example 13812345678 +8613812345678", 48)
    assert [span.type for span in found.spans] == ["cn_mobile"]


def test_a_file_of_words_is_part_of_the_configuration_and_of_what_workers_hold(tmp_path: Path) -> None:
    folder = tmp_path / "configs" / "development" / "privacy" / "words"
    folder.mkdir(parents=True)
    (folder / "customer.txt").write_text("# ours\n张伟\nAcme Ltd\n", encoding="utf-8")
    written = "version: 1\nmodels: {m: {engines: [{kind: embedded}]}}\n"
    written += "privacy: {enabled: true, patterns: {customer: {near: [client]}}}\n"
    (tmp_path / "forebay.yaml").write_text(written, encoding="utf-8")
    policy = privacy_policy(load(tmp_path / "forebay.yaml").config)
    assert policy is not None
    assert [(each.type, each.start) for each in spans_of("the client 张伟, Acme Ltd", Rules(policy).detector)] == [
        ("customer", 11),
        ("customer", 15),
    ]
    assert spans_of("张伟", Rules(policy).detector) == []
