"""Rollouts under load: what is as good is promoted, what is slower or fails is taken back, and no client is harmed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import httpx2
import orjson
import pytest
from tests.integration.release.trial import FAULTY, WIDE, change, last, name, step_of
from tests.integration.release.trial import plan as trial_plan
from tests.integration.service.load import Load

from forebay.controller.status import RolloutStatus, read_status
from forebay.release.running import read_running
from forebay.substrate.local import LocalSubstrate
from forebay.testing.service import Service
from forebay.testing.worker import free_port, wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
FINE = {("whole", "answered"), ("streamed", "complete")}


def models(count: int = 2, **more: object) -> dict[str, Any]:
    return {"smollm2": {"engines": [{"kind": "embedded", "count": count, "threads": 1, **more}]}}


def faulty(**faults: str) -> dict[str, Any]:
    return models(env={"PYTHONPATH": str(FAULTY), **faults})


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two engines; each test begins with whatever the one before has left in force."""
    with Service(tmp_path_factory.mktemp("rollout"), models()) as running:
        yield running


def write(service: Service, engines: dict[str, Any], **plan: Any) -> None:
    service.content["models"] = engines
    service.content["rollout"] = trial_plan(**plan)
    service.write()


def rollout(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(service.run("rollout", "status", "-o", "json").stdout)
    return found


def under(service: Service, *, whole: int = 2, streamed: int = 2, max_tokens: int = 3) -> Load:
    return Load(service.url, service.key, service.tls(), whole=whole, streamed=streamed, max_tokens=max_tokens)


def test_an_equal_canary_is_promoted_although_the_controller_dies_and_no_call_fails(service: Service) -> None:
    old = name(service)
    with under(service) as load:
        (service.folder / "probes.yaml").write_text("- {prompt: Count to three., matches: '[a-z0-9]'}\n")
        write(service, models(env={"BUILD": "equal"}), probes="probes.yaml")
        service.run("apply", "--yes", "--rollout", "canary", "--detach")
        wait_for("the first step", lambda: step_of(service) == 1, 90)
        controller = LocalSubstrate(service.state).observe()["controller"].program
        assert controller is not None
        os.kill(controller.pid, signal.SIGKILL)
        wait_for("all of it is in force", lambda: change(service) is None, 120)
    assert set(load.outcomes) == FINE, load.outcomes
    assert last(service) == ("applied", "")
    assert name(service) != old
    wait_for("two engines are left, all is ready", lambda: is_whole(service), 60)


def test_a_slower_canary_is_taken_back(service: Service) -> None:
    old = name(service)
    with under(service, whole=0, streamed=4) as load:
        # A busy machine's own time to the first token must not hide the delay.
        tight = {**WIDE, "ttft_ratio": 0.5, "alpha": 0.2}
        steps = [{"share": "50%", "lasts": "3s", "least_calls": 8}]
        write(service, faulty(FAULT_DELAY_S="2"), strategy="canary", steps=steps, tolerance=tight)
        applied = service.run("apply", "--yes", check=False)
        assert applied.returncode == 1
        assert "TTFT" in applied.stderr
        assert f"{old} serves again" in applied.stderr
    assert set(load.outcomes) <= FINE, load.outcomes
    assert name(service) == old
    result, why = last(service)
    assert result == "reverted"
    assert "TTFT" in why
    wait_for("it is told", lambda: is_told(service), 60)


def test_a_canary_with_five_per_cent_errors_is_stopped_by_the_guard_and_clients_see_none(service: Service) -> None:
    old = name(service)
    with under(service, whole=4, streamed=0, max_tokens=1) as load:
        steps = [{"share": "50%", "lasts": "1h", "least_calls": 1000000}]
        write(service, faulty(FAULT_EVERY="20"), strategy="canary", steps=steps, tolerance={**WIDE, "alpha": 0.5})
        applied = service.run("apply", "--yes", check=False)
        assert applied.returncode == 1
        assert "error rate" in applied.stderr
    assert name(service) == old
    assert "at any time" in last(service)[1]
    failed = sum(number for outcome, number in load.outcomes.items() if outcome not in FINE)
    assert failed <= 3, load.outcomes  # each was asked of another engine; the budget of retries is what it is


def test_a_canary_that_fails_what_the_baseline_answers_well_is_taken_back(service: Service) -> None:
    old = name(service)
    (service.folder / "probes.yaml").write_text("- {prompt: Count to three., matches: '^(?!Zounds)'}\n")
    steps = [{"share": "10%", "lasts": "1h"}]
    write(service, faulty(FAULT_WORD="Zounds"), strategy="canary", steps=steps, probes="probes.yaml")
    applied = service.run("apply", "--yes", check=False)
    assert applied.returncode == 1
    assert "quality probes (fail)" in applied.stderr
    assert "Count to three." in applied.stderr
    assert name(service) == old


def test_blue_and_green_are_switched_at_once_and_no_call_fails(service: Service) -> None:
    old = name(service)
    with under(service) as load:
        write(service, models(env={"BUILD": "green"}), steps=[], keep="1h")
        service.run("apply", "--yes", "--rollout", "blue-green", "--detach")
        wait_for("the switch", lambda: step_of(service) == 1, 90)
        wait_for("calls at green", lambda: counts(service)[0] >= 10, 90)
        (lane,) = rollout(service)["rollout"]["lanes"]
        assert len(lane["canary"]) == 2
        assert name(service) == old
        service.run("rollout", "promote", "--reason", "looks well")
        wait_for("all of it is in force", lambda: change(service) is None, 120)
    assert set(load.outcomes) == FINE, load.outcomes
    assert last(service) == ("applied", "")
    wait_for("two engines are left, all is ready", lambda: is_whole(service), 60)


def test_copies_are_compared_and_a_person_may_hold_it_and_take_it_back(service: Service) -> None:
    old = name(service)
    with under(service, whole=1, streamed=1) as load:
        write(service, models(env={"BUILD": "shadow"}), steps=[{"share": "100%", "lasts": "1h"}])
        service.run("apply", "--yes", "--rollout", "shadow", "--detach")
        wait_for("copies at both", lambda: min(counts(service)) >= 5, 120)
        refused = service.run("apply", "--yes", check=False)
        assert refused.returncode == 1
        assert "is applying" in refused.stderr
        assert "forebay rollout abort" in refused.stderr
        service.run("rollout", "pause")
        wait_for("it is told", lambda: stage(service) == "paused", 60)
        service.run("rollout", "resume")
        service.run("rollout", "abort", "--reason", "seen enough")
        wait_for("it is taken back", lambda: change(service) is None, 120)
    assert set(load.outcomes) == FINE, load.outcomes
    result, why = last(service)
    assert result == "reverted"
    assert "aborted by" in why
    assert "seen enough" in why
    assert name(service) == old
    again = service.run("rollout", "abort", check=False)
    assert again.returncode == 1
    assert "no rollout is under way" in again.stderr


def test_a_and_b_are_compared_until_a_person_decides(service: Service) -> None:
    old = name(service)
    with under(service) as load:
        write(service, models(env={"BUILD": "b"}), steps=[{"share": "50%", "lasts": "2s", "least_calls": 4}])
        service.run("apply", "--yes", "--rollout", "ab", "--detach")
        wait_for("it waits for a person", lambda: stage(service) == "held", 120)
        wait_for("effects", lambda: has_effects(service), 60)
        assert name(service) == old
        table = service.run("rollout", "status").stdout
        assert "p = " in table
        service.run("rollout", "abort")
        wait_for("it is taken back", lambda: change(service) is None, 120)
    assert set(load.outcomes) == FINE, load.outcomes


def test_without_room_a_canary_takes_one_engines_place_and_gives_it_back(service: Service) -> None:
    """A port of its own leaves no room beside; a step that shows too little fails where the file says so."""
    old, before = name(service), {each["name"] for each in service.status()["engines"]}
    own = [
        {"kind": "embedded", "name": f"smollm2-embedded-{number}", "threads": 1, "port": free_port()}
        for number in (1, 2)
    ]  # fmt: skip
    steps = [{"share": "10%", "lasts": "1s", "least_calls": 1000000}]
    with under(service, whole=1, streamed=1) as load:
        write(service, {"smollm2": {"engines": own}}, steps=steps, on_insufficient="fail")
        applied = service.run("apply", "--yes", "--rollout", "canary", check=False)
        assert applied.returncode == 1
        assert "insufficient data" in applied.stderr
    assert set(load.outcomes) == FINE, load.outcomes
    assert name(service) == old
    wait_for("two engines are left, all is ready", lambda: is_whole(service), 60)
    assert {each["name"] for each in service.status()["engines"]} == before


def test_what_cannot_be_compared_is_refused_and_nothing_begins(service: Service) -> None:
    write(service, {"smollm2": {**models(env=env_now(service))["smollm2"], "aliases": ["other"]}})
    refused = service.run("apply", "--yes", "--rollout", "canary", check=False)
    assert refused.returncode == 1
    assert "nothing of an engine changes" in refused.stderr
    write(service, models(env={"BUILD": "x"}), probes="none.yaml")
    refused = service.run("apply", "--yes", "--rollout", "canary", check=False)
    assert refused.returncode == 1
    assert "none.yaml" in refused.stderr
    assert change(service) is None


def env_now(service: Service) -> dict[str, str]:
    """What the engines that run were started with."""
    found = read_running(service.state.running)
    assert found is not None
    models: Any = found.release.config["models"]
    env: dict[str, str] = models["smollm2"]["engines"][0]["env"]
    return env


def seen(service: Service) -> RolloutStatus | None:
    """What the controller tells of the rollout."""
    status = read_status(service.state.status)
    return status.release.rollout if status is not None and status.release is not None else None


def counts(service: Service) -> tuple[int, int]:
    """Calls that speak for the canary, and for what it is compared with."""
    found = seen(service)
    return (found.lanes[0].canary_calls, found.lanes[0].baseline_calls) if found is not None and found.lanes else (0, 0)


def stage(service: Service) -> str:
    found = seen(service)
    return "" if found is None else found.stage


def has_effects(service: Service) -> bool:
    found = seen(service)
    return found is not None and bool(found.effects)


def is_whole(service: Service) -> bool:
    """Whether one engine of each slot is left, and everything is ready."""
    status = service.status()
    slots = sorted(each["slot"] for each in status["engines"])
    return status["state"] == "ready" and slots == ["smollm2-embedded-1", "smollm2-embedded-2"]


def is_told(service: Service) -> bool:
    """Whether the status and the metrics say that the release was taken back."""
    page = httpx2.get(service.metrics_url).text
    release = service.status()["release"]
    return bool(release["reverted"]) and release["rollout"] is None and "forebay_release_reverted 1.0" in page
