"""In production nothing of people is kept that nobody declared; a purpose that is named is declared everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.config.load import load
from forebay.core.errors import ConfigError
from forebay.lint.run import lint

MODEL = "version: 1\nmodels: {m: {engines: [{kind: embedded}]}}\nedge: {kind: none}\n"
PURPOSE = "processing:\n  purposes: {ads: {why: To sell, basis: %s}}\n"


def found(folder: Path, text: str) -> list[str]:
    file = folder / "forebay.yaml"
    file.write_text(MODEL + text, "utf-8")
    return [finding.why for finding in lint(load(file)) if finding.rule == "processing"]


@pytest.mark.parametrize(
    ("text", "stores"),
    [
        ("environment: development\naudit: {enabled: true}\n", []),
        ("environment: production\n", []),  # what is on by itself, the profile declares
        ("environment: production\naudit: {enabled: true}\n", ["audit_log"]),
        ("environment: production\naudit: {enabled: true}\nwatch: {enabled: true}\n", ["audit_log", "habits"]),
    ],
)
def test_production_refuses_an_undeclared_store_of_people(tmp_path: Path, text: str, stores: list[str]) -> None:
    said = found(tmp_path, text)
    assert len(said) == len(stores)
    for why, store in zip(said, stores, strict=True):
        assert f"the store {store} keeps something of people and is not declared" in why


def test_what_is_declared_must_be_true_in_every_environment(tmp_path: Path) -> None:
    text = PURPOSE % "contract" + "  stores: {keys: {purpose: ads, fields: [name], retention: 1d}}\n"
    assert ["last_used, networks, tenant" in why for why in found(tmp_path, text)] == [True]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (PURPOSE % "contract" + "  calls: other\n", "there is no purpose other"),
        (PURPOSE % "contract" + "tenants: {bank: {purpose: other}}\n", "there is no purpose other"),
        (PURPOSE % "consent" + "audit: {enabled: true}\n", "nobody knows what they are for"),
        (PURPOSE % "consent" + "  calls: ads\n", "without the audit log nobody could show it"),
        (
            PURPOSE % "consent" + "  calls: ads\naudit: {enabled: true}\n"
            "valkey: {kind: external}\ncontroller: {lease: {via: valkey}}\n",
            "do not share who consents",
        ),
        (
            PURPOSE % "contract" + "  stores: {audit_log: {purpose: ads, fields: [ip], retention: 7d}}\n",
            "two weeks are the least",
        ),
    ],
)
def test_a_purpose_that_cannot_be_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigError) as refused:
        found(tmp_path, text)
    assert [why in finding.why for finding in refused.value.findings] == [True]
