"""A canary that is a pod: promoted where it is sound, taken back where it fails calls, and no client is harmed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration.kubernetes.cluster import Cluster
from tests.integration.release.trial import ENDLESS, FAULTY, WIDE, last, name, plan
from tests.integration.service.load import Load

from forebay.testing.service import Service
from forebay.testing.worker import free_port, wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]
FINE = {("whole", "answered"), ("streamed", "complete")}


def models(**env: str) -> dict[str, Any]:
    return {"smollm2": {"engines": [{"kind": "embedded", "count": 2, "threads": 1, "env": env}]}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster"), cpus=8) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def service(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    reached = {"kubeconfig": str(cluster.kubeconfig()), "port": free_port()}
    substrate = {"kind": "kubernetes", "namespace": "default", "kubernetes": reached}
    with Service(tmp_path_factory.mktemp("service"), models(), substrate=substrate) as running:
        yield running
    assert cluster.pods() == {}


def try_out(service: Service, engines: dict[str, Any], **how: Any) -> None:
    service.content["models"], service.content["rollout"] = engines, plan(**how)
    service.write()


def test_a_sound_canary_is_promoted_and_no_call_fails(cluster: Cluster, service: Service) -> None:
    before, old = set(cluster.pods()), name(service)
    with Load(service.url, service.key, service.tls(), whole=2, streamed=2, max_tokens=3) as load:
        try_out(service, models(BUILD="sound"))
        service.run("apply", "--yes", "--rollout", "canary")
        wait_for("two new pods are left", lambda: _are_new(cluster, before), 120)
    assert set(load.outcomes) == FINE, load.outcomes
    assert last(service) == ("applied", "")
    assert name(service) != old


def _are_new(cluster: Cluster, before: set[str]) -> bool:
    now = set(cluster.pods())
    return len(now) == 2 and now.isdisjoint(before)


def test_a_canary_that_fails_calls_is_taken_back_and_clients_see_none(cluster: Cluster, service: Service) -> None:
    before, old = set(cluster.pods()), name(service)
    with Load(service.url, service.key, service.tls(), whole=4, streamed=0, max_tokens=1) as load:
        faulty = models(PYTHONPATH=str(FAULTY), FAULT_EVERY="4")
        try_out(service, faulty, steps=ENDLESS, tolerance={**WIDE, "alpha": 0.5})
        taken_back = service.run("apply", "--yes", "--rollout", "canary", check=False)
        wait_for("its pods are gone", lambda: set(cluster.pods()) == before, 120)
    assert taken_back.returncode == 1
    assert "error rate" in taken_back.stderr
    assert name(service) == old
    failed = sum(count for outcome, count in load.outcomes.items() if outcome not in FINE)
    assert failed <= 3, load.outcomes  # each was asked of another engine; the budget of retries is what it is
