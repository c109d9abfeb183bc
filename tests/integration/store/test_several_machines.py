"""Two machines and one PostgreSQL: keys made, revoked and told of everywhere; and what happens while it is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx2
import psutil
import pytest
from tests.postgresql import PostgresServer

from forebay.engines.record import read_record
from forebay.security.keys import parse
from forebay.substrate.base import CONTROLLER
from forebay.testing.fake_engine import FakeEngine
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
GRACE_S = 20


@pytest.fixture(scope="module")
def sites(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Service]]:
    """Two machines on one store: one with little grace and secrets in files, one with secrets in the environment."""
    folder = tmp_path_factory.mktemp("shared")
    pepper = folder / "pepper"
    pepper.write_text("5a" * 32)
    postgres = server.section(pepper, grace=f"{GRACE_S}s")
    with FakeEngine() as engine, ExitStack() as stack:
        models = {"m": {"engines": [{"kind": "external", "name": "e", "url": f"http://127.0.0.1:{engine.port}"}]}}
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        environment.setenv("SHARED_PEPPER", pepper.read_text())
        environment.setenv("SHARED_PASSWORD", server.password)
        elsewhere = postgres | {"grace": "1h", "pepper": "env:SHARED_PEPPER", "password": "env:SHARED_PASSWORD"}
        first, second = (
            stack.enter_context(
                Service(
                    tmp_path_factory.mktemp(name),
                    models,
                    gateway={"workers": 1},
                    edge={"kind": "none"},
                    store={"postgres": written},
                )
            )
            for name, written in (("first", postgres), ("second", elsewhere))
        )
        yield first, second


def call(site: Service, key: str) -> int:
    url = f"http://127.0.0.1:{site.content['gateway']['port']}/v1/chat/completions"
    return httpx2.post(url, json=CHAT, headers={"authorization": f"Bearer {key}"}, timeout=60).status_code


def admin(site: Service, method: str, path: str, key: str, body: Any = None) -> httpx2.Response:
    url = f"http://127.0.0.1:{site.content['admin']['port']}{path}"
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    content = None if body is None else json.dumps(body)
    return httpx2.request(method, url, content=content, headers=headers, timeout=60)


def identity(key: str) -> str:
    parts = parse(key)
    assert parts is not None
    return parts[0]


def made(site: Service, *arguments: str) -> str:
    return site.run("key", "create", *arguments).stdout.strip()


def store(site: Service) -> dict[str, Any]:
    found: dict[str, Any] = site.status()["store"]
    return found


def test_a_key_that_was_made_on_one_machine_opens_the_other(sites: tuple[Service, Service]) -> None:
    first, second = sites
    key = made(first, "--name", "shop")
    assert (call(first, key), call(second, key)) == (200, 200)
    listed = json.loads(second.run("key", "list", "-o", "json").stdout)
    assert [each["name"] for each in listed if each["id"] == identity(key)] == ["shop"]


def test_a_revocation_returns_when_no_machine_takes_the_key_any_more(sites: tuple[Service, Service]) -> None:
    first, second = sites
    key = made(second)
    assert (call(first, key), call(second, key)) == (200, 200)
    first.run("key", "revoke", identity(key))
    assert (call(first, key), call(second, key)) == (401, 401)


def test_a_key_is_held_back_and_rotated_on_either_machine(sites: tuple[Service, Service]) -> None:
    first, second = sites
    key = made(first)
    second.run("key", "suspend", identity(key))
    assert (call(first, key), call(second, key)) == (401, 401)
    first.run("key", "resume", identity(key))
    new = second.run("key", "rotate", identity(key), "--overlap", "1h").stdout.strip()
    assert {call(site, each) for site in sites for each in (key, new)} == {200}


def test_the_admin_api_of_one_machine_ends_a_key_on_the_other(sites: tuple[Service, Service]) -> None:
    first, second = sites
    root = made(first, "--scope", "admin:security")
    answer = admin(second, "POST", "/v1/keys", root, {"scopes": ["inference"], "tenant": "acme"})
    assert (answer.status_code, answer.json()["in_force"]) == (201, True)
    key = answer.json()["key"]
    assert (call(first, key), call(second, key)) == (200, 200)
    answer = admin(first, "DELETE", f"/v1/keys/{identity(key)}", root)
    assert (answer.status_code, answer.json().get("in_force", answer.text)) == (200, True)
    assert (call(first, key), call(second, key)) == (401, 401)


def test_what_is_done_past_forebay_is_seen_too(sites: tuple[Service, Service], server: PostgresServer) -> None:
    key = made(sites[0])
    written = sites[0].content["store"]["postgres"]
    with server.admin("forebay") as by_hand:
        by_hand.execute(f"SET search_path = {written['tables']}".encode())
        by_hand.execute("UPDATE keys SET revoked_at = 1 WHERE id = %s", (identity(key),))
    wait_for("both have heard", lambda: all(call(site, key) == 401 for site in sites))


def test_a_lost_store_is_told_and_keys_work_until_the_grace_is_over(
    sites: tuple[Service, Service], server: PostgresServer
) -> None:
    short, long = sites
    key, root = made(short), made(short, "--scope", "admin:security")
    server.kill()
    try:
        assert (call(short, key), call(long, key)) == (200, 200)
        refused = short.run("key", "revoke", identity(key), check=False)
        assert refused.returncode == 1
        assert "nothing was changed" in refused.stderr
        wait_for("the status tells", lambda: store(long)["trouble"])
        assert any("good until" in reason for reason in long.status()["reasons"])
        answer = admin(long, "GET", "/v1/keys", root)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_lost")
        wait_for("nobody can tell there any more", lambda: call(short, key) == 503)
        assert time.time() >= store(short)["keys_until"]
        assert call(short, "fb_no_key") == 503
        assert short.status()["state"] == "degraded"
        long.run("down")
        long.run("up", "--detach")
        assert call(long, key) == 200
    finally:
        server.start()
    wait_for("they are good again", lambda: {call(site, key) for site in sites} == {200})
    short.run("key", "revoke", identity(key))
    assert (call(short, key), call(long, key)) == (401, 401)
    wait_for("nothing is wrong", lambda: all(site.status()["state"] == "ready" for site in sites))


def test_a_machine_that_is_cut_off_is_named_and_one_that_went_down_is_not_waited_for(
    sites: tuple[Service, Service],
) -> None:
    first, second = sites
    key, other = made(first), made(first)
    wait_for("both open it", lambda: [call(second, each) for each in (key, other)] == [200, 200])
    with deaf(second):
        told = first.run("key", "revoke", identity(key), "--timeout", "5s", check=False)
        assert told.returncode == 1
        assert f"{second.state.root.resolve()} " in told.stderr
        assert call(second, key) == 200
    wait_for("it is heard there", lambda: call(second, key) == 401)
    second.run("down")
    first.run("key", "revoke", identity(other))
    second.run("up", "--detach")
    wait_for("nor does it open anything", lambda: call(second, other) == 401)


def test_a_machine_that_is_stopped_in_the_foreground_is_not_waited_for_either(sites: tuple[Service, Service]) -> None:
    first, second = sites
    second.run("down")
    argv = [sys.executable, "-m", "forebay", "up", "-c", str(second.file)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert any("Ctrl-C" in line for line in running.stderr)
        key = made(first)
        wait_for("both open it", lambda: call(second, key) == 200)
        running.send_signal(signal.SIGINT)
        running.stderr.read()
        assert running.wait(60) == 0
    first.run("key", "revoke", identity(key), "--timeout", "5s")
    second.run("up", "--detach")
    wait_for("nor does it open anything", lambda: call(second, key) == 401)


@contextmanager
def deaf(site: Service) -> Iterator[None]:
    """Its controller hears nothing, and its gateway goes on."""
    record = read_record(site.state.unit(CONTROLLER))
    assert record is not None
    assert record.program is not None
    controller = psutil.Process(record.program.pid)
    os.kill(controller.pid, signal.SIGSTOP)
    try:
        wait_for("it has stopped", lambda: controller.status() == psutil.STATUS_STOPPED)
        yield
    finally:
        os.kill(controller.pid, signal.SIGCONT)
