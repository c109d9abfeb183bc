"""Engines as pods of an emulated cluster: what goes wrong with the cluster, and what a person is told of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.kubernetes.cluster import TOKEN, Cluster

from forebay.render.containers import forebay_image
from forebay.testing.substrate import WITHIN_S, Site
from forebay.testing.worker import free_port, wait_for


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster"), stand_in=True) as cluster:
        yield cluster
        assert cluster.pods() == {}


def site_of(cluster: Cluster, folder: Path, **reached: object) -> Site:
    """A service in a namespace of its own."""
    namespace = f"n{uuid.uuid4().hex[:8]}"
    cluster.server.namespaces.add(namespace)
    kubernetes = {"kubeconfig": str(cluster.kubeconfig()), "port": free_port()} | reached
    return Site(folder, {"kind": "kubernetes", "namespace": namespace, "kubernetes": kubernetes})


@pytest.fixture(scope="module")
def running(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One engine for all tests that leave it running."""
    site = site_of(cluster, tmp_path_factory.mktemp("site"))
    yield site
    site.clear()


@pytest.fixture
def site(cluster: Cluster, tmp_path: Path) -> Iterator[Site]:
    site = site_of(cluster, tmp_path)
    yield site
    site.clear()


def told(site: Site, words: str) -> None:
    wait_for(f"it is told: {words}", lambda: words in site.log(), WITHIN_S)


def test_an_engine_serves_while_the_api_server_is_away(cluster: Cluster, running: Site) -> None:
    url = running.serves()
    cluster.go_away()
    told(running, "tried again in")
    assert running.serves() == url
    watched = cluster.server.asked.count("watch")
    cluster.come_back()
    wait_for("the agent is back", lambda: cluster.server.asked.count("watch") > watched, WITHIN_S)
    assert running.serves() == url


def test_a_version_that_is_forgotten_is_listed_anew_and_a_bookmark_is_no_change(
    cluster: Cluster, running: Site
) -> None:
    url = running.serves()
    cluster.call(cluster.server.bookmark())
    listed, said = cluster.server.asked.count("list"), running.log().count("tried again")
    cluster.call(cluster.server.forget())
    wait_for("it is listed anew", lambda: cluster.server.asked.count("list") > listed, WITHIN_S)
    assert running.serves() == url
    assert running.log().count("tried again") == said, "a version that is too old is no trouble"


def test_a_list_and_a_watch_that_are_refused_are_tried_again(cluster: Cluster, running: Site) -> None:
    url = running.serves()
    cluster.server.refusals = {"list": [500], "watch": [403]}
    cluster.call(cluster.server.forget())
    told(running, "answered 500 to GET")
    told(running, "answered 403 to GET")
    assert running.serves() == url


def test_a_token_that_is_replaced_is_used_from_then_on(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    with Cluster(tmp_path, stand_in=True) as cluster:
        cluster.users = [{"name": "forebay", "user": {"tokenFile": str(token)}}]
        site = site_of(cluster, tmp_path)
        url = site.serves()
        cluster.server.token = "another-one"
        cluster.call(cluster.server.forget())
        told(site, "answered 401")
        watched = cluster.server.asked.count("watch")
        token.write_text("another-one\n")
        wait_for("it is let in again", lambda: cluster.server.asked.count("watch") > watched, WITHIN_S)
        assert site.serves() == url
        site.clear()


def test_requests_that_fail_while_a_pod_is_made_make_one_pod(cluster: Cluster, site: Site) -> None:
    before = len(cluster.pods())
    cluster.server.refusals = {"list": [503], "patch": [429, 500]}
    site.serves()
    assert len(cluster.pods()) == before + 1


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("memory", "OOMKilled, ended with status 137"),
        ("eviction", "Evicted: The node was low on resource: memory."),
        ("deletion", "its pod was deleted"),
    ],
)
def test_the_end_of_a_pod_is_told_in_the_nodes_words(cluster: Cluster, running: Site, end: str, words: str) -> None:
    running.serves()
    (name,) = cluster.pods()
    if end == "memory":
        cluster.kill(name, "OOMKilled")
    elif end == "eviction":
        cluster.evict(name)
    else:
        cluster.delete(name)
    wait_for("the unit has ended", running.why, WITHIN_S)
    assert words in running.why()
    assert running.place() is None
    wait_for("its pod is cleared away", lambda: name not in cluster.pods(), WITHIN_S)


def test_rights_that_are_missing_are_named(cluster: Cluster, site: Site) -> None:
    cluster.server.denied = {"patch"}
    try:
        site.start()
        wait_for("the unit has ended", site.why, WITHIN_S)
    finally:
        cluster.server.denied = set()
    assert 'cannot patch resource \\"pods\\"' in site.log()
    assert "rights.yaml" in site.why()


def test_a_namespace_that_is_not_there_is_told(cluster: Cluster, tmp_path: Path) -> None:
    site = site_of(cluster, tmp_path)
    cluster.server.namespaces.remove(str(site.section["namespace"]))
    site.start()
    wait_for("the unit has ended", site.why, WITHIN_S)
    assert "kubectl create namespace" in site.why()


def test_an_image_that_does_not_exist_is_told(cluster: Cluster, site: Site) -> None:
    cluster.missing_images = {forebay_image()}
    try:
        site.start()
        wait_for("the unit has ended", site.why, WITHIN_S)
    finally:
        cluster.missing_images = set()
    assert f"its image cannot be pulled: ErrImagePull: failed to pull {forebay_image()}: not found" in site.why()


def test_a_quota_that_is_used_up_is_waited_for(cluster: Cluster, site: Site) -> None:
    cluster.server.over_quota = True
    try:
        site.start()
        told(site, "exceeded quota")
        assert site.unit() is not None
    finally:
        cluster.server.over_quota = False
    site.serves()


def test_a_kubeconfig_that_is_not_there_is_told(cluster: Cluster, tmp_path: Path) -> None:
    site = site_of(cluster, tmp_path, kubeconfig=str(tmp_path / "none"))
    site.start()
    wait_for("the unit has ended", site.why, WITHIN_S)
    assert f"{tmp_path / 'none'}: the kubeconfig cannot be read" in site.why()
