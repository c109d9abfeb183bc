"""Masking that cannot be is told before it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.config.load import load
from forebay.core.errors import Finding
from forebay.lint.run import lint

MODEL = "version: 1\nmodels: {m: {engines: [{kind: embedded}]}}\n"


def findings(folder: Path, privacy: str) -> list[Finding]:
    file = folder / "forebay.yaml"
    file.write_text(f"{MODEL}privacy: {{{privacy}}}\n", "utf-8")
    return [found for found in lint(load(file)) if found.rule == "privacy"]


@pytest.mark.parametrize(
    ("privacy", "severity", "place", "why"),
    [
        ("input: {types: {e-mail: mask}}", "", "", ""),
        ("input: {types: {mail: mask}}", "error", "privacy.input.types.mail", "no type 'mail'"),
        ("tenants: {a: {output: {types: {mail: mask}}}}", "error", "privacy.tenants.a.output.types.mail", "'mail'"),
        ("off: [mail]", "error", "privacy.off", "'mail'"),
        ("models: {gpt: {unreadable: allow}}", "error", "privacy.models.gpt", "no model 'gpt'"),
        ("patterns: {own: {}}", "error", "privacy.patterns.own", "looks for nothing"),
        ("patterns: {own: {expression: '(a)'}}", "error", "privacy.patterns.own", "group"),
        ("patterns: {own: {expression: '[a'}}", "error", "privacy.patterns.own", "RE2"),
        ("enabled: true, unreadable: allow", "warning", "privacy.unreadable", "images"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, privacy: str, severity: str, place: str, why: str) -> None:
    if not severity:
        with pytest.raises(Exception, match="e-mail"):
            findings(tmp_path, privacy)
        return
    (found,) = findings(tmp_path, privacy)
    assert found.severity == severity
    assert place in found.where
    assert why in found.why


def test_a_sound_policy_has_no_findings(tmp_path: Path) -> None:
    own = "patterns: {own: {words: [昆仑计划], expression: 'EMP-[0-9]+'}}"
    assert not findings(tmp_path, f"enabled: true, {own}, input: {{types: {{own: block, email: hash}}}}")
