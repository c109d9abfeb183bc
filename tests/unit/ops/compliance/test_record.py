"""The record of processing activities says what the configuration says, and nothing else."""

from __future__ import annotations

from typing import Any

from forebay.config.schema import Config
from forebay.messages import speak
from forebay.ops.compliance.record import record
from forebay.ops.compliance.record_page import markdown, page
from forebay.privacy.stores import STORES

WRITTEN: dict[str, Any] = {
    "version": 1,
    "service": "desk",
    "models": {"m": {"engines": [{"kind": "external", "url": "http://llm.example:80", "region": "eu"}]}},
    "audit": {"enabled": True},
    "processing": {
        "responsible": "ACME <b>",
        "calls": "advice",
        "purposes": {
            "advice": {"why": "To advise | help", "basis": "contract", "people": ["customers"]},
            "service": {"why": "To run", "basis": "legitimate_interests"},
        },
        "stores": {
            "audit_log": {
                "purpose": "service", "fields": [*STORES["audit_log"].personal], "retention": "90d", "region": "eu"
            },
            "habits": {"purpose": "service", "fields": ["hours"], "retention": "90d"},
        },
    },
}  # fmt: skip


def test_the_record_follows_the_configuration() -> None:
    made = record(Config.model_validate(WRITTEN), "now")
    advice, service = made.activities
    assert (advice.purpose, advice.calls, advice.people, advice.kept) == ("advice", True, ("customers",), ())
    assert [(each.store, each.retention, each.region) for each in service.kept] == [("audit_log", "90d", "eu")]
    assert made.engines == ("m: llm.example (eu)",)
    assert any("cannot be changed unseen" in each for each in made.measures)
    assert not any("masked" in each or "replaced" in each for each in made.measures)
    assert any("access_log" in gap for gap in made.gaps)


def test_pages_are_in_both_languages_and_break_nothing() -> None:
    made = record(Config.model_validate(WRITTEN), "now")
    assert "To advise \\| help" in markdown(made)
    html = page(made, "en")
    assert "ACME &lt;b&gt;" in html
    assert not [mark for mark in ("http://", "https://", "<script", "<link", "url(") if mark in html]
    try:
        speak("zh")
        chinese = page(record(Config.model_validate(WRITTEN), "now"), "zh")
    finally:
        speak("en")
    assert "处理活动" in chinese
    assert "To advise" in chinese
