"""Whether an abort reached the engine is seen in the engine's own count of its work."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.integration.running import deaf_engine

from forebay.testing.service import Service
from forebay.testing.worker import wait_for

pytestmark = pytest.mark.timeout(180)
STORY = {"model": "m", "messages": [{"role": "user", "content": "Tell me a story."}], "stream": True}


def service_of(folder: Path, engine: dict[str, Any]) -> Service:
    return Service(
        folder, {"m": {"engines": [{"name": "it", **engine}]}}, edge={"kind": "none"}, gateway={"workers": 2}
    )


def orphaned_s(service: Service) -> float | None:
    page = httpx2.get(service.metrics_url, timeout=60).text
    found = re.search(r'^forebay_orphaned_engine_seconds_total\{engine="it"\} (\S+)$', page, re.MULTILINE)
    return float(found[1]) if found else None


def scraped(service: Service, running: int) -> bool:
    (engine,) = service.status()["engines"]
    return bool(engine["running"] == running)


def leave_streams(service: Service, count: int) -> None:
    """Begin streams and leave each behind its first event."""
    url = f"http://127.0.0.1:{service.content['gateway']['port']}/v1/chat/completions"
    with httpx2.Client(headers={"authorization": f"Bearer {service.key}"}, timeout=60) as client:
        for _ in range(count):
            with client.stream("POST", url, json=STORY) as answer:
                assert answer.status_code == 200
                next(answer.iter_raw())


def test_an_engine_that_aborts_what_nobody_reads_is_not_charged_any_more(tmp_path: Path) -> None:
    with service_of(tmp_path, {"kind": "embedded", "max_sequences": 2, "context_tokens": 1024}) as service:
        leave_streams(service, 6)
        wait_for("the engine runs nothing", lambda: scraped(service, 0))
        # Not 0: on a busy machine the engine may need longer than two looks to see that a client has left.
        charged_s = orphaned_s(service)
        url = f"http://127.0.0.1:{service.content['gateway']['port']}/v1/chat/completions"
        headers = {"authorization": f"Bearer {service.key}"}
        answer = httpx2.post(url, json={**STORY, "stream": False, "max_tokens": 60}, headers=headers, timeout=100)
        assert answer.status_code == 200
        wait_for("the engine runs nothing again", lambda: scraped(service, 0))
        assert orphaned_s(service) == charged_s


def test_an_engine_that_goes_on_for_nobody_is_charged_by_the_second(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "config.json").write_text("{}")
    engine = {
        "kind": "vllm",
        "weights": str(weights),
        "release": "0.32.0",
        "program": [sys.executable, str(Path(deaf_engine.__file__))],
    }
    with service_of(tmp_path, engine) as service:
        wait_for("there is a count", lambda: orphaned_s(service) is not None)
        assert orphaned_s(service) == 0.0
        leave_streams(service, 1)
        wait_for("its time is counted", lambda: (orphaned_s(service) or 0.0) > 1.0)
        before = orphaned_s(service) or 0.0
        wait_for("it grows", lambda: (orphaned_s(service) or 0.0) > before)
