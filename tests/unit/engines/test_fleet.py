"""A configuration becomes engines with names, ports, secrets; everything wrong is told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from forebay.config.schema import Config
from forebay.core.errors import ConfigError
from forebay.engines.fleet import expand


def config(*engines: dict[str, Any]) -> Config:
    return Config.model_validate({"version": 1, "models": {"smollm2": {"engines": list(engines)}}})


def test_copies_are_named_and_follow_the_first_port(tmp_path: Path) -> None:
    specs = expand(config({"kind": "embedded", "count": 2, "port": 19000}), tmp_path)
    assert [(spec.name, spec.port) for spec in specs] == [("smollm2-embedded-1", 19000), ("smollm2-embedded-2", 19001)]
    assert all("{port}" in spec.argv for spec in specs)


def test_an_embedded_engine_holds_as_many_calls_as_it_runs_sequences(tmp_path: Path) -> None:
    (spec,) = expand(config({"kind": "embedded", "max_sequences": 7, "weights": "w.gguf"}), tmp_path)
    assert spec.max_outstanding == 7
    assert spec.argv[spec.argv.index("--weights") + 1] == str(tmp_path / "w.gguf")


def test_an_external_engine_gets_its_key_from_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_KEY", "s3cret")
    (tmp_path / "key").write_text("0ther\n")
    one = {"kind": "external", "name": "a", "url": "http://10.0.0.1:8000", "api_key": "env:ENGINE_KEY"}
    two = {"kind": "external", "name": "b", "url": "http://10.0.0.2", "api_key": "file:key"}
    first, second = expand(config(one, two), tmp_path)
    assert (first.host, first.port, first.authorization) == ("10.0.0.1", 8000, "Bearer s3cret")
    assert (second.host, second.port, second.authorization) == ("10.0.0.2", 80, "Bearer 0ther")
    assert not first.argv


@pytest.mark.parametrize("content", ["two words", "line\nbreak", "tab\there", "ünicode"])
def test_a_secret_that_no_header_may_hold_is_refused_and_not_shown(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)
    with pytest.raises(ConfigError) as refused:
        expand(config({"kind": "external", "url": "http://10.0.0.2", "api_key": "file:key"}), tmp_path)
    assert "file:key" in str(refused.value)
    assert content not in str(refused.value)


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    engines: list[dict[str, Any]] = [
        {"kind": "external", "name": "a", "url": "http://10.0.0.1", "api_key": "env:NOT_SET_ANYWHERE"},
        {"kind": "embedded", "name": "b", "port": 19000},
        {"kind": "embedded", "name": "b", "port": 19000},
    ]
    with pytest.raises(ConfigError) as refused:
        expand(config(*engines), tmp_path)
    assert [finding.rule for finding in refused.value.findings] == ["engine", "engine_name", "engine_port"]
