"""Every substrate that this machine can run keeps every claim of the suite."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.docker import daemon
from tests.integration.docker.daemon import Daemon, NoDaemon
from tests.integration.kubernetes.cluster import Cluster
from tests.integration.ray.cluster import Cluster as RayCluster
from tests.integration.ray.machines import Machines

from forebay.testing.substrate import ANYWHERE, ELSEWHERE, Site
from forebay.testing.worker import free_port


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("local"), {"kind": "local"})
    yield site
    site.clear()


@pytest.fixture(scope="module")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("kubernetes")
    with Cluster(folder) as cluster:
        reached = {"kubeconfig": str(cluster.kubeconfig()), "port": free_port()}
        section = {"kind": "kubernetes", "namespace": "default", "kubernetes": reached}
        site = Site(folder, section, no_room={"labels": {"disk": "fast"}})
        yield site
        site.clear()
        assert cluster.pods() == {}


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A host that answers, and one that does not."""
    with pytest.MonkeyPatch.context() as patch, Machines("fbclaims", 1) as (machine,):
        patch.setenv("PATH", daemon.path())
        try:
            running = Daemon(machine)
        except NoDaemon as error:
            pytest.skip(f"a Docker daemon does not run here: {str(error).splitlines()[-1]}")
        try:
            running.load_image()
            one = {"name": "one", "docker": running.socket, "address": machine.address}
            two = {"name": "two", "docker": "unix:///nowhere.sock", "address": "10.0.0.2", "labels": {"disk": "fast"}}
            section = {"kind": "docker", "docker": {"hosts": [one, two], "shared_memory_gib": 1}}
            folder: Path = tmp_path_factory.mktemp("docker")
            site = Site(folder, section, prefix=machine.argv(), no_room={"labels": {"disk": "fast"}})
            yield site
            site.clear()
            assert running.docker("ps", "--all", "--quiet").stdout == ""
        finally:
            running.stop()


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A head, where agents are, and a node that has room for engines."""
    with Machines("fbclaimr", 2) as machines:
        folder: Path = tmp_path_factory.mktemp("ray")
        cluster = RayCluster(machines, folder)
        try:
            section = {"kind": "ray", "address": cluster.address, "folder": str(folder / "nodes")}
            site = Site(folder, section, prefix=machines[0].entered(), no_room={"labels": {"disk": "fast"}})
            yield site
            site.clear()
        finally:
            cluster.stop()


@pytest.mark.parametrize("claim", ANYWHERE, ids=lambda claim: claim.__name__)
def test_local(local: Site, claim: Callable[[Site], None]) -> None:
    claim(local)


@pytest.mark.parametrize("claim", ANYWHERE + ELSEWHERE, ids=lambda claim: claim.__name__)
def test_kubernetes(kubernetes: Site, claim: Callable[[Site], None]) -> None:
    claim(kubernetes)


@pytest.mark.skipif(bool(daemon.why_not()), reason=daemon.why_not())
@pytest.mark.parametrize("claim", ANYWHERE + ELSEWHERE, ids=lambda claim: claim.__name__)
def test_docker(docker: Site, claim: Callable[[Site], None]) -> None:
    claim(docker)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="namespaces need root and iproute2")
@pytest.mark.parametrize("claim", ANYWHERE + ELSEWHERE, ids=lambda claim: claim.__name__)
def test_ray(ray: Site, claim: Callable[[Site], None]) -> None:
    claim(ray)
