"""Copies that follow the load on two real Docker hosts: they come, go, and lose a host or a controller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.docker import daemon
from tests.integration.docker.hosts import Hosts, running
from tests.integration.ray.clients import WITHIN_S
from tests.integration.ray.machines import Machine
from tests.integration.scale import claims

from forebay.testing.worker import wait_for

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(daemon.why_not()), reason=daemon.why_not()),
]


class Site(Hosts):
    """An engine of three copies on two hosts."""

    def __init__(self, machines: list[Machine], folder: Path) -> None:
        super().__init__(machines, folder, dict(claims.ENGINE), gateway=dict(claims.GATEWAY))
        self.machine, self.lost = machines[0], False

    def held(self) -> int:
        """Containers, stopped ones too."""
        living = self.daemons[:1] if self.lost else self.daemons
        return sum(len(each.docker("ps", "--all", "--quiet").stdout.split()) for each in living)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(Site, "fbdscale", tmp_path_factory.mktemp("docker")) as found:
        yield found


@pytest.mark.parametrize("claim", claims.WITH_AGENTS, ids=lambda claim: claim.__name__)
def test_copies_that_follow_the_load(site: Site, claim: Callable[[Site], None]) -> None:
    claim(site)


def test_a_host_that_is_lost_while_a_copy_starts_on_it_loses_no_call_and_the_copy_comes_up_elsewhere(
    site: Site,
) -> None:
    wait_for("one rests", lambda: claims.rests(site), WITHIN_S)
    with claims.load(site, claims.TWO) as calls:
        wait_for("a copy starts on the other host", lambda: 1 in _hosts(site), WITHIN_S)
        site.machines[1].kill()
        site.lost = True
        wait_for("two copies are ready on the host that is left", lambda: _ready_on(site) == [0, 0], WITHIN_S)
        calls.all_answered()
    wait_for("one rests", lambda: claims.rests(site), WITHIN_S)


def _hosts(site: Site) -> set[int]:
    return {site.number_of(each.url) for each in claims.status(site).engines if each.url}


def _ready_on(site: Site) -> list[int]:
    return [site.number_of(each.url) for each in claims.ready(site)]


def test_down_leaves_nothing_on_any_host(site: Site) -> None:
    site.service.run("down")
    assert site.held() == 0
