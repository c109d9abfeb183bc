"""What is made of a pod's object, and what pods are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import msgspec
import pytest

from forebay.config.schema import Config
from forebay.controller.desired import engine_unit
from forebay.engines.fleet import expand
from forebay.messages.reasons import because
from forebay.render.kubernetes_engine import engine_rights, namespace, own_pod
from forebay.render.target import Subject, load_targets
from forebay.store.state_dir import StateDir
from forebay.substrate.kubernetes.order import Order, order_of
from forebay.substrate.kubernetes.pod import CONTAINER, Pod, Seen, judge

UNSCHEDULED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes are available",
}
EVICTED = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "drained"}
RUNS = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


def seen(state: dict[str, Any] | None = None, metadata: dict[str, Any] | None = None, **status: Any) -> Seen:
    containers = [{"name": "sidecar", "state": RUNS}, {"name": CONTAINER, **state}] if state else []
    content = {"metadata": metadata or {}, "status": {"containerStatuses": containers, **status}}
    return judge(msgspec.convert(content, Pod))


def waiting(reason: str, message: str) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


LAST_KILLED = {"lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (seen(), Seen()),
        (seen({"state": RUNS}, phase="Running"), Seen()),
        (seen({"state": RUNS}, phase="Running", podIP="10.0.0.1"), Seen(host="10.0.0.1")),
        (seen(conditions=[UNSCHEDULED]), Seen(waits=because("unscheduled", why="0/3 nodes are available"))),
        (seen(waiting("ContainerCreating", "")), Seen()),
        (seen(waiting("ErrImagePull", "timeout")), Seen(waits=because("image_missing", why="ErrImagePull: timeout"))),
        (
            seen(waiting("ImagePullBackOff", "manifest unknown")),
            Seen(ended="its image cannot be pulled: ImagePullBackOff: manifest unknown"),
        ),
        (
            seen(waiting("CrashLoopBackOff", "again") | LAST_KILLED),
            Seen(ended="its container does not start: CrashLoopBackOff: again; last OOMKilled, ended with status 137"),
        ),
        (
            seen({"state": {"terminated": {"reason": "Error", "exitCode": 1, "message": "no CUDA\n"}}}, phase="Failed"),
            Seen(ended="ended with status 1: no CUDA"),
        ),
        (seen(phase="Failed", reason="Evicted", message="low on memory"), Seen(ended="Evicted: low on memory")),
        (seen(phase="Succeeded"), Seen(ended="its pod has succeeded")),
        (seen(reason="NodeLost", message="n1 is unresponsive"), Seen(ended="its node is lost: n1 is unresponsive")),
        (
            seen({"state": RUNS}, {"deletionTimestamp": "2026-01-01T00:00:00Z"}, podIP="10.0.0.1"),
            Seen(ended="its pod was deleted"),
        ),
        (
            seen(None, {"deletionTimestamp": "2026-01-01T00:00:00Z"}, conditions=[EVICTED]),
            Seen(ended="its pod is taken away: EvictionByEvictionAPI: drained"),
        ),
    ],
)
def test_a_pod_is_judged_by_what_its_object_says(found: Seen, expected: Seen) -> None:
    assert found == expected


def config(**kubernetes: Any) -> Config:
    vllm = {"kind": "vllm", "weights": "/srv/models/a", "release": "0.33.0", "labels": {"pool": "a100"}, "count": 2}
    vllm["args"] = {"tensor-parallel-size": 2}
    return Config.model_validate(
        {
            "version": 1,
            "service": "chat.eu",
            "environment": "development",
            "models": {"a": {"engines": [vllm]}, "b": {"engines": [{"kind": "embedded"}]}},
            "substrate": {"kind": "kubernetes", "kubernetes": kubernetes},
        }
    )


def orders(tmp_path: Path, **kubernetes: Any) -> dict[str, Order]:
    made, state = config(**kubernetes), StateDir(tmp_path)
    cluster = made.substrate.kubernetes
    return {
        spec.name: order_of(
            engine_unit(spec, 0, made, state), own_pod(made, spec), cluster, (made.service, "0f1e2d3c"), namespace(made)
        )
        for spec in expand(made, tmp_path)
    }


def test_a_pod_is_what_the_api_takes_and_nobody_else_restarts_it(tmp_path: Path) -> None:
    for name, order in orders(tmp_path, pull_secret="registry").items():
        pod = order.pod | {"metadata": order.pod["metadata"] | {"name": "x"}}
        kubernetes_validate.validate(pod, "1.37", strict=True)
        (container,) = pod["spec"]["containers"]
        assert pod["spec"]["restartPolicy"] == "Never"
        assert not {"livenessProbe", "startupProbe"} & container.keys()
        assert pod["spec"]["terminationGracePeriodSeconds"] >= 120, "at least the time of a drain"
        assert pod["metadata"]["labels"]["forebay/unit"] == name
        assert order.namespace == "chat-eu"


def test_gpus_labels_images_and_ports_are_asked_for(tmp_path: Path) -> None:
    made = orders(tmp_path, images={"0.33.0": "registry/vllm:1", "forebay": "registry/forebay:2"}, port=9000)
    vllm, embedded = made["a-vllm-1"].pod["spec"], made["b-embedded"].pod["spec"]
    (container,) = vllm["containers"]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 2}
    assert vllm["nodeSelector"] == {"pool": "a100"}
    assert container["image"] == "registry/vllm:1"
    assert container["args"][container["args"].index("--port") + 1] == "9000"
    (own,) = embedded["containers"]
    assert own["image"] == "registry/forebay:2"
    assert "--weights" not in own["args"], "those that are installed in the image"
    assert "weights" not in {each["name"] for each in embedded["volumes"]}


def test_the_digest_is_of_everything_that_is_asked_for(tmp_path: Path) -> None:
    first, other = orders(tmp_path), orders(tmp_path, images={"0.33.0": "registry/vllm:1"})
    assert first == orders(tmp_path)
    assert first["a-vllm-1"].digest != other["a-vllm-1"].digest
    assert first["b-embedded"].digest == other["b-embedded"].digest


def test_the_rights_are_those_of_pods_alone() -> None:
    for made in engine_rights():
        kubernetes_validate.validate(made, "1.37", strict=True)
    (role,) = (made for made in engine_rights() if made["kind"] == "Role")
    assert {each for rule in role["rules"] for each in rule["resources"]} == {"pods", "pods/log"}


def test_rendered_for_a_cluster_forebay_asks_for_rights_and_brings_no_pods(tmp_path: Path) -> None:
    made = load_targets()["kubernetes"].files(Subject(config=config(), folder=tmp_path))
    assert made.keys() == {"rights.yaml"}
    assert "--namespace chat-eu" in made["rights.yaml"]
