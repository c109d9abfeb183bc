"""`forebay doctor` of a configuration whose engines run in a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from tests.integration.kubernetes.cluster import Cluster

from forebay.config.load import load
from forebay.core.errors import Finding
from forebay.ops.doctor.checks.cluster import cluster as check
from forebay.ops.doctor.run import Subject
from forebay.store.state_dir import StateDir


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path, stand_in=True) as cluster:
        yield cluster


def examined(cluster: Cluster, namespace: str = "default") -> list[Finding]:
    content = {
        "version": 1,
        "environment": "development",
        "models": {"m": {"engines": [{"kind": "embedded"}]}},
        "substrate": {
            "kind": "kubernetes",
            "namespace": namespace,
            "kubernetes": {"kubeconfig": str(cluster.folder / "kubeconfig")},
        },
    }
    path = cluster.folder / "forebay.yaml"
    with path.open("w") as file:
        YAML(typ="safe").dump(content, file)
    return list(check(Subject(loaded=load(path), state=StateDir(cluster.folder / "state"), now_s=0.0)))


def test_a_cluster_with_all_rights_is_not_worth_a_word(cluster: Cluster) -> None:
    cluster.kubeconfig()
    assert examined(cluster) == []


def test_missing_rights_are_listed(cluster: Cluster) -> None:
    cluster.kubeconfig()
    cluster.server.denied = {"patch", "watch"}
    (found,) = examined(cluster)
    assert (found.rule, found.severity) == ("cluster_rights", "error")
    assert "watch pods, patch pods" in found.why
    assert "forebay.yaml" in found.where


def test_a_namespace_that_is_not_there_is_told(cluster: Cluster) -> None:
    cluster.kubeconfig()
    (found,) = examined(cluster, "nowhere")
    assert found.rule == "cluster_refuses"
    assert "kubectl create namespace" in found.fix


def test_a_cluster_that_does_not_answer_and_a_kubeconfig_that_is_none_are_told(cluster: Cluster) -> None:
    (missing,) = examined(cluster)
    cluster.kubeconfig()
    cluster.go_away()
    (away,) = examined(cluster)
    assert missing.rule == away.rule == "cluster_unreachable"
    assert "kubeconfig cannot be read" in missing.why
    assert "cannot be reached" in away.why
