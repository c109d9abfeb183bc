"""A running service tells of a caller that looks for doors, and holds its key back."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx2
import pytest

from forebay.testing.service import Service
from forebay.testing.worker import wait_for

MODELS = {"m": {"engines": [{"kind": "embedded", "threads": 1}]}}


@pytest.mark.long  # a minute of a caller must be over before it is judged
@pytest.mark.timeout(300)
def test_a_key_that_looks_for_doors_is_held_back_until_it_is_given_free(tmp_path: Path) -> None:
    watch = {"enabled": True, "suspend": ["probing"]}
    with Service(tmp_path, MODELS, watch=watch, edge={"kind": "none"}) as service:
        key = service.run("key", "create", "--name", "curious").stdout.strip()
        listed = json.loads(service.run("key", "list", "-o", "json").stdout)
        identity = next(row["id"] for row in listed if row["name"] == "curious")
        base = service.status()["gateway"]["url"]

        def asked(path: str) -> int:
            return httpx2.get(base + path, headers={"authorization": f"Bearer {key}"}, timeout=30).status_code

        assert asked("/v1/models") == 200
        started = time.monotonic()
        while time.monotonic() - started < 5:
            for number in range(15):
                asked(f"/v1/models/no-such-{number}")
        wait_for("the key is held back", lambda: asked("/v1/models") == 401, 150)
        told = json.loads(service.run("watch", "-o", "json").stdout)
        assert ("probing", identity) in [(each["kind"], each["key_id"]) for each in told]
        assert 'forebay_anomalies_total{kind="probing"} 1.0' in httpx2.get(service.metrics_url, timeout=30).text
        service.run("key", "resume", identity)
        assert asked("/v1/models") == 200
