"""`valkey: bundled` in a whole service: forebay runs it, starts it again when it is killed, and limits go on."""

from __future__ import annotations

import os
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path

import orjson

from forebay.engines.record import read_record
from forebay.testing.fake_engine import FakeEngine
from forebay.testing.service import Service
from forebay.testing.worker import free_port, wait_for

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4}


def test_a_service_counts_in_its_own_valkey(tmp_path: Path) -> None:
    with FakeEngine() as engine:
        models = {"m": {"engines": [{"kind": "external", "url": f"http://127.0.0.1:{engine.port}", "name": "e"}]}}
        valkey = {"kind": "bundled", "port": free_port(), "lease": "3s"}
        limits = {"tenant": {"requests_per_minute": 6}}
        with Service(tmp_path, models, valkey=valkey, limits=limits, edge={"kind": "none"}) as service:
            wait_for("it runs", lambda: _pid(service) > 0)
            first = _pid(service)
            command = Path(f"/proc/{first}/cmdline").read_text()
            assert (service.state.valkey / "password").read_text() not in command
            wait_for("workers share", lambda: _shared(service) == 2)
            before = _lost(service)
            os.kill(first, signal.SIGKILL)
            wait_for("both workers have noticed", lambda: _lost(service) >= before + 2)
            wait_for("it runs again", lambda: _pid(service) not in (0, first))
            wait_for("workers share", lambda: _shared(service) == 2)
            found = [_post(service) for _ in range(12)]
            assert found.count(200) == 6
            assert set(found) == {200, 429}


def test_what_a_service_runs_itself_stands_in_the_way_of_no_plan_and_no_doctor(tmp_path: Path) -> None:
    """nginx and Valkey show a title in the place of their environment, and a mark in it is gone."""
    with FakeEngine() as engine:
        models = {"m": {"engines": [{"kind": "external", "url": f"http://127.0.0.1:{engine.port}", "name": "e"}]}}
        limits = {"tenant": {"requests_per_minute": 6}}
        with Service(tmp_path, models, valkey={"kind": "bundled", "port": free_port()}, limits=limits) as service:
            found = orjson.loads(service.run("doctor", "-o", "json", check=False).stdout)["findings"]
            assert not [finding for finding in found if finding["severity"] == "error"]
            service.content["limits"]["tenant"]["requests_per_minute"] = 7
            service.write()
            service.run("apply", "-y")
            assert service.status()["release"]["change"] == ""
            with socket.create_server(("127.0.0.1", 0)) as other:
                service.content["admin"]["port"] = other.getsockname()[1]
                service.write()
                assert service.run("plan", check=False).returncode == 1


def _pid(service: Service) -> int:
    try:
        record = read_record(service.state.unit("valkey"))
    except (OSError, ValueError):
        return 0
    return record.program.pid if record is not None and record.program is not None else 0


def _shared(service: Service) -> float:
    return _told(service, "forebay_limits_shared")


def _lost(service: Service) -> float:
    return _told(service, "forebay_limits_lost_total")


def _told(service: Service, metric: str) -> float:
    with urllib.request.urlopen(service.metrics_url, timeout=60) as answer:  # noqa: S310  http, ours
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(metric))


def _post(service: Service) -> int:
    url = f"http://127.0.0.1:{service.content['gateway']['port']}/v1/chat/completions"
    headers = {"authorization": f"Bearer {service.key}", "content-type": "application/json"}
    try:
        request = urllib.request.Request(url, orjson.dumps(CHAT), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
