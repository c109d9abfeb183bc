"""Prefixes in a real vLLM's cache are shared within a tenant and with no other: its own count of cached tokens."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from forebay.testing.service import Service
from tests.engine.conftest import ENGINE_NAME

LONG = "The quick brown fox jumps over the lazy dog near the river bank. " * 12


def asked(service: Service, key: str, opening: str, **fields: Any) -> httpx2.Response:
    body = {
        "model": ENGINE_NAME,
        "messages": [{"role": "user", "content": opening + LONG}],
        "temperature": 0,
        "max_tokens": 1,
        **fields,
    }
    headers = {"authorization": f"Bearer {key}"}
    url = f"{service.url}/chat/completions"
    return httpx2.post(url, json=body, headers=headers, verify=service.tls(), timeout=120)


def cached(service: Service, key: str, opening: str) -> int:
    answer = asked(service, key, opening)
    assert answer.status_code == 200, answer.text
    details = answer.json()["usage"]["prompt_tokens_details"]
    return 0 if details is None else int(details["cached_tokens"] or 0)


@pytest.fixture(scope="module")
def keys(real_vllm: Service) -> dict[str, str]:
    """Two keys of one tenant and one of another."""
    made = {"one": "acme", "two": "acme", "other": "rival"}
    return {
        name: real_vllm.run("key", "create", "--name", name, "--tenant", tenant).stdout.strip()
        for name, tenant in made.items()
    }


def test_a_tenant_finds_its_own_prefixes_and_no_other_does(real_vllm: Service, keys: dict[str, str]) -> None:
    assert cached(real_vllm, keys["one"], "salted: ") == 0
    assert cached(real_vllm, keys["other"], "salted: ") == 0, "another tenant's prefix"
    assert cached(real_vllm, keys["one"], "salted: ") > 100
    assert cached(real_vllm, keys["two"], "salted: ") > 100, "of the same tenant"
    assert cached(real_vllm, keys["other"], "salted: ") > 100, "its own by now"


def test_a_client_cannot_name_a_salt(real_vllm: Service, keys: dict[str, str]) -> None:
    answer = asked(real_vllm, keys["other"], "chosen: ", cache_salt="acme")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "unknown_field"
