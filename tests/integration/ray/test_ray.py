"""Engines on a real Ray cluster of four machines: put there, replaced, lost and found, with clients that go on."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.ray.clients import WITHIN_S, Load
from tests.integration.ray.cluster import Cluster
from tests.integration.ray.machines import Machine, Machines
from tests.integration.release.trial import ENDLESS, FAULTY, WIDE, last, name, plan

from forebay.testing.worker import wait_for

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="namespaces need root and iproute2"),
]


class Site:
    """A cluster and a service on its first machine, with two engines on the others."""

    def __init__(self, machines: list[Machine], folder: Path) -> None:
        self.machines, self.folder = machines, folder
        self.cluster = Cluster(machines, folder)
        self.service = self.cluster.service(
            {"kind": "embedded", "count": 2, "context_tokens": 1024, "max_sequences": 2}
        )

    def load(self) -> Load:
        return Load(self.service, self.machines[0])

    def try_out(self, env: dict[str, str], **how: Any) -> None:
        """Write another release, and how it is to be tried."""
        self.service.content["models"]["m"]["engines"][0]["env"] = env
        self.service.content["rollout"] = plan(**how)
        self.service.write()

    def is_whole(self) -> bool:
        """Whether one engine of each slot is left, and all are ready."""
        found = self.service.engines()
        return (
            len(found) == 2
            and {each["slot"] for each in found} == {"m-embedded-1", "m-embedded-2"}
            and all(each["state"] == "ready" for each in found)
        )

    def shares(self, before: dict[str, str]) -> bool:
        """Whether an engine is where one was."""
        return bool(set(self.service.ready().values()) & set(before.values()))

    def machine_of(self, url: str) -> Machine:
        (found,) = (each for each in self.machines if f"//{each.address}:" in url)
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Machines("fbray", 4) as machines:
        found = Site(machines, tmp_path_factory.mktemp("ray"))
        try:
            with found.service:
                yield found
        finally:
            found.cluster.stop()


def test_engines_are_spread_over_the_nodes_and_answer(site: Site) -> None:
    ready = site.service.ready()
    assert len(ready) == 2
    assert all(site.machine_of(url) is not site.machines[0] for url in ready.values())
    site.load().all_answered()


def test_the_log_of_an_engine_is_read_here(site: Site) -> None:
    name = next(iter(site.service.ready()))
    said = site.service.run("engine", "logs", name).stdout
    assert "listens on http://10.77.0." in said


def test_an_agent_that_is_killed_leaves_its_engine_as_it_is(site: Site) -> None:
    before = site.service.engines()
    victim = before[0]
    kill = site.machines[0].run(["kill", "-9", str(victim["pid"])], {})
    assert kill.wait(30) == 0
    wait_for("it is ready again", lambda: _is_back(site, victim), WITHIN_S)


def _is_back(site: Site, victim: dict[str, Any]) -> bool:
    (now,) = (each for each in site.service.engines() if each["name"] == victim["name"])
    return now["state"] == "ready" and now["pid"] != victim["pid"] and now["url"] == victim["url"]


def test_an_engine_whose_ray_worker_is_killed_is_started_again_and_no_call_fails(site: Site) -> None:
    before, calls = site.service.engines()[0], site.load()
    machine = site.machine_of(before["url"])
    machine.output("kill", "-9", *machine.output("pgrep", "-f", "^ray::.*OnNode").split())
    wait_for("another engine has taken its place", lambda: _is_another(site, before), WITHIN_S)
    calls.all_answered()


def _is_another(site: Site, before: dict[str, Any]) -> bool:
    (now,) = (each for each in site.service.engines() if each["name"] == before["name"])
    return now["state"] == "ready" and now["url"] not in ("", before["url"])


def test_without_the_head_engines_serve_and_are_found_again(site: Site) -> None:
    before, calls = site.service.ready(), site.load()
    site.cluster.kill_head()
    wait_for("calls go on", lambda: site.service.ready() == before, WITHIN_S)
    site.cluster.start_head()
    calls.all_answered()
    assert site.service.ready() == before
    # What the head forgot could not be stopped either: see that the agents reach their engines.
    site.service.content["models"]["m"]["engines"][0]["max_sequences"] = 3
    site.service.write()
    site.service.run("up", "--detach")
    assert set(site.service.ready().values()) & set(before.values()) == set()


def test_a_new_release_rolls_through_without_a_failed_call(site: Site) -> None:
    before, calls = site.service.ready(), site.load()
    site.service.content["models"]["m"]["engines"][0]["context_tokens"] = 768
    site.service.write()
    site.service.run("up", "--detach")
    calls.all_answered()
    assert set(site.service.ready().values()) & set(before.values()) == set()


def test_a_sound_canary_is_promoted_and_no_call_fails(site: Site) -> None:
    before, old, calls = site.service.ready(), name(site.service), site.load()
    site.try_out(env={"BUILD": "sound"})
    site.service.run("apply", "--yes", "--rollout", "canary")
    calls.all_answered()
    assert last(site.service) == ("applied", "")
    assert name(site.service) != old
    wait_for("every engine is a new one", lambda: site.is_whole() and not site.shares(before), WITHIN_S)


def test_a_canary_that_fails_calls_is_taken_back_and_clients_see_none(site: Site) -> None:
    before, old, calls = site.service.ready(), name(site.service), site.load()
    site.try_out(env={"PYTHONPATH": str(FAULTY), "FAULT_EVERY": "3"}, steps=ENDLESS, tolerance={**WIDE, "alpha": 0.5})
    taken_back = site.service.run("apply", "--yes", "--rollout", "canary", check=False)
    calls.all_answered()
    assert taken_back.returncode == 1
    assert "error rate" in taken_back.stderr
    assert name(site.service) == old
    assert site.service.ready() == before


def test_a_node_that_vanishes_in_mid_apply_loses_no_call_and_the_change_comes_to_its_end(site: Site) -> None:
    before, old, calls = site.service.ready(), name(site.service), site.load()
    site.service.content["models"]["m"]["engines"][0].update(env={}, context_tokens=896)
    site.service.write()
    begun = threading.Thread(target=site.service.run, args=("apply", "--yes"), kwargs={"check": False})
    begun.start()
    wait_for("the first engine leaves", lambda: set(site.service.ready().values()) != set(before.values()), WITHIN_S)
    lost = site.machine_of(next(url for url in before.values()))
    lost.kill()
    begun.join(WITHIN_S * 2)
    assert not begun.is_alive()
    calls.all_answered()
    result, why = last(site.service)
    assert (result, name(site.service) == old) in {("applied", False), ("reverted", True)}, why
    wait_for("two engines are there, none on the lost node", lambda: _is_whole_without(site, lost), WITHIN_S)


def _is_whole_without(site: Site, lost: Machine) -> bool:
    return site.is_whole() and all(site.machine_of(url) is not lost for url in site.service.ready().values())


def test_a_node_that_is_lost_loses_no_call_and_its_engine_comes_up_elsewhere(site: Site) -> None:
    before, calls = site.service.ready(), site.load()
    lost = site.machine_of(next(iter(before.values())))
    lost.kill()
    wait_for("both engines are on nodes that are left", lambda: _is_whole_without(site, lost), WITHIN_S)
    calls.all_answered()


def test_down_leaves_nothing_on_any_node(site: Site) -> None:
    site.service.run("down")
    found = subprocess.run(["pgrep", "-f", str(site.folder / "nodes")], capture_output=True, text=True, check=False)
    assert found.stdout == ""
