"""Two controllers on one machine: one leads, the other takes over, and what serves calls needs neither."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import httpx2
import orjson
import pytest
from tests.integration.service.load import Load

from forebay.controller.lease.local import LocalLeader, read_leader
from forebay.controller.lease.standby import standing_by
from forebay.controller.status import Status, read_status
from forebay.engines.record import UnitRecord
from forebay.substrate.base import is_controller
from forebay.substrate.local import LocalSubstrate, is_running
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

pytestmark = pytest.mark.timeout(300)
MODELS = {"smollm2": {"engines": [{"kind": "embedded", "threads": 1}]}}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("controllers")
    with Service(folder, MODELS, controller={"replicas": 2, "lease": {"ttl": "5s"}}) as running:
        wait_for("the other one stands by", lambda: len(standing_by(running.state)) == 1)
        yield running
    assert LocalSubstrate(running.state).processes() == {}


def units(service: Service) -> dict[str, UnitRecord]:
    return {name: each for name, each in LocalSubstrate(service.state).observe().items() if is_running(each)}


def served_by(service: Service) -> dict[str, int]:
    """What serves calls: everything but the controllers."""
    return {name: each.program.pid for name, each in units(service).items() if each.program and not is_controller(name)}


def leader(service: Service) -> LocalLeader:
    found = read_leader(service.state.leader)
    assert found is not None
    return found


def seen(service: Service) -> Status:
    found = read_status(service.state.status)
    assert found is not None
    return found


def is_led_by_another(service: Service, before: LocalLeader) -> bool:
    """Whether another one leads, has adopted what runs, and the one before stands by."""
    now, status = leader(service), seen(service)
    others = {each.unit for each in standing_by(service.state)}
    return now.number > before.number and status.controller.pid == now.me.pid and others == {before.unit}


def more(load: Load, number: int) -> None:
    goal = load.count("whole") + number
    wait_for(f"{number} more answers", lambda: load.count("whole") >= goal, 120)


def no_call_failed(load: Load) -> bool:
    return set(load.outcomes) <= {("whole", "answered")}


def test_a_leader_is_killed_twice_and_no_call_fails(service: Service) -> None:
    before = served_by(service)
    with Load(service.url, service.key, service.tls(), whole=2, streamed=0, max_tokens=1) as load:
        for _ in range(2):
            more(load, 5)
            old = leader(service)
            os.kill(old.me.pid, signal.SIGKILL)
            wait_for("the other one leads, and the killed one stands by", lambda: is_led_by_another(service, old))  # noqa: B023
        more(load, 5)
    assert no_call_failed(load), load.outcomes
    assert served_by(service) == before
    wait_for("all are ready", lambda: seen(service).state == "ready")


def test_a_leader_that_is_stopped_is_ended_by_the_one_that_stands_by(service: Service) -> None:
    old, before = leader(service), served_by(service)
    os.kill(old.me.pid, signal.SIGSTOP)
    wait_for("the other one leads", lambda: is_led_by_another(service, old))
    assert not old.me.alive
    assert served_by(service) == before


def test_the_status_names_the_leader_and_who_stands_by(service: Service) -> None:
    (standby,) = standing_by(service.state)
    wait_for("the status says so", lambda: [each.pid for each in seen(service).controller.standbys] == [standby.pid])
    table = service.run("status").stdout
    assert f"/{leader(service).unit} (lease {leader(service).number})" in table
    assert f"{standby.unit} (pid {standby.pid})" in table


def test_without_any_controller_calls_are_served_keys_expire_and_what_runs_is_adopted(service: Service) -> None:
    until_s = time.time() + 6  # at least
    made = service.run("key", "create", "--name", "brief", "--expires", "6s", "-o", "json").stdout
    key = orjson.loads(made)["key"]
    before = served_by(service)
    with Load(service.url, service.key, service.tls(), whole=2, streamed=0, max_tokens=1) as load:
        for name, record in units(service).items():
            if is_controller(name):
                os.kill(record.holder.pid, signal.SIGKILL)
        wait_for("no controller runs", lambda: not any(map(is_controller, units(service))))
        assert asked_with(service, key) == 200 or time.time() > until_s
        more(load, 20)
        wait_for("the key opens nothing any more", lambda: asked_with(service, key) == 401)
        service.run("up", "--detach")
        more(load, 5)
    assert no_call_failed(load), load.outcomes
    assert served_by(service) == before
    wait_for("all are ready", lambda: seen(service).state == "ready")
    wait_for("one leads and one stands by", lambda: len(standing_by(service.state)) == 1)


def asked_with(service: Service, key: str) -> int:
    headers = {"authorization": f"Bearer {key}"}
    with httpx2.Client(verify=service.tls(), headers=headers) as client:
        return client.get(f"{service.url}/models", timeout=60).status_code


def test_fewer_controllers_are_wanted(service: Service) -> None:
    service.content["controller"] = {"replicas": 1}
    service.write()
    service.run("up", "--detach")
    assert {name for name in units(service) if is_controller(name)} == {"controller"}
    assert standing_by(service.state) == ()
