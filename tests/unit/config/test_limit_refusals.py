"""Mistakes in the limits that single keys cannot show, with the exact finding."""

from __future__ import annotations

import pytest

from forebay.config.load import load
from forebay.core.errors import ConfigError

from .conftest import Write

HEAD = "version: 1\nmodels:\n  m:\n    engines: [{kind: external, url: 'http://h:1'}]\n"
KEY = "0123456789"
CASES = {
    "two tenants with one key": (
        f"tenants:\n  a: {{keys: {{'{KEY}': {{concurrency: 1}}}}}}\n  b: {{keys: {{'{KEY}': {{concurrency: 2}}}}}}\n",
        "key_owner",
        "forebay.yaml:7",
    ),
    "a limit that is no number": ("limits: {key: {concurrency: many}}\n", "config_type", "forebay.yaml:5"),
    "a limit of money that is a word": ("limits: {key: {usd_per_day: lots}}\n", "config_type", "forebay.yaml:5"),
    "a limit that is not a number": ("limits: {key: {usd_per_day: .nan}}\n", "config_range", "forebay.yaml:5"),
    "a limit of nothing": ("limits: {key: {requests_per_minute: 0}}\n", "config_range", "forebay.yaml:5"),
    "money without a price": ("limits: {key: {usd_per_day: 1}}\n", "no_price", "forebay.yaml:5"),
    "answers that nobody may have": ("gateway: {limits: {choices: 0}}\n", "config_range", "forebay.yaml:5"),
    "answers larger than Valkey's": ("gateway: {idempotency: {answer: 1MiB}}\n", "config_range", "forebay.yaml:5"),
    "keys kept for no time": ("gateway: {idempotency: {keep: 0s}}\n", "config_range", "forebay.yaml:5"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_refused(write: Write, case: str) -> None:
    text, rule, where = CASES[case]
    with pytest.raises(ConfigError) as caught:
        load(write(HEAD + text), None)
    (finding,) = caught.value.findings
    assert finding.rule == rule, finding
    assert finding.where.startswith(where), finding


def test_tenants_name_their_keys_as_they_like(write: Write) -> None:
    """A name, unlike an id, is each tenant's own."""
    load(write(HEAD + "tenants:\n  a: {keys: {ci: {concurrency: 1}}}\n  b: {keys: {ci: {concurrency: 2}}}\n"), None)
