"""A release is taken in under load without a failed call; one that fails is taken back, and the old one serves on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.integration.service.load import Load

from forebay.release.running import read_running
from forebay.release.store import Store
from forebay.substrate.local import LocalSubstrate
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

pytestmark = pytest.mark.timeout(300)
FINE = {("whole", "answered"), ("streamed", "complete")}


def models(count: int, **more: object) -> dict[str, Any]:
    return {"smollm2": {"engines": [{"kind": "embedded", "count": count, "threads": 1, **more}]}}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("rolling"), models(2)) as running:
        yield running


@pytest.fixture
def service(started: Service) -> Service:
    """Two engines, as every test begins; whatever the one before left is replaced."""
    started.content["models"] = models(2)
    started.content["edge"].pop("keepalive_timeout", None)
    started.write()
    started.run("up", "--detach")
    return started


def write(service: Service, count: int, **more: object) -> None:
    service.content["models"] = models(count, **more)
    service.write()


def engine_pids(service: Service) -> dict[str, int]:
    seen = LocalSubstrate(service.state).observe()
    return {name: each.program.pid for name, each in seen.items() if each.program and name.startswith("smollm2")}


def events(service: Service) -> list[dict[str, Any]]:
    lines = (service.folder / "configs" / "log.jsonl").read_bytes().splitlines()
    return [orjson.loads(line) for line in lines]


def running(service: Service) -> str:
    found = read_running(service.state.running)
    assert found is not None
    return found.release.name


def current(service: Service) -> str:
    found = Store.beside(service.file).current("development")
    assert found is not None
    return found.name


def answers_on(load: Load, number: int = 2) -> None:
    for kind in ("whole", "streamed"):
        goal = load.count(kind) + number
        wait_for(f"{number} more {kind} answers", lambda kind=kind, goal=goal: load.count(kind) >= goal, 90)


def under(service: Service) -> Load:
    return Load(service.url, service.key, service.tls(), whole=1, streamed=1, max_tokens=4)


def test_engines_are_really_replaced_under_load_and_no_call_fails(service: Service) -> None:
    first, old = engine_pids(service), running(service)
    new, logged = "v2", len(events(service))
    with under(service) as load:
        answers_on(load)
        write(service, 2, max_sequences=3)
        planned = service.run("plan", "--detailed-exitcode", "-o", "json", check=False)
        assert planned.returncode == 2
        steps = orjson.loads(planned.stdout)["steps"]
        assert len(steps) == 1, steps
        (step,) = steps
        assert (step["key"], step["restart"]) == ("models.smollm2.engines[0].max_sequences", "engine_restart")
        service.run("apply", "--yes", "--reason", "fewer at once")
        second = engine_pids(service)
        assert second.keys() == first.keys()
        assert not set(second.values()) & set(first.values())
        assert (running(service), current(service)) == (new, new)
        answers_on(load)

        (service.folder / "bad.gguf").write_bytes(b"GGUF and then nothing that belongs there")
        write(service, 2, weights="bad.gguf")
        failed = service.run("apply", "--yes", check=False)
        assert failed.returncode == 1
        assert f"v3 was not taken: {new} serves again" in failed.stderr
        assert "bad.gguf" in failed.stderr
        third = engine_pids(service)
        assert len(set(third.values()) & set(second.values())) == 1, "the other engine was touched"
        assert (running(service), current(service)) == (new, new)
        answers_on(load)

        service.run("rollback", "--reason", "as it was")
        assert (running(service), current(service)) == (old, old)
        answers_on(load)
    assert set(load.outcomes) == FINE, load.outcomes
    done = Counter(event["what"] for event in events(service)[logged:] if event["what"] != "created")
    assert done == {"apply": 1, "reverted": 1, "rollback": 1}


def test_the_only_engine_is_replaced_by_one_beside_it(tmp_path: Path) -> None:
    with Service(tmp_path, models(1)) as service:
        before = engine_pids(service)
        with under(service) as load:
            answers_on(load)
            write(service, 1, max_sequences=3)
            service.run("apply", "--yes")
            after = engine_pids(service)
            answers_on(load)
        assert set(load.outcomes) == FINE, load.outcomes
        assert not after.keys() & before.keys()
        (name,) = after
        assert name.startswith("smollm2-embedded.")
        assert service.status()["engines"][0]["slot"] == "smollm2-embedded"
        controller = LocalSubstrate(service.state).observe()["controller"].program
        assert controller is not None
        os.kill(controller.pid, signal.SIGKILL)
        wait_for("another controller adopts it", lambda: service.status()["controller"]["pid"] != controller.pid, 60)
        wait_for("it is ready", lambda: service.status()["state"] == "ready", 60)
        assert engine_pids(service) == after
        assert "nothing changes" in service.run("plan").stdout
        assert json.loads(service.run("apply", "--yes", "-o", "json").stdout)["state"] == "unchanged"


def test_a_rendered_file_that_its_program_refuses_is_taken_back(service: Service) -> None:
    before, old = engine_pids(service), running(service)
    service.content["edge"]["keepalive_timeout"] = "10000000000000d"
    service.write()
    failed = service.run("apply", "--yes", check=False)
    assert failed.returncode == 1
    assert "nginx refuses" in failed.stderr
    assert f"{old} serves again" in failed.stderr
    assert engine_pids(service) == before
    assert service.status()["state"] == "ready"
    assert current(service) == old


def test_whoever_dies_in_mid_apply_the_change_comes_to_its_end(service: Service) -> None:
    """The command, the controller and the engine that is being replaced are killed; a second command is refused."""
    first, old = engine_pids(service), running(service)
    write(service, 2, max_sequences=3, warmup_prompt="Hello again")
    argv = [sys.executable, "-m", "forebay", "apply", "--yes", "-c", str(service.file)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as applier:
        wait_for("the change is under way", lambda: has_change(service), 60)
        applier.send_signal(signal.SIGSTOP)  # it holds what it holds, however long the next command takes to start
        refused = service.run("apply", "--yes", check=False)
        assert refused.returncode == 1
        assert f"pid {applier.pid}" in refused.stderr
        applier.kill()
    seen = LocalSubstrate(service.state).observe()
    for name in ("controller", "smollm2-embedded-1"):
        program = seen[name].program
        if program is not None and program.alive:
            os.kill(program.pid, signal.SIGKILL)
    wait_for("it is applied", lambda: not has_change(service), 120)
    assert running(service) != old
    wait_for("all is ready", lambda: service.status()["state"] == "ready", 60)
    assert not set(engine_pids(service).values()) & set(first.values())


def has_change(service: Service) -> bool:
    found = read_running(service.state.running)
    return found is not None and found.change is not None


def test_a_saved_plan_holds_only_for_what_it_was_made_for(service: Service) -> None:
    plan = service.folder / "plan.json"
    write(service, 2, weight=2.0)
    service.run("plan", "--out", str(plan))
    edited = service.folder / "edited.json"
    edited.write_bytes(plan.read_bytes().replace(b'"strategy": "auto"', b'"strategy": "surge"'))
    cut = service.folder / "cut.json"
    cut.write_bytes(plan.read_bytes()[:-100])
    for file, why in ((edited, "edited"), (cut, "no whole plan"), (service.folder / "none", "no such plan")):
        refused = service.run("apply", str(file), check=False)
        assert refused.returncode == 1
        assert why in refused.stderr
    before, old = engine_pids(service), running(service)
    write(service, 2, weight=3.0)  # what is applied is what was planned, not what the file says by now
    service.run("apply", str(plan))
    new = running(service)
    assert new != old
    assert engine_pids(service) == before, "a weight is taken live"
    values: Any = Store.beside(service.file).read(new).values("development")
    assert values["models"]["smollm2"]["engines"][0]["weight"] == 2.0
    stale = service.run("apply", str(plan), check=False)
    assert stale.returncode == 1
    assert f"starts from {old}, and {new} runs now" in stale.stderr
    other = service.run("plan", "--env", "staging", check=False)
    assert other.returncode == 1
    assert "development runs here" in other.stderr


def test_drift_is_told_and_mended(service: Service) -> None:
    old, store = running(service), Store.beside(service.file)
    conf = service.state.edge / "nginx.conf"
    conf.write_bytes(conf.read_bytes() + b"# edited\n")
    wait_for("the status tells it", lambda: service.status()["release"]["drift"], 60)
    assert "nginx.conf was edited" in service.run("status").stdout
    planned = orjson.loads(service.run("plan", "-o", "json").stdout)
    assert planned["changes"]
    assert planned["steps"] == []
    assert ["nginx.conf was edited" in each for each in planned["drift"]] == [True]
    service.run("apply", "--yes")
    assert b"# edited" not in conf.read_bytes()
    link = store.link("development")
    link.unlink()
    link.symlink_to("../versions/v99")
    assert "leads nowhere" in service.run("plan").stdout
    service.run("rollback", old)
    assert current(service) == old
    damaged = store.save({**store.read(old).files, "more": b"1"}, store.read(old).created)
    path = store.versions / damaged.name / "config" / "development.json"
    path.chmod(0o600)
    path.write_text("{")
    refused = service.run("rollback", damaged.name, check=False)
    assert refused.returncode == 1
    assert "changed or cut off" in refused.stderr
    assert service.status()["state"] == "ready"
