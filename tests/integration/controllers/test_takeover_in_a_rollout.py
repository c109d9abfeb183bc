"""A rollout outlives its controller: the one that stood by goes on in the same step, or takes the release back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration.release.trial import ENDLESS, FAULTY, WIDE, change, last, name, plan, step_of
from tests.integration.service.load import Load

from forebay.controller.lease.local import LocalLeader, read_leader
from forebay.controller.lease.standby import standing_by
from forebay.release.running import read_running
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]
FINE = {("whole", "answered"), ("streamed", "complete")}


def models(**env: str) -> dict[str, Any]:
    return {"smollm2": {"engines": [{"kind": "embedded", "count": 2, "threads": 1, "env": env}]}}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    controllers = {"replicas": 2, "lease": {"ttl": "3s"}}
    with Service(tmp_path_factory.mktemp("takeover"), models(), controller=controllers) as running:
        yield running


def leader(service: Service) -> LocalLeader:
    found = read_leader(service.state.leader)
    assert found is not None
    return found


def begun(service: Service, engines: dict[str, Any], **steps: Any) -> None:
    """A rollout in its first step, with one controller that leads it and one that stands by."""
    wait_for("one stands by", lambda: len(standing_by(service.state)) == 1, 120)
    service.content["models"], service.content["rollout"] = engines, plan(**steps)
    service.write()
    service.run("apply", "--yes", "--rollout", "canary", "--detach")
    wait_for("the first step", lambda: step_of(service) == 1, 120)


def lose_leader(service: Service, number: signal.Signals) -> None:
    before = leader(service)
    os.kill(before.me.pid, number)
    wait_for("the other one leads", lambda: leader(service).number > before.number, 120)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_other_controller_brings_a_sound_release_to_its_end_and_no_call_fails(
    service: Service, number: signal.Signals
) -> None:
    old = name(service)
    with Load(service.url, service.key, service.tls(), whole=2, streamed=2, max_tokens=3) as load:
        begun(service, models(BUILD=number.name))
        change_id = _id(service)
        lose_leader(service, number)
        wait_for("all of it is in force", lambda: change(service) is None, 180)
        wait_for("two engines are left, all is ready", lambda: _is_whole(service), 120)
    assert set(load.outcomes) == FINE, load.outcomes
    assert last(service) == ("applied", "")
    assert name(service) != old
    assert _last_id(service) == change_id, "the same rollout, not another one"


def test_the_other_controller_takes_back_a_release_that_fails(service: Service) -> None:
    old = name(service)
    faulty = models(PYTHONPATH=str(FAULTY), FAULT_EVERY="4")
    begun(service, faulty, steps=ENDLESS, tolerance={**WIDE, "alpha": 0.5})
    lose_leader(service, signal.SIGKILL)
    assert change(service) is not None, "nobody has called: there was nothing to judge by"
    with Load(service.url, service.key, service.tls(), whole=4, streamed=0, max_tokens=1) as load:
        wait_for("it is taken back", lambda: change(service) is None, 180)
    assert name(service) == old
    result, why = last(service)
    assert result == "reverted"
    assert "error rate" in why
    failed = sum(count for outcome, count in load.outcomes.items() if outcome not in FINE)
    assert failed <= 3, load.outcomes  # each was asked of another engine; the budget of retries is what it is
    wait_for("two engines are left, all is ready", lambda: _is_whole(service), 120)


def test_a_rollout_that_is_being_taken_back_is_taken_back_by_the_other_controller(service: Service) -> None:
    old = name(service)
    with Load(service.url, service.key, service.tls(), whole=2, streamed=2, max_tokens=3) as load:
        begun(service, models(BUILD="aborted"), steps=ENDLESS)
        service.run("rollout", "abort", "--reason", "seen enough")
        lose_leader(service, signal.SIGKILL)
        wait_for("it is taken back", lambda: change(service) is None, 180)
        wait_for("two engines are left, all is ready", lambda: _is_whole(service), 120)
    assert set(load.outcomes) == FINE, load.outcomes
    assert name(service) == old
    assert "seen enough" in last(service)[1]


def _id(service: Service) -> str:
    found = change(service)
    return found.id if found is not None else ""


def _last_id(service: Service) -> str:
    found = read_running(service.state.running)
    return found.last.id if found is not None and found.last is not None else ""


def _is_whole(service: Service) -> bool:
    """Whether one engine of each slot is left, and everything is ready."""
    status = service.status()
    slots = sorted(each["slot"] for each in status["engines"])
    return status["state"] == "ready" and slots == ["smollm2-embedded-1", "smollm2-embedded-2"]
