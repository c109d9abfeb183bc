"""Controllers of two machines share a lease through a real Valkey: one acts, both machines serve."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.integration.controllers.sites import Site, Valkey, roles
from tests.integration.failover import back
from tests.integration.ray.machines import Machines

from forebay.controller.lease.shared import lease_key
from forebay.release.running import read_running
from forebay.testing.worker import wait_for

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="namespaces need root and iproute2"),
]
KEY = lease_key("forebay", "development")
ENGINE_PORT = 18000


class World:
    def __init__(self, valkey: Valkey, first: Site, second: Site) -> None:
        self.valkey, self.first, self.second = valkey, first, second

    def roles(self) -> tuple[Site, Site]:
        return roles(self.first, self.second, self.valkey)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("several")
    with ExitStack() as after, Machines("fbsm", 3) as (shared, *two):
        argv = (sys.executable, back.__file__, shared.address, str(ENGINE_PORT), str(folder / "stop"))
        engine = shared.run(argv, {}, stdout=subprocess.DEVNULL)
        after.callback(engine.wait, 60)
        valkey = Valkey(shared, folder)
        after.callback(valkey.wait)
        models = {
            "m": {"engines": [{"kind": "external", "name": "e", "url": f"http://{shared.address}:{ENGINE_PORT}"}]}
        }
        first, second = (Site(machine, folder / machine.name, shared, models) for machine in two)
        first.service.run("up", "--detach")
        second.service.take_keys_of(first.service)
        second.service.run("up", "--detach")
        yield World(valkey, first, second)
        for site in (first, second):
            site.service.run("down")


def test_one_leads_and_both_serve(world: World) -> None:
    leader, other = world.roles()
    assert world.valkey.lease().holder in other.service.run("status").stdout
    for site in (leader, other):
        site.load().all_answered()
    refused = other.service.run("apply", "-y", check=False)
    assert refused.returncode == 1
    assert "stand by" in refused.stderr


def test_what_the_leader_changes_is_in_force_on_the_other_machine_too(world: World) -> None:
    leader, other = world.roles()
    calls = other.load()
    leader.service.content["models"]["m"]["aliases"] = ["also-m"]
    leader.service.write()
    leader.service.run("apply", "--yes")
    wait_for("the other machine serves the same release", lambda: _digest(other) == _digest(leader))
    wait_for("its gateway knows it", lambda: _asked(other, "also-m") == "200")
    calls.all_answered()


def test_a_valkey_that_has_forgotten_everything_is_told_again(world: World) -> None:
    leader, other = world.roles()
    before = world.valkey.lease()
    world.valkey.ask("FLUSHALL")
    wait_for("the lease is there again", lambda: world.valkey.ask("GET", KEY) is not None)
    wait_for("and what the leader does", lambda: world.valkey.ask("GET", f"{KEY}:book") is not None)
    assert world.valkey.lease().number >= before.number
    for site in (leader, other):
        assert _asked(site) == "200"


def test_a_leader_that_slept_does_nothing_when_it_wakes_but_follow(world: World) -> None:
    leader, other = world.roles()
    asleep, number, digest = leader.status.controller.pid, world.valkey.lease().number, _digest(leader)
    calls = leader.load()
    leader.signal("STOP", asleep)
    wait_for("the other one leads", lambda: other.leads(world.valkey), 120)
    assert world.valkey.lease().number > number
    assert _digest(other) == digest, "it goes on with what was so"
    leader.signal("CONT", asleep)
    wait_for("the woken one has ended itself, and stands by", lambda: leader.stands_by, 120)
    calls.all_answered()
    assert leader.status.controller.pid != asleep
    assert "the lease is lost" in leader.service.state.log("controller").read_text()


def test_without_valkey_nobody_leads_and_calls_are_served(world: World) -> None:
    leader, other = world.roles()
    before, number = leader.status.controller.pid, world.valkey.lease().number
    calls = [site.load() for site in (leader, other)]
    world.valkey.kill()
    wait_for("the leader has ended itself", lambda: not leader.lives(before), 120)
    wait_for("both stand by", lambda: leader.stands_by and other.stands_by, 120)
    world.valkey.start()
    world.roles()
    for each in calls:
        each.all_answered()
    assert world.valkey.lease().number > number


def test_one_that_is_asked_to_leave_lets_the_other_lead(world: World) -> None:
    leader, other = world.roles()
    calls = other.load()
    leader.service.run("down")
    wait_for("the other one leads", lambda: other.leads(world.valkey), 120)
    calls.all_answered()


def _digest(site: Site) -> str:
    found = read_running(site.service.state.running)
    assert found is not None
    return found.release.digest


def _asked(site: Site, model: str = "m") -> str:
    body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "x"}}], "max_tokens": 1}}'
    return site.machine.output(
        "curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--max-time", "60",
        "-H", f"authorization: Bearer {site.service.key}", "-H", "content-type: application/json", "-d", body,
        f"http://127.0.0.1:{site.service.content['gateway']['port']}/v1/chat/completions",
    )  # fmt: skip
