"""Claims of kubectl, and of the schemas of what Kubernetes does not bring itself, about the objects for a cluster."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
from ruamel.yaml import YAML
from tests.integration.render.api import Object, serving
from tests.unit.render.configuration import PRODUCTION, production

from forebay.config.schema import Config
from forebay.render.target import Subject, load_targets

KUBERNETES = "1.37"
SCHEMAS = Path(__file__).parent / "schemas"
KUBECTL = Path(sys.executable).parent / "kubectl"


def spread(**more: Any) -> Config:
    """The large model on two nodes a copy, both models scaled."""
    models = copy.deepcopy(PRODUCTION["models"])
    large, small = (model["engines"][0] for model in models.values())
    large |= {"nodes": 2, "scale": {"most": 3}}
    large["args"] |= {"pipeline-parallel-size": 2}
    office = {"days": ["mon", "tue"], "start": "08:30", "end": "19:00", "least": 3}
    small |= {"scale": {"least": 2, "most": 5, "calls": 40, "windows": [office]}}
    return production(models=models, **more)


def checked(found: Object) -> None:
    """By the schema of the kind, committed or Kubernetes' own; ValueError where it is not sound."""
    own = SCHEMAS / f"{found['kind'].lower()}.json"
    try:
        if not own.exists():
            kubernetes_validate.validate(found, KUBERNETES, strict=True)
            return
        jsonschema.validate(found, json.loads(own.read_text()))
        for name, template in found["spec"].get("leaderWorkerTemplate", {}).items():
            if name.endswith("Template"):
                head = {"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"] | {"name": "pod"}}
                kubernetes_validate.validate(head | {"spec": template["spec"]}, KUBERNETES, strict=True)
    except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as error:
        raise ValueError(str(error)) from error


def written(config: Config, folder: Path) -> list[Object]:
    objects = []
    for name, text in load_targets()["kubernetes"].files(Subject(config=config, folder=folder)).items():
        (folder / name).write_text(text)
        objects += [found for found in YAML(typ="safe", pure=True).load_all(text) if found]
    return objects


def kubectl(kubeconfig: Path, folder: Path, by: str = "server") -> subprocess.CompletedProcess[str]:
    cache = folder / "cache"
    argv = [str(KUBECTL), f"--kubeconfig={kubeconfig}", f"--cache-dir={cache}", "--namespace=chat", "apply"]
    argv += ["--server-side", "--dry-run=server"] if by == "server" else ["--dry-run=client"]
    argv += ["--validate=false"]
    argv += [f"--filename={path}" for path in sorted(folder.glob("*.yaml"))]
    return subprocess.run(argv, env={"HOME": str(folder)}, capture_output=True, text=True, timeout=60, check=False)


def test_a_dry_run_of_kubectl_takes_every_object_of_a_cluster_with_engines_over_several_nodes(tmp_path: Path) -> None:
    objects = written(spread(), tmp_path)
    with serving(checked) as api:
        done = kubectl(api.kubeconfig(tmp_path), tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(api.taken) == sorted((found["kind"], found["metadata"]["name"]) for found in objects)
    kinds = {kind for kind, _name in api.taken}
    assert {"LeaderWorkerSet", "ScaledObject", "Deployment", "Gateway", "HTTPRoute"} <= kinds


@pytest.mark.parametrize("kind", ["production", "spread"])
def test_kubectl_itself_reads_every_object_without_asking_the_cluster_to_take_it(kind: str, tmp_path: Path) -> None:
    objects = written(spread() if kind == "spread" else production(), tmp_path)
    with serving(checked) as api:
        done = kubectl(api.kubeconfig(tmp_path), tmp_path, "client")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(dry run)") == len(objects)
    assert api.taken == []


def test_a_dry_run_says_which_object_the_cluster_refuses(tmp_path: Path) -> None:
    written(spread(), tmp_path)
    engines = tmp_path / "engines.yaml"
    engines.write_text(
        engines.read_text().replace("restartPolicy: RecreateGroupOnPodRestart", "restartPolicy: Sometimes")
    )
    with serving(checked) as api:
        done = kubectl(api.kubeconfig(tmp_path), tmp_path)
    assert done.returncode == 1
    assert "'Sometimes' is not one of" in done.stderr


def test_each_node_of_a_copy_is_told_its_rank_and_only_the_first_answers_calls(tmp_path: Path) -> None:
    (found,) = [each for each in written(spread(), tmp_path) if each["kind"] == "LeaderWorkerSet"]
    template = found["spec"]["leaderWorkerTemplate"]
    assert template["size"] == 2
    leader, worker = template["leaderTemplate"], template["workerTemplate"]
    words = {}
    for name, pod in (("leader", leader), ("worker", worker)):
        (container,) = pod["spec"]["containers"]
        words[name] = " ".join(container["args"])
        assert container["resources"] == {"limits": {"nvidia.com/gpu": 4}}
        assert ("readinessProbe" in container) == (name == "leader")
    assert words["leader"].endswith("--nnodes 2 --node-rank 0 --master-addr $(LWS_LEADER_ADDRESS)")
    assert words["worker"].endswith("--node-rank $(LWS_WORKER_INDEX) --master-addr $(LWS_LEADER_ADDRESS) --headless")
    (service,) = [
        each
        for each in written(spread(), tmp_path)
        if each["kind"] == "Service" and each["metadata"]["name"] == found["metadata"]["name"]
    ]
    assert service["spec"]["selector"].items() <= leader["metadata"]["labels"].items()
    assert not service["spec"]["selector"].items() <= worker["metadata"]["labels"].items()


def test_a_scaler_keeps_to_its_bounds_and_nobody_else_says_how_many_there_are(tmp_path: Path) -> None:
    objects = written(spread(), tmp_path)
    by_target = {
        each["spec"]["scaleTargetRef"]["name"]: each["spec"] for each in objects if each["kind"] == "ScaledObject"
    }
    targets = {each["metadata"]["name"]: each for each in objects if each["kind"] in ("Deployment", "LeaderWorkerSet")}
    assert len(by_target) == 2
    for name, scaler in by_target.items():
        reference = scaler["scaleTargetRef"]
        assert (reference["apiVersion"], reference["kind"]) == (targets[name]["apiVersion"], targets[name]["kind"])
        assert "replicas" not in targets[name]["spec"]
    bounds = {(spec["minReplicaCount"], spec["maxReplicaCount"]) for spec in by_target.values()}
    assert bounds == {(1, 3), (2, 5)}
    (small,) = [spec for spec in by_target.values() if spec["maxReplicaCount"] == 5]
    assert small["triggers"][0]["metadata"]["threshold"] == "40"


@pytest.mark.parametrize("kind", ["production", "spread"])
def test_objects_of_other_projects_are_as_their_schemas_say(kind: str, tmp_path: Path) -> None:
    objects = written(spread() if kind == "spread" else production(), tmp_path)
    own = [found for found in objects if (SCHEMAS / f"{found['kind'].lower()}.json").exists()]
    assert len(own) >= 2
    for found in own:
        checked(found)
