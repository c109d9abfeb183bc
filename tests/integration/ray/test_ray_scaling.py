"""Copies that follow the load on a real Ray cluster: they come, go, wait for room, and lose a node or a controller."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.ray import groups
from tests.integration.ray.clients import WITHIN_S
from tests.integration.ray.cluster import Cluster
from tests.integration.ray.machines import Machine, Machines
from tests.integration.scale import claims

from forebay.testing.service import Service
from forebay.testing.worker import wait_for

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="namespaces need root and iproute2"),
]


class Site:
    """A cluster with room for two engines, a service on its first machine, and a machine that has not joined yet."""

    def __init__(self, machines: list[Machine], folder: Path) -> None:
        self.folder, self.machine, self.fresh = folder, machines[0], machines[-1]
        self._machines = machines
        self.cluster = Cluster(machines[:-1], folder, cpus=[1] * (len(machines) - 2))
        substrate = {"kind": "ray", "address": self.cluster.address, "folder": str(folder / "nodes")}
        self.service = Service(
            folder,
            {"m": {"engines": [dict(claims.ENGINE)]}},
            prefix=self.machine.argv(),
            gateway=dict(claims.GATEWAY),
            substrate=substrate,
            edge={"kind": "none"},
            admin={"port": 8100},
        )

    def held(self) -> int:
        """Placement groups, pending ones too."""
        return int(self.machine.output(sys.executable, groups.__file__, self.cluster.address))

    def machine_of(self, url: str) -> Machine:
        (found,) = (each for each in self._machines if f"//{each.address}:" in url)
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Machines("fbscale", 4) as machines:
        found = Site(machines, tmp_path_factory.mktemp("ray"))
        try:
            with found.service:
                yield found
        finally:
            found.cluster.stop()


@pytest.mark.parametrize("claim", claims.WITH_AGENTS, ids=lambda claim: claim.__name__)
def test_copies_that_follow_the_load(site: Site, claim: Callable[[Site], None]) -> None:
    claim(site)


def test_what_no_node_has_room_for_waits_is_told_and_keeps_no_release_from_coming(site: Site) -> None:
    with claims.load(site, claims.THREE) as calls:
        wait_for("the third waits", lambda: _third_waits(site), WITHIN_S)
        found = claims.scaling(site)
        assert "no node has room for 1 CPUs" in found.held_why
        (name,) = (each.name for each in claims.status(site).engines if f"{each.name}: " in found.held_why)
        claims.stays(site, "it waits and is not started anew", lambda: _waits(site, name))
        site.service.content["models"]["m"]["engines"][0]["context_tokens"] += 128
        site.service.write()
        site.service.run("apply", "--yes")
        calls.all_answered()
    wait_for("one rests, and no room is held for another", lambda: claims.rests(site), WITHIN_S)


def _third_waits(site: Site) -> bool:
    found = claims.scaling(site)
    return (found.copies, found.ready, found.held) == (3, 2, "no_room")


def _waits(site: Site, name: str) -> bool:
    (found,) = (each for each in claims.status(site).engines if each.name == name)
    return (found.state, found.restarts, claims.scaling(site).copies) == ("starting", 0, 3)


def test_a_node_that_is_lost_while_a_copy_starts_on_it_loses_no_call_and_the_copy_comes_up_elsewhere(
    site: Site,
) -> None:
    wait_for("one rests", lambda: claims.rests(site), WITHIN_S)
    (first,) = claims.ready(site)
    with claims.load(site, claims.TWO) as calls:
        wait_for("a copy starts somewhere", lambda: len(_places(site)) == 2, WITHIN_S)
        (url,) = _places(site) - {first.url}
        lost = site.machine_of(url)
        lost.kill()
        site.cluster.join(site.fresh, 1)
        wait_for("two copies are ready, none on the lost node", lambda: _is_whole_without(site, lost), WITHIN_S)
        calls.all_answered()
    wait_for("one rests", lambda: claims.rests(site), WITHIN_S)


def _places(site: Site) -> set[str]:
    return {each.url for each in claims.status(site).engines if each.url}


def _is_whole_without(site: Site, lost: Machine) -> bool:
    urls = [each.url for each in claims.ready(site)]
    return len(urls) == 2 and all(site.machine_of(url) is not lost for url in urls)


def test_down_leaves_nothing_on_any_node(site: Site) -> None:
    site.service.run("down")
    assert site.held() == 0
    found = subprocess.run(["pgrep", "-f", str(site.folder / "nodes")], capture_output=True, text=True, check=False)
    assert found.stdout == ""
