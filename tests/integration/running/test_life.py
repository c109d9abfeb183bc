"""The whole service comes up, survives what is killed, converges, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest

from forebay.engines.record import UnitRecord
from forebay.gateway.snapshot import read
from forebay.substrate.local import LocalSubstrate
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

pytestmark = pytest.mark.timeout(240)


def models(count: int, **more: object) -> dict[str, Any]:
    # Threads that wait for one another stand still on a machine whose cores are all busy.
    return {"smollm2": {"engines": [{"kind": "embedded", "count": count, "threads": 1, **more}]}}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path, models(2)) as running:
        yield running


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Service]:
    """Not started; whatever a test leaves is stopped."""
    made = Service(tmp_path, models(1))
    yield made
    made.run("down", check=False)


def units(service: Service) -> dict[str, UnitRecord]:
    return LocalSubstrate(service.state).observe()


def pids(service: Service) -> dict[str, int]:
    return {name: record.program.pid for name, record in units(service).items() if record.program}


def nothing_is_left(service: Service) -> bool:
    return LocalSubstrate(service.state).processes() == {}


def taken_keys(service: Service) -> set[str]:
    """Keys of the snapshots that the workers have acknowledged."""
    found: set[str] = set()
    for worker in ("worker-1", "worker-2"):
        digest = service.state.acknowledgement(worker).read_text()
        found |= {key.id for key in read(service.state.snapshots / f"{digest}.json")[1].keys}
    return found


def states(service: Service) -> list[str]:
    return [engine["state"] for engine in service.status()["engines"]]


def ask(port: int, question: str, *messages: dict[str, str], max_tokens: int = 20) -> str:
    body = {"model": "smollm2", "temperature": 0, "max_tokens": max_tokens}
    body["messages"] = [*messages, {"role": "user", "content": question}]  # type: ignore[assignment]
    content = orjson.dumps(body)
    fields = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    head = f"POST /v1/chat/completions HTTP/1.0\r\n{fields}"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(head.encode() + content)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    found = orjson.loads(answer.partition(b"\r\n\r\n")[2])
    assert found["model"] == "smollm2"
    return str(found["choices"][0]["message"]["content"])


def test_an_engine_knows_paris_with_the_usual_system_prompt_and_without_any(service: Service) -> None:
    port = units(service)["smollm2-embedded-1"].port
    usual = {"role": "system", "content": "You are a helpful assistant."}
    assert ask(port, "What is the capital of France?", usual) == "The capital of France is Paris."
    assert ask(port, "What is the capital of France?") == "The capital of France is Paris."


def test_a_killed_engine_and_a_killed_holder_come_back(service: Service) -> None:
    before = units(service)
    first, second = before["smollm2-embedded-1"], before["smollm2-embedded-2"]
    assert first.program is not None
    os.kill(first.program.pid, signal.SIGKILL)
    os.kill(second.holder.pid, signal.SIGKILL)

    def both_are_back() -> bool:
        status = service.status()
        return status["state"] == "ready" and [engine["restarts"] for engine in status["engines"]] == [1, 1]

    wait_for("both were started again, and are ready", both_are_back)


def test_an_edge_whose_holder_is_killed_leaves_no_nginx_and_comes_back(service: Service) -> None:
    before = {pid for pid, unit in LocalSubstrate(service.state).processes().items() if unit == "edge"}
    assert len(before) > 3, "holder, watcher, master and workers"
    os.kill(units(service)["edge"].holder.pid, signal.SIGKILL)
    wait_for("all are gone", lambda: not before & set(LocalSubstrate(service.state).processes()))
    wait_for("another edge is ready", lambda: service.status()["edge"]["restarts"] == 1)
    wait_for("all are ready", lambda: service.status()["state"] == "ready")


def test_a_frozen_engine_leaves_routing_and_is_replaced(stopped: Service) -> None:
    stopped.content["models"] = models(1, stall="1s")
    stopped.write()
    stopped.run("up", "--detach")
    frozen = pids(stopped)["smollm2-embedded"]
    os.kill(frozen, signal.SIGSTOP)
    wait_for("it is not routed", lambda: not read(stopped.state.current_snapshot)[1].engines[0].routable, 60)
    wait_for("another one runs", lambda: pids(stopped).get("smollm2-embedded", frozen) != frozen, 60)
    wait_for("it is ready", lambda: states(stopped) == ["ready"], 60)


def test_a_second_controller_adopts_everything_and_can_stop_it(service: Service) -> None:
    before = pids(service)
    controller = before.pop("controller")
    os.kill(controller, signal.SIGKILL)
    wait_for("another controller reports", lambda: service.status()["controller"]["pid"] != controller, 60)
    after = pids(service)
    assert after.pop("controller") != controller
    assert after == before
    wait_for("it finds both ready", lambda: states(service) == ["ready", "ready"])
    service.run("engine", "drain", "smollm2-embedded-1", "--timeout", "60s")
    assert "smollm2-embedded-1" not in {name for name, record in units(service).items() if record.ended_at is None}
    service.run("down")
    assert nothing_is_left(service)


def test_up_again_changes_nothing_and_a_change_replaces_only_what_changed(service: Service) -> None:
    before = pids(service)
    service.run("up", "--detach")
    assert pids(service) == before
    service.content["models"] = models(2, context_tokens=1024)
    service.write()
    service.run("up", "--detach")
    after = pids(service)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"smollm2-embedded-1", "smollm2-embedded-2"}
    assert service.status()["state"] == "ready"


def test_an_edited_file_that_nobody_applied_changes_nothing(service: Service) -> None:
    before = pids(service)
    read_at = service.status()["controller"]["read_at"]
    service.content["models"] = {"smollm2": {"engines": [{"kind": "embedded", "weights": "missing.gguf"}], "bad": 1}}
    service.write()
    os.kill(units(service)["controller"].holder.pid, signal.SIGHUP)
    wait_for("it has read again", lambda: service.status()["controller"]["read_at"] > read_at)
    assert service.status()["controller"]["findings"] == []
    assert pids(service) == before
    assert states(service) == ["ready", "ready"]


def test_draining_waits_for_the_work_in_the_engine(service: Service) -> None:
    port = units(service)["smollm2-embedded-1"].port
    answers: list[Future[str]] = []
    with ThreadPoolExecutor(1) as threads:

        def is_seen_at_work() -> bool:
            if not answers or answers[-1].done():  # however fast it is: a story that is over is followed by another
                answers.append(threads.submit(ask, port, "Tell me a long story.", max_tokens=400))
            return bool(service.status()["engines"][0]["running"] == 1)

        wait_for("it is seen at work", is_seen_at_work)
        service.run("engine", "drain", "smollm2-embedded-1", "--timeout", "60s")
        assert answers[-1].done()
        assert len(answers[-1].result()) > 100


def test_a_revoked_key_leaves_every_worker_within_a_second(service: Service) -> None:
    made = orjson.loads(service.run("key", "create", "-o", "json").stdout)
    wait_for("all workers have it", lambda: made["id"] in taken_keys(service))
    service.run("key", "revoke", made["id"])
    wait_for("no worker has it", lambda: made["id"] not in taken_keys(service), 1)


def test_a_drained_engine_stops_and_comes_back_when_asked(service: Service) -> None:
    service.run("engine", "drain", "smollm2-embedded-2", "--timeout", "60s")
    assert states(service) == ["ready", "draining"]
    service.run("engine", "drain", "smollm2-embedded-2", "--undo")
    wait_for("it is ready", lambda: states(service) == ["ready", "ready"], 60)


def test_a_crash_loop_says_why_and_leaves_nothing(stopped: Service) -> None:
    (stopped.folder / "bad.gguf").write_bytes(b"GGUF and then nothing that belongs there")
    stopped.content["models"] = models(1, weights="bad.gguf")
    stopped.write()
    done = stopped.run("up", "--detach", check=False)
    assert done.returncode == 1
    assert "never became ready" in done.stderr
    assert "bad.gguf" in done.stderr
    assert nothing_is_left(stopped)


def test_an_up_that_fails_leaves_alone_what_ran_before(stopped: Service) -> None:
    stopped.run("up", "--detach")
    before = pids(stopped)
    stopped.state.running.unlink()
    failed = stopped.run("up", "--detach", "--timeout", "0.01s", check=False)
    assert failed.returncode == 1
    assert "nothing is left running" not in failed.stderr
    assert pids(stopped) == before


def test_missing_weights_and_a_taken_port_are_told_together_before_anything_starts(stopped: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        stopped.content["admin"] = {"port": taken.getsockname()[1]}
        stopped.content["models"] = models(1, weights="missing.gguf")
        stopped.write()
        done = stopped.run("up", "--detach", check=False)
    assert done.returncode == 1
    assert "missing.gguf" in done.stderr
    assert f"pid {os.getpid()}" in done.stderr
    assert nothing_is_left(stopped)


def test_an_engine_that_is_never_ready_fails_up_in_time(stopped: Service) -> None:
    program = stopped.folder / "deaf.py"
    program.write_text("import time\ntime.sleep(600)\n")
    stopped.content["models"] = {
        "smollm2": {
            "engines": [
                {"kind": "vllm", "weights": "x/y", "release": "0.32.0", "program": [sys.executable, str(program)]}
            ]
        }
    }
    stopped.write()
    done = stopped.run("up", "--detach", "--timeout", "5s", check=False)
    assert done.returncode == 1
    assert "not ready after 5 s" in done.stderr
    assert nothing_is_left(stopped)


def test_in_the_foreground_sigterm_brings_everything_down(stopped: Service) -> None:
    argv = [sys.executable, "-m", "forebay", "up", "-c", str(stopped.file)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "Ctrl-C" in line:
                break
        running.send_signal(signal.SIGTERM)
        running.stderr.read()
        assert running.wait(60) == 0
    assert nothing_is_left(stopped)


def test_down_ends_what_lost_its_holder(stopped: Service) -> None:
    stopped.state.prepare()
    mark = f"{stopped.state.root.resolve()}:worker-9"
    lost = subprocess.Popen(["sleep", "600"], env={"PATH": os.environ["PATH"], "FOREBAY_UNIT": mark})
    try:
        stopped.run("down")
        assert lost.wait(60) == -signal.SIGKILL
    finally:
        lost.kill()
        lost.wait()


def test_status_of_a_service_that_does_not_run_is_told_by_its_exit_code(stopped: Service) -> None:
    done = stopped.run("status", "-o", "json", check=False)
    assert done.returncode == 1
    assert orjson.loads(done.stdout)["engines"] == []
