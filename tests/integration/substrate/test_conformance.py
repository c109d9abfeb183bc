"""Every substrate that this machine can run keeps every claim of the suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.kubernetes.cluster import Cluster

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


@pytest.mark.parametrize("claim", ANYWHERE, ids=lambda claim: claim.__name__)
def test_local(local: Site, claim: Callable[[Site], None]) -> None:
    claim(local)


@pytest.mark.parametrize("claim", ANYWHERE + ELSEWHERE, ids=lambda claim: claim.__name__)
def test_kubernetes(kubernetes: Site, claim: Callable[[Site], None]) -> None:
    claim(kubernetes)
