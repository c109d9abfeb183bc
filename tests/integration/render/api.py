"""What `kubectl apply` asks of an API server: which kinds there are, and whether it takes each object. Keeps none."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ruamel.yaml import YAML

Object = dict[str, Any]
KINDS = {
    "v1": {"ServiceAccount": "serviceaccounts", "ConfigMap": "configmaps", "Service": "services"},
    "apps/v1": {"Deployment": "deployments"},
    "policy/v1": {"PodDisruptionBudget": "poddisruptionbudgets"},
    "networking.k8s.io/v1": {"NetworkPolicy": "networkpolicies"},
    "autoscaling/v2": {"HorizontalPodAutoscaler": "horizontalpodautoscalers"},
    "rbac.authorization.k8s.io/v1": {"Role": "roles", "RoleBinding": "rolebindings"},
    "leaderworkerset.x-k8s.io/v1": {"LeaderWorkerSet": "leaderworkersets"},
    "keda.sh/v1alpha1": {"ScaledObject": "scaledobjects"},
    "gateway.networking.k8s.io/v1": {"Gateway": "gateways", "HTTPRoute": "httproutes"},
}


class Api(ThreadingHTTPServer):
    """`taken` lists what dry runs applied; `check` raises ValueError for an object that is not sound."""

    daemon_threads = True

    def __init__(self, check: Callable[[Object], None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.check = check
        self.taken: list[tuple[str, str]] = []

    def kubeconfig(self, folder: Path) -> Path:
        cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server_address[1]}"}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        content = {"clusters": [cluster], "contexts": [context], "users": [{"name": "u", "user": {}}]}
        path = folder / "kubeconfig"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "c"} | content))
        return path


@contextlib.contextmanager
def serving(check: Callable[[Object], None]) -> Iterator[Api]:
    with Api(check) as api:
        thread = threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield api
        finally:
            api.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Api
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        found = _discovery(urlsplit(self.path).path)
        self._answer(200 if found else 404, found or _status(404, "NotFound", "not found"))

    def do_PATCH(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        url = urlsplit(self.path)
        asked = parse_qs(url.query)
        if asked.get("dryRun") != ["All"] or self.headers["Content-Type"] != "application/apply-patch+yaml":
            return self._answer(400, _status(400, "BadRequest", "this is no dry run of a server-side apply"))
        made: Object = YAML(typ="safe", pure=True).load(body)
        plural, name = url.path.split("/")[-2:]
        try:
            if KINDS[made["apiVersion"]][made["kind"]] != plural or made["metadata"]["name"] != name:
                raise ValueError(f"{made['kind']} {made['metadata']['name']} is not what {url.path} names")
            self.server.check(made)
        except ValueError as error:
            return self._answer(422, _status(422, "Invalid", str(error)))
        self.server.taken.append((made["kind"], name))
        return self._answer(200, made)

    def _answer(self, status: int, content: Object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        return


def _discovery(path: str) -> Object | None:
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(each) for each in KINDS if "/" in each]}
    version = path.removeprefix("/apis/").removeprefix("/api/")
    if version not in KINDS:
        return None
    resources = [
        {"name": plural, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": ["get", "patch"]}
        for kind, plural in KINDS[version].items()
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}


def _group(version: str) -> Object:
    name, _slash, short = version.partition("/")
    known = {"groupVersion": version, "version": short}
    return {"name": name, "versions": [known], "preferredVersion": known}


def _status(code: int, reason: str, message: str) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
