"""The end of pods that nobody here knows: asked for, and awaited."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.kubernetes.cluster import Cluster

from forebay.config.schema.kubernetes import KubernetesCluster
from forebay.core.errors import RunError
from forebay.substrate.kubernetes import survey
from forebay.substrate.unclaimed import Unclaimed

LEAVES_S = 0.7


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Of a server alone: no kubelet ends a pod, but the test."""
    with Cluster(tmp_path) as cluster:
        cluster.server.changed = lambda _pod: None
        yield cluster


def pod(cluster: Cluster, name: str) -> Unclaimed:
    about = {
        "name": name,
        "namespace": "default",
        "uid": name,
        "labels": {},
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    cluster.server.pods[name] = {"metadata": about, "status": {"phase": "Running"}}
    return Unclaimed(owner="0", unit=f"unit-{name}", where="default", handle=name)


def end(cluster: Cluster, *found: Unclaimed, within_s: float) -> None:
    reached = KubernetesCluster(kubeconfig=str(cluster.kubeconfig()))
    asyncio.run(survey.end(reached, found, within_s))


def test_it_waits_until_they_are_gone_and_takes_one_that_is_gone_for_ended(cluster: Cluster) -> None:
    known = pod(cluster, "known")
    gone = pod(cluster, "gone")
    content = cluster.server.pods["known"]
    del cluster.server.pods["gone"]
    leaving = threading.Timer(LEAVES_S, lambda: cluster.call(cluster.server.update(content, "DELETED")))
    leaving.start()
    end(cluster, gone, known, within_s=30)
    assert cluster.pods() == {}
    leaving.join()


def test_one_that_stays_is_named_and_the_others_are_ended(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "_ANSWER_S", 0.2)
    stays, gone = pod(cluster, "stays"), pod(cluster, "gone")
    del cluster.server.pods["gone"]
    with pytest.raises(RunError, match=r"there are still unit-stays \(stays, default\)") as raised:
        end(cluster, gone, stays, within_s=1)
    assert raised.value.code == "engines_left"
    assert "deletionTimestamp" in cluster.pods()["stays"]["metadata"]
