"""Whatever the file holds, the answer is a configuration or findings, never a traceback."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forebay.config.load import load
from forebay.core.errors import ConfigError, Finding
from forebay.lint.run import lint

WHOLE: dict[str, Any] = {
    "version": 1,
    "environment": "production",
    "scenario": "chat",
    "hardware": "t4",
    "models": {
        "m": {
            "aliases": ["a"],
            "context_tokens": 4096,
            "engines": [
                {"kind": "vllm", "weights": "/w", "release": "0.33.0", "gpus": [0],
                 "args": {"max-num-seqs": 8}, "env": {"A": "b"}},
                {"kind": "embedded", "count": 2, "port": 9000},
                {"kind": "external", "url": "http://h:1", "api_key": "env:K"},
            ],
        }
    },
    "engine_defaults": {"vllm": {"args": {"dtype": "auto"}, "env": {}, "log_level": "info"},
                        "embedded": {"max_sequences": 2}},
    "gateway": {"workers": 2, "timeouts": {"call": "10m"}, "limits": {"body": "1MiB"},
                "trusted_proxies": ["10.0.0.0/8"]},
    "edge": {"kind": "none", "bind": "127.0.0.2", "hsts": "1d"},
    "observe": {"log": {"level": "info"}, "metrics": {"port": 9090}},
    "admin": {"bind": "127.0.0.1"},
    "environments": {"staging": {"hardware": "a100", "gateway": {"workers": 3}}},
}  # fmt: skip
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from(
        ["", "x", "vllm", "embedded", "external", "production", "t4", "30s", "8GiB", "-", "a.b", "0.11.0", "..", "\x00"]
    ),
    st.just([]),
    st.just({}),
    st.just([{}]),
    st.just({"kind": "vllm"}),
    st.just({"a": {"b": [1, None]}}),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in inner for place in places(child, (*path, key)))]


PLACES = [place for place in places(WHOLE) if place]


def spoiled(place: tuple[Any, ...], odd: Any, into: str | None) -> dict[str, Any]:
    whole = copy.deepcopy(WHOLE)
    parent: Any = whole
    for key in place[:-1]:
        parent = parent[key]
    if into is not None and isinstance(parent[place[-1]], dict):
        parent[place[-1]][into] = odd
    else:
        parent[place[-1]] = odd
    return whole


@given(st.sampled_from(PLACES), ODD, st.sampled_from([None, "x", "kind", "args", "vllm", "env", "environment"]))
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_a_file_is_taken_or_refused_with_places_and_reasons(
    tmp_path: Path, place: tuple[Any, ...], odd: Any, into: str | None
) -> None:
    path = tmp_path / "forebay.yaml"
    path.write_text(json.dumps(spoiled(place, odd, into), indent=1), encoding="utf-8")
    for environment in (None, "staging"):
        found = findings(path, environment)
        assert all(finding.why and finding.where for finding in found)


def findings(path: Path, environment: str | None) -> tuple[Finding, ...]:
    try:
        return lint(load(path, environment))
    except ConfigError as error:
        return error.findings or (Finding(rule="", severity="error", where="", why=""),)


def test_the_file_that_is_spoiled_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "forebay.yaml"
    path.write_text(json.dumps(WHOLE), encoding="utf-8")
    assert load(path).config.models["m"].engines


@pytest.mark.parametrize(
    "text",
    ["version: 1\nmodels: {m: {engines: [{kind: [vllm]}]}}\n", "version: 1\nmodels: {m: {engines: [{kind: {}}]}}\n"],
)
def test_a_kind_that_is_no_text_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "forebay.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert [finding.where for finding in caught.value.findings] == ["forebay.yaml:2: models.m.engines[0]"]
