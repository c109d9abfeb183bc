"""A rollout outlives the machine that began it: another one finishes it, or takes it back, on the same engines."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from tests.integration.controllers.sites import Site, Valkey, roles
from tests.integration.ray.cluster import Cluster
from tests.integration.ray.machines import Machine, Machines
from tests.integration.release.trial import ENDLESS, FAULTY, STEPS, WIDE, change, last, name, plan, step_of

from forebay.release.running import read_running
from forebay.testing.worker import wait_for

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="namespaces need root and iproute2"),
]
WITHIN_S = 180.0


class World:
    """The first of four machines has Ray's head and the Valkey, the last one the engines; two have the service."""

    def __init__(self, machines: list[Machine], folder: Any) -> None:
        shared, *two, _engines = machines
        self.cluster = Cluster(machines, folder, cpus=(0, 0, 4))
        (folder / "valkey").mkdir()
        self.valkey = Valkey(shared, folder / "valkey")
        substrate = {"kind": "ray", "address": self.cluster.address, "folder": str(folder / "nodes")}
        keys = {"kind": "embedded", "count": 2, "context_tokens": 1024, "max_sequences": 2, "threads": 1}
        self.sites = [
            Site(each, folder / each.name, shared, {"m": {"engines": [dict(keys)]}}, substrate=substrate)
            for each in two
        ]
        self.nodes = folder / "nodes"

    def begin(self) -> None:
        first, second = self.sites
        first.service.run("up", "--detach")
        second.service.take_keys_of(first.service)
        second.service.run("up", "--detach")

    def roles(self) -> tuple[Site, Site]:
        first, second = self.sites
        return roles(first, second, self.valkey)

    def try_out(self, leader: Site, env: dict[str, str], **how: Any) -> None:
        """Begin a rollout, and wait for its first step."""
        for site in self.sites:  # the same file on both
            site.service.content["models"]["m"]["engines"][0]["env"] = env
            site.service.content["rollout"] = plan(**how)
            site.service.write()
        leader.service.run("apply", "--yes", "--rollout", "canary", "--detach")
        wait_for("the first step", lambda: step_of(leader.service) == 1, WITHIN_S)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as after, Machines("fbrm", 4) as machines:
        found = World(machines, tmp_path_factory.mktemp("rollout"))
        after.callback(found.valkey.wait)
        try:
            found.begin()
            yield found
        finally:
            found.cluster.stop()


def engines(site: Site) -> dict[str, str]:
    return {each.name: each.url for each in site.status.engines if each.state == "ready"}


def is_whole(site: Site) -> bool:
    """Whether one engine of each slot is left, and all are ready."""
    found = site.status.engines
    return sorted(each.slot for each in found) == ["m-embedded-1", "m-embedded-2"] and len(engines(site)) == 2


def test_both_machines_serve_with_the_same_engines(world: World) -> None:
    leader, other = world.roles()
    wait_for("both know both", lambda: len(engines(leader)) == 2 and engines(other) == engines(leader), WITHIN_S)
    for site in (leader, other):
        site.load().all_answered()


def test_a_machine_that_is_brought_down_leaves_the_engines_to_the_other_and_comes_back(world: World) -> None:
    leader, other = world.roles()
    before, calls = engines(leader), other.load()
    leader.service.run("down")
    wait_for("the other machine leads", lambda: other.leads(world.valkey), WITHIN_S)
    assert engines(other) == before
    leader.service.run("up", "--detach")
    world.roles()
    wait_for("it serves with the engines of the other one", lambda: engines(leader) == before, WITHIN_S)
    leader.load().all_answered()
    calls.all_answered()
    assert engines(other) == before


def test_a_release_that_fails_is_taken_back_by_the_other_machine_and_no_call_fails(world: World) -> None:
    leader, other = world.roles()
    old, before = name(leader.service), engines(leader)
    faulty = {"PYTHONPATH": str(FAULTY), "FAULT_EVERY": "3"}
    world.try_out(leader, faulty, steps=ENDLESS, tolerance={**WIDE, "alpha": 0.5})
    begun, asleep, number = change(leader.service), leader.status.controller.pid, world.valkey.lease().number
    assert begun is not None
    leader.signal("STOP", asleep)
    wait_for("the other machine leads", lambda: _leads_after(other, world, number), WITHIN_S)
    calls = [site.load() for site in (leader, other)]
    wait_for("it is taken back", lambda: change(other.service) is None, WITHIN_S)
    wait_for("two engines are left, where they were", lambda: is_whole(other) and engines(other) == before, WITHIN_S)
    leader.signal("CONT", asleep)
    wait_for("the woken one has ended itself, and follows", lambda: leader.stands_by, WITHIN_S)
    wait_for("with the engines that are left", lambda: engines(leader) == before, WITHIN_S)
    for each in calls:
        each.all_answered()
    assert name(other.service) == old
    result, why = last(other.service)
    assert result == "reverted"
    assert "error rate" in why
    assert _last_id(other) == begun.id, "the same rollout, not another one"


def test_a_sound_release_is_finished_when_the_machine_is_lost_and_no_call_of_the_other_fails(world: World) -> None:
    leader, other = world.roles()
    old, before = name(leader.service), engines(leader)
    steps = [{**STEPS[0], "lasts": "15s"}, STEPS[1]]
    world.try_out(leader, {"BUILD": "sound"}, steps=steps)
    begun, number = change(leader.service), world.valkey.lease().number
    assert begun is not None
    wait_for("the canary takes calls", lambda: _canaries(leader), WITHIN_S)
    (canary,) = _canaries(leader)
    calls = other.load()
    leader.machine.kill()
    wait_for("the other machine leads", lambda: _leads_after(other, world, number), WITHIN_S)
    wait_for("all of it is in force", lambda: change(other.service) is None, WITHIN_S)
    wait_for("every engine is a new one", lambda: is_whole(other), WITHIN_S)
    calls.all_answered()
    assert last(other.service) == ("applied", "")
    assert name(other.service) != old
    assert not set(engines(other).values()) & set(before.values())
    assert canary in engines(other).values(), "the canary is not another one"
    assert _last_id(other) == begun.id, "the same rollout, not another one"


def test_down_leaves_nothing_on_any_machine(world: World) -> None:
    for left in [site for site in world.sites if site.stands_by or site.leads(world.valkey)]:
        left.service.run("down")
    found = subprocess.run(["pgrep", "-f", str(world.nodes)], capture_output=True, text=True, check=False)
    assert found.stdout == ""


def _canaries(site: Site) -> list[str]:
    return [url for unit, url in engines(site).items() if "." in unit and not unit.endswith(".baseline")]


def _leads_after(site: Site, world: World, number: int) -> bool:
    """Whether it leads, and with what no earlier one had: two never lead at once."""
    return world.valkey.lease().number > number and site.status.controller.leads


def _last_id(site: Site) -> str:
    found = read_running(site.service.state.running)
    return found.last.id if found is not None and found.last is not None else ""
