"""Copies that follow the load on this machine: they outlive a controller, a lost one and a lost source of counts."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.integration.ray.clients import WITHIN_S
from tests.integration.scale import claims

from forebay.controller.status import EngineStatus
from forebay.substrate.local import LocalSubstrate, is_running
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


class Here:
    """This machine, as a machine of namespaces: what runs in it ends with us, and clients do not ask on for ever."""

    def run(self, argv: Sequence[str], env: Mapping[str, str], **how: Any) -> subprocess.Popen[bytes]:
        bound = ("setpriv", "--pdeathsig", "KILL", *argv)
        return subprocess.Popen(bound, env={**os.environ, **env}, stdin=subprocess.DEVNULL, **how)

    def output(self, *argv: str) -> str:
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout


class Site:
    """A service without an edge."""

    def __init__(self, folder: Path) -> None:
        self.machine = Here()
        models = {"m": {"engines": [dict(claims.ENGINE)]}}
        self.service = Service(folder, models, gateway=dict(claims.GATEWAY), edge={"kind": "none"})

    def held(self) -> int:
        units = LocalSubstrate(self.service.state).observe()
        return sum(name.startswith("m-embedded") and is_running(each) for name, each in units.items())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    found = Site(tmp_path_factory.mktemp("here"))
    with found.service:
        yield found


@pytest.mark.parametrize("claim", claims.ANYWHERE, ids=lambda claim: claim.__name__)
def test_copies_that_follow_the_load(site: Site, claim: Callable[[Site], None]) -> None:
    claim(site)


def test_a_copy_comes_ahead_of_its_calls(site: Site) -> None:
    claims.comes_ahead_of_its_calls(site)


def test_a_copy_that_drains_is_called_back_when_the_last_other_one_is_lost(site: Site) -> None:
    """Unless that one is back before its loss was seen, as on a crowded machine."""
    with claims.one_drains(site) as streams:
        (last,) = claims.ready(site)
        (drains,) = claims.draining(site)
        os.kill(last.pid, signal.SIGKILL)
        wait_for(
            "one takes calls again",
            lambda: _ready(site) & {(drains.name, drains.pid)} or _is_back(site, last),
            WITHIN_S,
        )
        streams.end()


def _ready(site: Site) -> set[tuple[str, int | None]]:
    return {(each.name, each.pid) for each in claims.ready(site)}


def _is_back(site: Site, lost: EngineStatus) -> bool:
    return any(name == lost.name and pid != lost.pid for name, pid in _ready(site))


def test_where_calls_cannot_be_counted_no_copy_goes(site: Site) -> None:
    wait_for("one rests", lambda: claims.rests(site), WITHIN_S)
    with claims.load(site, claims.TWO) as calls:
        wait_for("two copies are ready", lambda: len(claims.ready(site)) == 2, WITHIN_S)
        for page in site.service.state.counters.glob("*.page"):
            page.unlink()
        wait_for("that is told", lambda: claims.scaling(site).held == "unseen", WITHIN_S)
        calls.all_answered()
    claims.stays(site, "both copies stay", lambda: claims.scaling(site).copies == 2 == site.held())
    assert any("the counters of worker-1" in reason for reason in claims.status(site).reasons)
    for worker in claims.status(site).gateway.workers:
        os.kill(worker.pid, signal.SIGKILL)
    wait_for("one rests", lambda: claims.rests(site), WITHIN_S)
