"""Whatever is killed under load, every whole answer arrives and no cut stream ends like a complete one."""

import os
import signal

import pytest
from tests.integration.service.conftest import EMBEDDED
from tests.integration.service.load import Load

from forebay.engines.record import read_record
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

ALLOWED = {
    ("whole", "answered"),
    ("streamed", "complete"),
    ("streamed", "error_event"),
    ("streamed", "transport_error"),
}


def pid_of(service: Service, unit: str) -> int:
    record = read_record(service.state.unit(unit))
    return record.program.pid if record and record.program and record.program.alive else 0


def kill_and_await_return(service: Service, unit: str) -> None:
    before = pid_of(service, unit)
    assert before
    os.kill(before, signal.SIGKILL)
    wait_for(f"{unit} is back", lambda: pid_of(service, unit) not in {0, before}, 60)


def engines_ready(service: Service) -> bool:
    return [engine["state"] for engine in service.status()["engines"]] == ["ready", "ready"]


@pytest.mark.timeout(300)
def test_clients_do_not_notice_what_is_killed(tmp_path):
    with Service(tmp_path, EMBEDDED) as service:
        tls = service.tls()
        first_engine = service.status()["engines"][0]["name"]
        with Load(service.url, service.key, tls, whole=4, streamed=3, max_tokens=24) as load:

            def more_answers(kind: str = "whole", number: int = 6) -> None:
                goal = load.count(kind) + number
                wait_for(f"{number} more {kind} answers", lambda: load.count(kind) >= goal, 90)

            more_answers()
            kill_and_await_return(service, first_engine)
            wait_for("both engines are ready", lambda: engines_ready(service), 60)
            more_answers()
            kill_and_await_return(service, "worker-1")
            more_answers()
            kill_and_await_return(service, "controller")
            more_answers()
            os.kill(pid_of(service, "edge"), signal.SIGHUP)
            more_answers()
            more_answers("streamed", 3)

        assert set(load.outcomes) <= ALLOWED, load.outcomes
        assert load.outcomes["streamed", "complete"] > 0


@pytest.mark.timeout(300)
def test_a_killed_controller_restarts_no_engine_and_adopts_all(tmp_path):
    with Service(tmp_path, EMBEDDED) as service:
        before = [engine["pid"] for engine in service.status()["engines"]]
        kill_and_await_return(service, "controller")
        wait_for("the new one reports", lambda: service.status()["controller"]["pid"] == pid_of(service, "controller"))
        wait_for("it sees both engines", lambda: engines_ready(service))
        assert [engine["pid"] for engine in service.status()["engines"]] == before
