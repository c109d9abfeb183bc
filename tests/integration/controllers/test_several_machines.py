"""Controllers of two state directories share a lease through a real Valkey: one acts, the other waits."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack

import httpx2
import pytest

from forebay.controller.lease.election import Record, read
from forebay.controller.lease.shared import lease_key
from forebay.controller.status import Status, read_status
from forebay.core.proc import Identity
from forebay.substrate.local import LocalSubstrate, is_running
from forebay.testing.fake_engine import FakeEngine
from forebay.testing.service import Service
from forebay.testing.valkey import ValkeyServer
from forebay.testing.worker import wait_for

pytestmark = pytest.mark.timeout(300)
KEY = lease_key("forebay", "development")


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with ValkeyServer(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture(scope="module")
def sites(valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    """Two machines with the same file, but for their ports."""
    with FakeEngine() as engine, ExitStack() as stack:
        models = {"m": {"engines": [{"kind": "external", "name": "e", "url": f"http://127.0.0.1:{engine.port}"}]}}
        made = []
        for name in ("first", "second"):
            service = Service(
                tmp_path_factory.mktemp(name),
                models,
                gateway={"workers": 1},
                edge={"kind": "none"},
                valkey={"kind": "external", "port": valkey.port, "password": f"file:{valkey.folder / 'password'}"},
                controller={"lease": {"via": "valkey", "ttl": "3s"}},
            )
            made.append(stack.enter_context(service))
        yield made


def seen(service: Service) -> Status:
    found = read_status(service.state.status)
    assert found is not None
    return found


def lease(valkey: ValkeyServer) -> Record:
    text = valkey.ask("GET", KEY)
    found = read(text) if isinstance(text, bytes) else None
    assert found is not None
    return found


def leads(service: Service, valkey: ValkeyServer) -> bool:
    status = seen(service)
    return status.state == "ready" and status.controller.lease == lease(valkey).number


def stands_by(service: Service) -> bool:
    """Whether its controller lives, and says that another one leads."""
    status = seen(service)
    return status.state == "standby" and status.controller.pid == program(service, "controller").pid


def program(service: Service, unit: str) -> Identity:
    record = LocalSubstrate(service.state).find(unit)
    assert record is not None
    assert record.program is not None
    return record.program


def runs(service: Service, unit: str) -> bool:
    record = LocalSubstrate(service.state).find(unit)
    return record is not None and is_running(record)


def answers(service: Service) -> bool:
    url = f"http://127.0.0.1:{service.content['gateway']['port']}/v1/models"
    headers = {"authorization": f"Bearer {service.key}"}
    return httpx2.get(url, headers=headers, timeout=60).status_code == 200


def roles(sites: list[Service], valkey: ValkeyServer) -> tuple[Service, Service]:
    """Who leads, and who stands by, once it is so."""
    first, second = sites
    wait_for(
        "one leads, and the other stands by",
        lambda: (leads(first, valkey) and stands_by(second)) or (leads(second, valkey) and stands_by(first)),
    )
    return (second, first) if stands_by(first) else (first, second)


def test_one_leads_and_the_other_says_whom_it_waits_for(sites: list[Service], valkey: ValkeyServer) -> None:
    _leader, other = roles(sites, valkey)
    assert lease(valkey).holder in other.run("status").stdout
    refused = other.run("apply", "-y", check=False)
    assert refused.returncode == 1
    assert "stand by" in refused.stderr


def test_a_valkey_that_has_forgotten_everything_is_told_again(sites: list[Service], valkey: ValkeyServer) -> None:
    leader, _other = roles(sites, valkey)
    before = lease(valkey)
    valkey.ask("FLUSHALL")
    wait_for("the lease is there again", lambda: valkey.ask("GET", KEY) is not None)
    assert lease(valkey).number >= before.number
    assert answers(leader)


def test_a_leader_that_slept_does_nothing_when_it_wakes(sites: list[Service], valkey: ValkeyServer) -> None:
    leader, other = roles(sites, valkey)
    asleep, number = program(leader, "controller"), lease(valkey).number
    os.kill(asleep.pid, signal.SIGSTOP)
    wait_for("the other one leads", lambda: leads(other, valkey))
    assert lease(valkey).number > number
    worker = program(leader, "worker-1")
    assert answers(leader), "what serves calls goes on"
    os.kill(worker.pid, signal.SIGKILL)
    wait_for("its worker has ended", lambda: not runs(leader, "worker-1"))
    os.kill(asleep.pid, signal.SIGCONT)
    wait_for("the woken one has ended itself, and stands by", lambda: not asleep.alive and stands_by(leader))
    assert not runs(leader, "worker-1"), "one that leads would have started it"
    assert "the lease is lost" in leader.state.log("controller").read_text()


def test_without_valkey_nobody_leads_and_calls_are_served(sites: list[Service], valkey: ValkeyServer) -> None:
    leader, other = roles(sites, valkey)
    before, number = program(leader, "controller"), lease(valkey).number
    valkey.kill()
    wait_for("the leader has ended itself", lambda: not before.alive)
    wait_for("both stand by", lambda: stands_by(leader) and stands_by(other))
    assert answers(leader)
    valkey.start()
    roles(sites, valkey)
    assert lease(valkey).number > number


def test_one_that_is_asked_to_leave_lets_the_other_lead(sites: list[Service], valkey: ValkeyServer) -> None:
    leader, other = roles(sites, valkey)
    leader.run("down")
    wait_for("the other one leads", lambda: leads(other, valkey))
    assert answers(other)
