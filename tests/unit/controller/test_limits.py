"""Dollars become whole units, names become ids, and nothing bounded is nothing on the path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from forebay.config.load import load
from forebay.controller.limits import idempotency_policy, limits_policy, valkey_ref
from forebay.core.errors import ConfigError
from forebay.gateway.limits.policy import LimitsPolicy, Price
from forebay.security.key_store import KeyRow
from forebay.store.state_dir import StateDir

HEAD = """\
version: 1
models:
  m:
    engines: [{kind: external, url: "http://127.0.0.1:9", name: e}]
"""
KEYS = [
    KeyRow(id="0123456789", digest="", tenant="acme", name="ci", created_at=0),
    KeyRow(id="abcdefghjk", digest="", tenant="acme", name="ci", created_at=0),
    KeyRow(id="zzzzzzzzzz", digest="", tenant="other", name="ci", created_at=0),
]


@pytest.fixture
def policy(tmp_path: Path) -> Callable[[str], LimitsPolicy | None]:
    def of(text: str) -> LimitsPolicy | None:
        path = tmp_path / "forebay.yaml"
        path.write_text(HEAD + text)
        return limits_policy(load(path, None).config, KEYS, None)

    return of


def test_without_bounds_there_are_no_limits(policy: Callable[[str], LimitsPolicy | None]) -> None:
    assert policy("") is None


def test_money_is_whole(policy: Callable[[str], LimitsPolicy | None]) -> None:
    found = policy("    price: {input_usd: 0.15, output_usd: 0.6}\nlimits: {tenant: {usd_per_day: 0.1}}\n")
    assert found is not None
    assert found.prices["m"] == Price(150, 600)
    assert found.tenant_default.nano_usd_per_day == 100_000_000


def test_a_key_is_found_by_its_id_or_by_its_name_within_its_tenant(
    policy: Callable[[str], LimitsPolicy | None],
) -> None:
    found = policy("tenants: {acme: {keys: {ci: {concurrency: 1}, '0123456789': {concurrency: 2}}}}\n")
    assert found is not None
    assert {key: bounds.concurrency for key, bounds in found.keys.items()} == {"0123456789": 2, "abcdefghjk": 1}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tenants: {a: {keys: {'0123456789': {}}}, b: {keys: {'0123456789': {}}}}\n", "is also"),
        ("limits: {key: {usd_per_day: 1}}\n", "no price"),
        ("limits: {key: {requests_per_minute: '10/s'}}\n", "requests_per_minute"),
        ("limits: {key: {requests_per_minute: 0}}\n", "requests_per_minute"),
        ("limits: {key: {rpm: 5}}\n", "rpm"),
        ("valkey: {lease: 3}\n", "unit"),
        ("valkey: {kind: bundled, lease: 100ms}\n", "too short"),
        ("valkey: {kind: bundled, port: 8200}\n", "8200"),
    ],
)
def test_what_contradicts_itself_is_refused(policy: Callable[[str], LimitsPolicy | None], text: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        policy(text)
    assert why in str(caught.value)


def test_the_bundled_valkey_has_a_password_that_stays(tmp_path: Path) -> None:
    path = tmp_path / "forebay.yaml"
    path.write_text(HEAD + "valkey: {kind: bundled}\n")
    config = load(path, None).config
    first = valkey_ref(config, StateDir(tmp_path), tmp_path)
    assert first is not None
    assert first.password is not None
    assert len(first.password) == 64
    assert valkey_ref(config, StateDir(tmp_path), tmp_path) == first
    assert (tmp_path / "valkey" / "password").stat().st_mode & 0o077 == 0


def test_idempotency_is_there_unless_it_is_turned_off(tmp_path: Path) -> None:
    path = tmp_path / "forebay.yaml"
    path.write_text(HEAD + "gateway: {idempotency: {keep: 10m, answer: 1KiB, keys: 5}}\n")
    found = idempotency_policy(load(path, None).config, None)
    assert found is not None
    assert (found.keep_s, found.answer_bytes, found.keys, found.valkey) == (600, 1024, 5, None)
    path.write_text(HEAD + "gateway: {idempotency: {enabled: false}}\n")
    assert idempotency_policy(load(path, None).config, None) is None
