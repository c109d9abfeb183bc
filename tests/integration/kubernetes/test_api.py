"""The API server's refusals in two kinds: those that pass, and those that somebody must do something about."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.kubernetes.cluster import Cluster

from forebay.core.errors import RunError
from forebay.substrate.kubernetes.api import Api, Away, Refused
from forebay.substrate.kubernetes.credentials import find_credentials

PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


def asked(cluster: Cluster, path: str = PODS) -> bytes:
    return asyncio.run(Api(find_credentials(str(cluster.kubeconfig()), None)).get(path))


def test_pods_are_listed_over_tls_with_the_token(cluster: Cluster) -> None:
    assert b"PodList" in asked(cluster)


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_what_passes_is_tried_again(cluster: Cluster, status: int) -> None:
    cluster.server.refusals = {"list": [status]}
    with pytest.raises(Away, match=f"answered {status} to GET {PODS}: not now"):
        asked(cluster)


@pytest.mark.parametrize(("status", "fix"), [(400, ""), (401, "put a new one"), (422, "")])
def test_what_does_not_pass_is_told_with_what_to_do(cluster: Cluster, status: int, fix: str) -> None:
    cluster.server.refusals = {"list": [status]}
    with pytest.raises(Refused, match=f"answered {status} to GET {PODS}") as raised:
        asked(cluster)
    assert fix in raised.value.fix


def test_a_right_that_is_missing_is_named(cluster: Cluster) -> None:
    cluster.server.denied = {"list"}
    with pytest.raises(Refused, match='cannot list resource "pods"') as raised:
        asked(cluster)
    cluster.server.denied = set()
    assert "rights.yaml" in raised.value.fix


def test_an_authority_of_somebody_else_is_not_trusted(cluster: Cluster, tmp_path: Path) -> None:
    with Cluster(tmp_path) as other:
        content = other.kubeconfig().read_text().replace(str(other.server.port), str(cluster.server.port))
        (tmp_path / "mixed").write_text(content)
        with pytest.raises(Away, match="cannot be reached"):
            asyncio.run(Api(find_credentials(str(tmp_path / "mixed"), None)).get(PODS))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"current-context": "other"}, "has no context called other"),
        ({"contexts": [{"name": "emulated", "context": {"cluster": "c", "user": "forebay"}}]}, "no cluster called c"),
        ({"users": [{"name": "forebay", "user": {"exec": {"command": "aws"}}}]}, "asks for exec"),
        ({"users": [{"name": "forebay", "user": {"client-certificate": "none.pem"}}]}, "cannot be read"),
        ({"clusters": []}, "has no cluster called emulated"),
        ({"clusters": None}, "no whole kubeconfig"),
        ({"users": [{"name": "forebay", "user": {"client-key-data": "%%%"}}]}, "no whole kubeconfig"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_says_why(cluster: Cluster, changes: dict[str, Any], what: str) -> None:
    path = cluster.kubeconfig("broken", **changes)
    with pytest.raises(RunError, match=what) as raised:
        find_credentials(str(path), None)
    assert "broken" in str(raised.value) or "none.pem" in str(raised.value)
