"""Engines in containers on two real Docker hosts: put there, replaced, lost and found, with clients that go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.integration.docker import daemon
from tests.integration.docker.daemon import IMAGE
from tests.integration.docker.hosts import Hosts, running
from tests.integration.ray.clients import WITHIN_S, Load
from tests.integration.ray.machines import Machine
from tests.integration.release.trial import ENDLESS, FAULTY, WIDE, last, plan
from tests.integration.release.trial import name as release_of

from forebay.testing.worker import wait_for

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(daemon.why_not()), reason=daemon.why_not()),
]


class Site(Hosts):
    """An engine on each of two hosts."""

    def __init__(self, machines: list[Machine], folder: Path) -> None:
        super().__init__(machines, folder, {"kind": "embedded", "count": 2, "context_tokens": 1024, "max_sequences": 2})

    def load(self) -> Load:
        return Load(self.service, self.machines[0])

    def log_of(self, unit: str) -> str:
        return (self.folder / ".forebay" / "logs" / f"{unit}.log").read_text()

    def try_out(self, *, context_tokens: int | None = None, **how: Any) -> None:
        """Write another release, and how it is to be tried."""
        if context_tokens is not None:
            self.service.content["models"]["m"]["engines"][0]["context_tokens"] = context_tokens
        self.service.content["rollout"] = plan(**how)
        self.service.write()

    def build_faulty(self, image: str, every: int) -> None:
        """forebay's image with a build of llama.cpp that fails some calls, on both hosts."""
        context = self.folder / "faulty"
        context.mkdir()
        (context / "xllamacpp.py").write_text((FAULTY / "xllamacpp.py").read_text())
        lines = [f"FROM {IMAGE}", "COPY xllamacpp.py /faulty/xllamacpp.py"]
        lines.append(f"ENV PYTHONPATH=/faulty FAULT_EVERY={every}")
        (context / "Dockerfile").write_text("\n".join(lines) + "\n")
        for each in self.daemons:
            each.docker("build", "--quiet", "--tag", image, str(context))

    def change(self, **keys: int) -> None:
        """Release other engines."""
        self.service.content["models"]["m"]["engines"][0].update(keys)
        self.service.write()
        self.service.run("up", "--detach")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(Site, "fbdocker", tmp_path_factory.mktemp("docker")) as found:
        yield found


def test_engines_are_spread_over_the_hosts_and_answer(site: Site) -> None:
    assert {site.number_of(url) for url in site.service.ready().values()} == {0, 1}
    site.load().all_answered()


def test_each_has_checked_the_weights_that_its_host_shares_with_it(site: Site) -> None:
    for name in site.service.ready():
        assert "weights: 1 files of 0.1 GiB are what they should be" in site.log_of(name)
    assert all(each["ready_after_s"] > 0 for each in site.service.engines())


def test_a_container_is_locked_down_and_published_on_its_private_address_alone(site: Site) -> None:
    (container,) = site.containers()
    (found,) = orjson.loads(site.daemons[0].docker("inspect", container).stdout)
    host = found["HostConfig"]
    assert found["Config"]["User"] == "10001:10001"
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["ShmSize"] == 1024**3
    ports = found["NetworkSettings"]["Ports"]["8000/tcp"]
    assert [port["HostIp"] for port in ports] == [site.machines[0].address]
    wait_for("Docker finds it healthy too", lambda: _health(site, container) == "healthy", WITHIN_S)


def _health(site: Site, container: str) -> str:
    return site.daemons[0].docker("inspect", "--format", "{{.State.Health.Status}}", container).stdout.strip()


def test_without_its_daemon_an_engine_serves_and_is_followed_again(site: Site) -> None:
    before, calls = site.service.ready(), site.load()
    (name,) = (each for each, url in before.items() if site.number_of(url) == 0)
    site.daemons[0].kill()
    wait_for("the agent has noticed", lambda: "the daemon of one is away" in site.log_of(name), WITHIN_S)
    assert site.service.ready() == before
    site.daemons[0].start()
    calls.all_answered()
    assert site.service.ready() == before


def test_a_new_release_rolls_through_without_a_failed_call(site: Site) -> None:
    before, calls = {*site.containers(0), *site.containers(1)}, site.load()
    site.change(context_tokens=768)
    calls.all_answered()
    after = {*site.containers(0), *site.containers(1)}
    assert len(after) == 2
    assert after.isdisjoint(before)
    for name in site.service.ready():
        assert "weights: 1 files are unchanged since they were checked" in site.log_of(name)


def test_a_sound_canary_is_promoted_and_no_call_fails(site: Site) -> None:
    before, old, calls = {*site.containers(0), *site.containers(1)}, release_of(site.service), site.load()
    site.try_out(context_tokens=640)
    site.service.run("apply", "--yes", "--rollout", "canary")
    calls.all_answered()
    assert last(site.service) == ("applied", "")
    assert release_of(site.service) != old
    wait_for("every container is a new one", lambda: _is_whole_without(site, before), WITHIN_S)


def _is_whole_without(site: Site, before: set[str]) -> bool:
    now = {*site.containers(0), *site.containers(1)}
    return len(now) == 2 == len(site.service.ready()) and now.isdisjoint(before)


def test_an_image_that_fails_calls_is_taken_back_and_clients_see_none(site: Site) -> None:
    site.build_faulty("bad:1", every=3)
    before, old, calls = site.service.ready(), release_of(site.service), site.load()
    site.service.content["substrate"]["docker"]["images"] = {"forebay": "bad:1"}
    site.try_out(steps=ENDLESS, tolerance={**WIDE, "alpha": 0.5})
    taken_back = site.service.run("apply", "--yes", "--rollout", "canary", check=False)
    calls.all_answered()
    assert taken_back.returncode == 1
    assert "error rate" in taken_back.stderr
    assert release_of(site.service) == old
    assert site.service.ready() == before
    del site.service.content["substrate"]["docker"]["images"]
    wait_for("the canary's container is gone", lambda: _containers(site) == 2, WITHIN_S)


def _containers(site: Site) -> int:
    return len(site.containers(0)) + len(site.containers(1))


def test_a_host_that_is_lost_loses_no_call_and_its_engine_comes_up_elsewhere(site: Site) -> None:
    calls = site.load()
    site.machines[1].kill()
    wait_for(
        "both engines are on the host that is left",
        lambda: [site.number_of(url) for url in site.service.ready().values()] == [0, 0],
        WITHIN_S,
    )
    calls.all_answered()
    assert any("two is lost" in site.log_of(name) for name in site.service.ready())


def test_down_leaves_nothing_on_any_host(site: Site) -> None:
    site.service.run("down")
    assert site.daemons[0].docker("ps", "--all", "--quiet").stdout == ""
