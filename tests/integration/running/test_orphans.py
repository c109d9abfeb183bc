"""Whether an abort reached the engine is seen in the engine's own count of its work."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.integration.running import deaf_engine

from forebay.controller.status import Status, read_status
from forebay.engines.scrape import EngineLoad, parse
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

pytestmark = pytest.mark.timeout(240)
LOOK_S = 2.0
"""How often the controller looks at an engine's metrics."""
STORY = {"model": "m", "messages": [{"role": "user", "content": "Tell me a story."}], "stream": True}


def service_of(folder: Path, engine: dict[str, Any]) -> Service:
    return Service(
        folder, {"m": {"engines": [{"name": "it", **engine}]}}, edge={"kind": "none"}, gateway={"workers": 2}
    )


def orphaned_s(service: Service) -> float | None:
    page = httpx2.get(service.metrics_url, timeout=60).text
    found = re.search(r'^forebay_orphaned_engine_seconds_total\{engine="it"\} (\S+)$', page, re.MULTILINE)
    return float(found[1]) if found else None


def is_known_to_rest(service: Service) -> None:
    """Wait until the engine runs nothing by its own word, and until the controller has looked at it since."""
    (engine,) = told(service).engines
    page = f"{engine.url}/metrics"
    wait_for("the engine runs nothing", lambda: (parse(httpx2.get(page, timeout=60).text) or EngineLoad()).held == 0)
    since = time.time() + 1.5 * LOOK_S
    wait_for("the controller has seen it", lambda: told(service).controller.updated_at > since)


def told(service: Service) -> Status:
    found = read_status(service.state.status)
    assert found is not None
    return found


def leave_streams(service: Service, count: int) -> None:
    """Begin streams and leave each behind its first event."""
    url = f"http://127.0.0.1:{service.content['gateway']['port']}/v1/chat/completions"
    with httpx2.Client(headers={"authorization": f"Bearer {service.key}"}, timeout=60) as client:
        for _ in range(count):
            with client.stream("POST", url, json=STORY) as answer:
                assert answer.status_code == 200
                next(answer.iter_raw())


def test_an_engine_that_aborts_what_nobody_reads_is_not_charged_any_more(tmp_path: Path) -> None:
    # One thread: several that wait for one another stand still on a machine whose cores are all busy.
    engine = {"kind": "embedded", "max_sequences": 2, "context_tokens": 1024, "threads": 1}
    with service_of(tmp_path, engine) as service:
        leave_streams(service, 6)
        is_known_to_rest(service)
        # Not 0: on a busy machine the engine may need longer than two looks to see that a client has left.
        charged_s = orphaned_s(service)
        url = f"http://127.0.0.1:{service.content['gateway']['port']}/v1/chat/completions"
        headers = {"authorization": f"Bearer {service.key}"}
        answer = httpx2.post(url, json={**STORY, "stream": False, "max_tokens": 20}, headers=headers, timeout=100)
        assert answer.status_code == 200
        is_known_to_rest(service)
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
