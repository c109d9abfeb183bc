"""Searching is work like an engine's: a caller gets no more of it than its limits allow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.integration.privacy.conftest import Masking
from tests.integration.privacy.speech import says

from forebay.gateway.idempotency.policy import IdempotencyPolicy
from forebay.gateway.limits.policy import Bounds, LimitsPolicy
from forebay.testing.fake_engine import FakeEngine

PERSONAL = "write to anna.schmidt@example.com"
IDEMPOTENCY = IdempotencyPolicy(keep_s=600.0, answer_bytes=65_536, memory_bytes=1_000_000, keys=100)


@pytest.fixture
def limited(engine: FakeEngine, tmp_path: Path) -> Iterator[Masking]:
    """Two calls a minute, and 1,000 tokens."""
    engine.script = says("ok")
    worker = Masking(tmp_path, engine.port)
    bounds = Bounds(requests_per_minute=2, tokens_per_minute=1000)
    policy = LimitsPolicy(tenant_default=bounds, prompt_bytes_per_token=4)
    worker.snapshot = msgspec.structs.replace(worker.snapshot, limits=policy, idempotency=IDEMPOTENCY)
    with worker:
        yield worker


def ask(worker: Masking, content: str, tenant: str = "strict", key: str = "", max_tokens: int = 500) -> str:
    """The code of the refusal, or `ok`."""
    fields = {"model": "m", "messages": [{"role": "user", "content": content}], "max_tokens": max_tokens}
    headers = {"authorization": f"Bearer {worker.keys[tenant]}"} | ({"idempotency-key": key} if key else {})
    status, body = worker.post(fields, **headers)
    return "ok" if status == 200 else str(msgspec.json.decode(body)["error"]["code"])


def test_who_is_over_its_limit_has_nothing_searched(limited: Masking) -> None:
    assert [ask(limited, "hi", max_tokens=5) for _ in range(2)] == ["ok", "ok"]
    assert ask(limited, PERSONAL) == "rate_limit_exceeded"


def test_what_the_policy_refuses_was_a_call_and_gives_its_tokens_back(limited: Masking) -> None:
    assert ask(limited, PERSONAL, max_tokens=900) == "personal_data_refused"
    assert ask(limited, "hi", max_tokens=900) == "ok"
    assert ask(limited, PERSONAL) == "rate_limit_exceeded"


def test_an_answer_that_is_given_again_counts_nothing_and_has_nothing_searched(
    limited: Masking, engine: FakeEngine
) -> None:
    assert [ask(limited, "hi", key="one", max_tokens=5) for _ in range(5)] == ["ok"] * 5
    assert len(engine.seen) == 1
    assert ask(limited, "hi", max_tokens=5) == "ok"
    assert ask(limited, "hi", max_tokens=5) == "rate_limit_exceeded"
    assert ask(limited, "hi", key="one", max_tokens=5) == "ok"


def test_what_the_policy_refuses_leaves_its_key_to_the_next(limited: Masking) -> None:
    assert ask(limited, PERSONAL, key="one") == "personal_data_refused"
    assert ask(limited, "hi", key="one", max_tokens=5) == "ok"
