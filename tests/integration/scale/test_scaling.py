"""Real engines come and go by the load, and no call fails for it."""

from __future__ import annotations

import json
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forebay.controller.status import EngineStatus, read_status
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

pytestmark = pytest.mark.timeout(240)
SCALE = {"least": 1, "most": 2, "calls": 2, "up": "1s", "down": "4s"}
_CALLERS = 5


def engine(**scale: Any) -> dict[str, Any]:
    return {
        "smollm2": {
            "engines": [
                {
                    "kind": "embedded",
                    "count": 2,
                    "threads": 1,
                    "max_sequences": 2,
                    "context_tokens": 512,
                    "scale": {**SCALE, **scale},
                }
            ]
        }
    }


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path, engine(), gateway={"queue": {"wait": "120s"}}) as running:
        yield running


def _no_alarm(service: Service) -> bool:
    """The alert on engines that are not ready sees none but the one that runs."""
    with urllib.request.urlopen(service.metrics_url, timeout=30) as page:  # noqa: S310  a URL of our own
        text = page.read().decode()
    told = [line for line in text.splitlines() if line.startswith("forebay_engine_state") and '"ready"' in line]
    return [line.rsplit(" ", 1)[1] for line in told] == ["1.0"]


class Callers:
    """Ask on and on; `ended` holds the status of every call, `texts` how long its answer was."""

    def __init__(self, service: Service, count: int) -> None:
        self.statuses: list[int] = []
        self.tokens: list[int] = []
        self._service, self._leave = service, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]

    def __enter__(self) -> Callers:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_why: object) -> None:
        self._leave.set()
        for each in self._threads:
            each.join(120)

    def _ask(self) -> None:
        context = self._service.tls()
        while not self._leave.is_set():
            status, tokens = ask(self._service, context)
            self.statuses.append(status)
            self.tokens.append(tokens)


def ask(service: Service, context: ssl.SSLContext) -> tuple[int, int]:
    body = {"model": "smollm2", "prompt": "Once upon a time", "max_tokens": 24, "temperature": 0, "ignore_eos": True}
    request = urllib.request.Request(  # noqa: S310  a URL of our own
        f"{service.url}/completions",
        json.dumps(body).encode(),
        {"authorization": f"Bearer {service.key}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=150, context=context) as answer:  # noqa: S310
            return answer.status, json.load(answer)["usage"]["completion_tokens"]
    except OSError as error:
        return getattr(error, "code", 0), 0


def engines(service: Service) -> tuple[EngineStatus, ...]:
    """As the controller last wrote them: a command takes longer than a change."""
    status = read_status(service.state.status)
    return status.engines if status is not None else ()


def states(service: Service) -> dict[str, str]:
    return {each.name: each.state for each in engines(service)}


def one_rests(service: Service) -> bool:
    return [(each.state, each.pid > 0) for each in engines(service)] == [("ready", True), ("draining", False)]


def test_a_second_engine_comes_with_the_load_and_goes_without_a_failed_call(service: Service) -> None:
    assert one_rests(service)
    assert service.status()["state"] == "ready"
    assert _no_alarm(service)
    with Callers(service, _CALLERS) as callers:
        wait_for("both copies are ready", lambda: list(states(service).values()) == ["ready", "ready"])
        before = len(callers.statuses)
        wait_for("both answer", lambda: len(callers.statuses) > before + 2 * _CALLERS)
    with Callers(service, 1) as one:
        wait_for("one copy rests", lambda: one_rests(service))
        wait_for("the other answers", lambda: len(one.statuses) > 2)
    assert set(callers.statuses + one.statuses) == {200}
    assert set(callers.tokens + one.tokens) == {24}
    log = service.state.log("controller").read_text()
    assert "1 -> 2 copies" in log
    assert "2 -> 1 copies" in log


@pytest.mark.long
def test_a_release_wakes_nobody(service: Service) -> None:
    service.content["models"]["smollm2"]["engines"][0]["max_sequences"] = 3
    service.write()
    service.run("apply", "-y")
    assert one_rests(service)
    assert service.status()["state"] == "ready"


@pytest.mark.long
def test_a_copy_that_was_drained_by_hand_gives_its_place_to_the_other(service: Service) -> None:
    service.run("engine", "drain", "smollm2-embedded-1")
    wait_for("the other has come", lambda: states(service)["smollm2-embedded-2"] == "ready")
    assert states(service)["smollm2-embedded-1"] == "draining"


@pytest.mark.long
def test_fewer_than_the_least_never_run(service: Service) -> None:
    service.content["models"]["smollm2"]["engines"][0]["scale"]["least"] = 2
    service.write()
    service.run("apply", "-y")
    wait_for("both copies are ready", lambda: list(states(service).values()) == ["ready", "ready"])
    for _look in range(12):  # for longer than `down`: without calls nothing may go
        time.sleep(0.5)
        assert list(states(service).values()) == ["ready", "ready"]
