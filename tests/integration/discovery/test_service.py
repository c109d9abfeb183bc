"""A whole service whose engines are found in a file: they come, drain with their calls, and outlive a bad answer."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from forebay.core.files import write_atomically
from forebay.gateway.snapshot import read
from forebay.substrate.local import LocalSubstrate
from forebay.testing.fake_engine import Exchange, FakeEngine, completion, say_hello
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

pytestmark = pytest.mark.timeout(180)
ENTRY = {"kind": "discovered", "name": "pool", "via": "file", "settle": "300ms"}


class Setting:
    """Two fake engines, the file that names them, and the service that reads it."""

    def __init__(self, folder: Path, one: FakeEngine, two: FakeEngine) -> None:
        self.one, self.two = one, two
        self.file = folder / "engines.json"
        entry = {**ENTRY, "file": {"path": "engines.json", "every": "100ms"}}
        self.service = Service(folder, {"m": {"engines": [entry]}}, edge={"kind": "none"})

    def list_engines(self, **engines: FakeEngine) -> None:
        entries = [{"name": name, "url": f"http://127.0.0.1:{each.port}"} for name, each in engines.items()]
        write_atomically(self.file, json.dumps({"engines": entries}).encode())

    def engines(self) -> dict[str, bool]:
        """Engines of the current snapshot, and whether they take calls."""
        return {each.name: each.routable for each in read(self.service.state.current_snapshot)[1].engines}

    def source(self) -> dict[str, Any]:
        found: dict[str, Any] = self.service.status()["discovery"][0]
        return found

    def controller(self) -> int:
        record = LocalSubstrate(self.service.state).observe()["controller"]
        assert record.program is not None
        return record.program.pid

    def ask(self) -> tuple[int, bytes]:
        port = self.service.content["gateway"]["worker_port"]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Authorization": f"Bearer {self.service.key}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", CHAT, headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body


CHAT = b'{"model":"m","messages":[{"role":"user","content":"x"}]}'


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    with FakeEngine(healthy(say_hello)) as one, FakeEngine(healthy(say_hello)) as two:
        made = Setting(tmp_path, one, two)
        made.list_engines(one=one, two=two)
        with made.service:
            yield made


class Release:
    """A script that answers when it is told to."""

    def __init__(self) -> None:
        self.waiting = False
        self._go = threading.Event()

    def go(self) -> None:
        self._go.set()

    async def held(self, exchange: Exchange) -> None:
        self.waiting = True
        while not self._go.is_set():  # noqa: ASYNC110  set from another thread
            await asyncio.sleep(0.01)
        await exchange.answer(completion("hello"))


def healthy(script: Callable[[Exchange], Any]) -> Callable[[Exchange], Any]:
    async def answer(exchange: Exchange) -> None:
        if exchange.head.startswith(b"GET "):
            await exchange.answer(b"{}", 200 if b"/health" in exchange.head else 404)
        else:
            await script(exchange)

    return answer


def test_an_engine_that_is_no_longer_listed_finishes_its_call_and_is_gone(setting: Setting) -> None:
    assert setting.engines() == {"pool-one": True, "pool-two": True}
    release = Release()
    setting.one.script = setting.two.script = healthy(release.held)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(setting.ask)
        wait_for("the call is at an engine", lambda: release.waiting)
        busy = "one" if setting.one.running else "two"
        idle = {"one": setting.two, "two": setting.one}[busy]
        setting.list_engines(**{"two" if busy == "one" else "one": idle})
        wait_for("it takes no calls", lambda: setting.engines().get(f"pool-{busy}") is False)
        wait_for("it is said to drain", lambda: state_of(setting, f"pool-{busy}") == "draining")
        release.go()
        assert answer.result()[0] == 200
    wait_for("it is gone", lambda: f"pool-{busy}" not in setting.engines())
    assert len(setting.engines()) == 1


def test_a_file_that_is_broken_missing_or_empty_costs_no_engine_and_is_told(setting: Setting) -> None:
    setting.file.write_bytes(b'{"engines":[{"url":"http')
    wait_for("it is told", lambda: "no YAML" in setting.source()["trouble"])
    assert setting.ask()[0] == 200
    assert any("pool may be out of date" in reason for reason in setting.service.status()["reasons"])
    assert "! pool may be out of date: " in setting.service.run("status").stdout
    page = urllib.request.urlopen(setting.service.metrics_url, timeout=60).read().decode()  # noqa: S310  our own
    assert 'forebay_discovery_stale{source="pool"} 1.0' in page
    assert 'forebay_discovery_engines{source="pool"} 2.0' in page
    setting.file.unlink()
    before = setting.controller()
    os.kill(before, signal.SIGKILL)
    wait_for("another controller reports", lambda: setting.service.status()["controller"]["pid"] != before, 60)
    wait_for("the missing file is told", lambda: "cannot be read" in setting.source()["trouble"])
    assert setting.engines() == {"pool-one": True, "pool-two": True}, "remembered, under their names"
    setting.file.write_bytes(b'{"engines":[]}')
    wait_for("the empty list is told", lambda: "empty" in setting.source()["trouble"])
    assert setting.engines() == {"pool-one": True, "pool-two": True}
    assert setting.ask()[0] == 200


def test_an_engine_that_returns_while_it_drains_takes_calls_again_and_a_reload_keeps_everything(
    setting: Setting,
) -> None:
    setting.list_engines(one=setting.one)
    wait_for("one is left", lambda: setting.engines() == {"pool-one": True})
    setting.list_engines(one=setting.one, two=setting.two)
    wait_for("it is back", lambda: setting.engines() == {"pool-one": True, "pool-two": True})
    setting.service.content["models"]["m"]["engines"][0]["max_outstanding"] = 7
    setting.service.write()
    setting.service.run("up", "--detach")
    wait_for("a key of the source reaches its engines", lambda: set(bounds(setting)) == {7})
    assert setting.engines() == {"pool-one": True, "pool-two": True}


def state_of(setting: Setting, name: str) -> str:
    """What the controller last said, which may be a moment after it was published."""
    states = {engine["name"]: engine["state"] for engine in setting.service.status()["engines"]}
    return str(states.get(name))


def bounds(setting: Setting) -> list[int]:
    return [each.max_outstanding for each in read(setting.service.state.current_snapshot)[1].engines]
