"""The suite's claims on a real API server; see docs/how-to/kubernetes.md for what must be there.

    FOREBAY_TEST_KUBECONFIG=~/.kube/config FOREBAY_TEST_NAMESPACE=forebay-test FOREBAY_TEST_IMAGE=registry/forebay:0.1.0

An engine there is no process of this machine: pods are counted in its place, and none of them can be killed from here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator

import msgspec
import pytest

from forebay.substrate.kubernetes.api import Api
from forebay.substrate.kubernetes.credentials import find_credentials
from forebay.substrate.kubernetes.pod import PodList, judge
from forebay.testing.substrate import ANYWHERE, ELSEWHERE, Site, tells_its_end

KUBECONFIG = os.environ.get("FOREBAY_TEST_KUBECONFIG", "")
NAMESPACE = os.environ.get("FOREBAY_TEST_NAMESPACE", "default")
IMAGE = os.environ.get("FOREBAY_TEST_IMAGE", "")
pytestmark = pytest.mark.skipif(not KUBECONFIG, reason="FOREBAY_TEST_KUBECONFIG names no cluster")


class RealSite(Site):
    """Engines are pods that have not ended."""

    def engines(self) -> frozenset[int]:
        api = Api(find_credentials(KUBECONFIG, None))
        query = {"labelSelector": "app.kubernetes.io/managed-by=forebay"}
        body = asyncio.run(api.get(f"/api/v1/namespaces/{NAMESPACE}/pods", query))
        found = msgspec.json.decode(body, type=PodList).items or ()
        return frozenset(hash(pod.metadata.uid) for pod in found if judge(pod).host)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    reached = {"kubeconfig": KUBECONFIG} | ({"images": {"forebay": IMAGE}} if IMAGE else {})
    section = {"kind": "kubernetes", "namespace": NAMESPACE, "kubernetes": reached}
    site = RealSite(tmp_path_factory.mktemp("real"), section, no_room={"labels": {"forebay/none": "such"}})
    yield site
    site.clear()


CLAIMS = [claim for claim in ANYWHERE + ELSEWHERE if claim is not tells_its_end]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_a_real_cluster(site: Site, claim: Callable[[Site], None]) -> None:
    claim(site)
