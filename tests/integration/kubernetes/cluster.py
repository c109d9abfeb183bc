"""A cluster in this process: an API server on kmock, a scheduler, and a kubelet that runs a pod's real program here.

Images are not pulled: what a pod runs is this checkout's forebay. A pod's address is one of the loopback's own.
"""

from __future__ import annotations

import asyncio
import base64
import os
import random
import shutil
import signal
import ssl
import sys
import threading
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from ruamel.yaml import YAML
from tests.integration.kubernetes.api_server import ApiServer, Object

from forebay.render.containers import EVERYWHERE
from forebay.security.development_ca import ensure_development

T = TypeVar("T")
TOKEN = "an-emulated-token"
_NO_ROOM = "0/1 nodes are available: 1 {why}. preemption: 0/1 nodes are available."


# Answers /health and ends at SIGTERM, as soon as it is started: `python -c STAND_IN HOST PORT …`.
STAND_IN = """
import http.server, sys
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), Health)
print(sys.argv[-1], "listens on", server.server_address, flush=True)
server.serve_forever()
"""


class Cluster:
    """One node with `cpus` to give, and `labels`. Methods may be called from any thread.

    With `stand_in` a pod runs something that is no engine: enough to see what a cluster does to pods.
    """

    def __init__(self, folder: Path, *, cpus: float = 4.0, stand_in: bool = False) -> None:
        self.folder, self.cpus, self._stand_in = folder, cpus, stand_in
        self.labels = {"kubernetes.io/hostname": "node-1"}
        self.users: list[Object] = [{"name": "forebay", "user": {"token": TOKEN}}]
        self.missing_images: set[str] = set()
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        self._logs: dict[str, tuple[list[bytes], bool]] = {}
        self._reasons: dict[str, str] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.files = ensure_development(folder / "tls", ["127.0.0.1"], datetime.now(UTC))
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(self.files.chain, self.files.key)

    def __enter__(self) -> Cluster:
        self._thread.start()
        self.call(self._begin())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, what: Coroutine[Any, Any, T]) -> T:
        """Run in the cluster's loop."""
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(60)

    def go_away(self) -> None:
        """The API server is gone; nodes and pods are not."""
        self.call(self.server.stop())

    def come_back(self) -> None:
        self.call(self.server.start(self._tls))

    def pods(self) -> dict[str, Object]:
        """Every pod by name, as they are now."""
        return dict(self.server.pods)

    def kill(self, name: str, reason: str = "Error") -> None:
        """The program of a pod dies of SIGKILL; `reason` is the kubelet's word for it."""
        self._reasons[name] = reason
        os.kill(self.processes[name].pid, signal.SIGKILL)

    def evict(self, name: str) -> None:
        """The node runs out of memory and puts the pod out."""
        self.call(self._evict(self.server.pods[name]))

    def delete(self, name: str) -> None:
        """Somebody else deletes the pod."""
        self.call(self.server.delete(name, 30))

    def kubeconfig(self, name: str = "kubeconfig", **changes: object) -> Path:
        """A kubeconfig that reaches the cluster."""
        authority = base64.b64encode(self.files.ca.read_bytes()).decode()
        cluster = {"server": f"https://127.0.0.1:{self.server.port}", "certificate-authority-data": authority}
        content: dict[str, object] = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "emulated",
            "contexts": [{"name": "emulated", "context": {"cluster": "emulated", "user": "forebay"}}],
            "clusters": [{"name": "emulated", "cluster": cluster}],
            "users": self.users,
        }
        path = self.folder / name
        with path.open("w") as file:
            YAML(typ="safe").dump(content | changes, file)
        return path

    async def _begin(self) -> None:
        self.server = ApiServer(TOKEN)
        self.server.read_log = lambda name: self._logs.get(name, ([], True))
        self.server.changed = self._look
        await self.server.start(self._tls)

    async def _end(self) -> None:
        await self.server.stop()
        for running in self.processes.values():
            if running.returncode is None:
                running.kill()
        await asyncio.gather(*self._running)

    def _look(self, _changed: Object) -> None:
        """What scheduler and kubelet make of a change: room may have been given back as well."""
        for pod in list(self.server.pods.values()):
            name = pod["metadata"]["name"]
            if name not in self._logs and "deletionTimestamp" not in pod["metadata"]:
                self._schedule(name, pod)
        name = _changed["metadata"]["name"]
        if "deletionTimestamp" in _changed["metadata"]:
            self._keep(self._end_pod(name, _changed))

    def _keep(self, what: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(what)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _schedule(self, name: str, pod: Object) -> None:
        why = self._unfit(pod)
        before = pod["status"].get("conditions")
        if why:
            said = {"reason": "Unschedulable", "message": _NO_ROOM.format(why=why)}
            pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "False"} | said]
            if pod["status"]["conditions"] != before:
                self._keep(self.server.update(pod))
            return
        self._logs[name] = ([], False)
        pod["spec"]["nodeName"] = "node-1"
        pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "True"}]
        self._keep(self._run(name, pod))

    def _unfit(self, pod: Object) -> str:
        spec = pod["spec"]
        if not spec.get("nodeSelector", {}).items() <= self.labels.items():
            return "node(s) didn't match Pod's node affinity/selector"
        if "nvidia.com/gpu" in spec["containers"][0]["resources"].get("limits", {}):
            return "Insufficient nvidia.com/gpu"
        used = sum(_cpus(self.server.pods[name]) for name in self._logs if name in self.server.pods)
        return "Insufficient cpu" if used + _cpus(pod) > self.cpus else ""

    async def _run(self, name: str, pod: Object) -> None:
        (container,) = pod["spec"]["containers"]
        if container["image"] in self.missing_images:
            said = {"reason": "ErrImagePull", "message": f"failed to pull {container['image']}: not found"}
            await self._tell(pod, {"waiting": said})
            return
        address = f"127.{random.randint(64, 127)}.{random.randint(1, 254)}.{random.randint(1, 254)}"
        words = [*container["command"], *container["args"]]
        inside = {"python3": sys.executable, EVERYWHERE: address}
        argv = [inside.get(word, word) for word in words]
        if self._stand_in:
            told = [argv[argv.index(word) + 1] for word in ("--host", "--port", "--model")]
            argv = [sys.executable, "-S", "-c", STAND_IN, *told]
        own = {each["name"]: each["value"] for each in container["env"]} | {"HOME": str(self.folder)}
        leash = ["setpriv", "--pdeathsig", "SIGKILL"] if shutil.which("setpriv") else []
        process = await asyncio.create_subprocess_exec(
            *leash,
            *argv,
            env={"PATH": os.environ["PATH"], **own},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self.processes[name] = process
        pod["status"] |= {"phase": "Running", "podIP": address}
        await self._tell(pod, {"running": {"startedAt": pod["metadata"]["creationTimestamp"]}})
        assert process.stdout is not None
        lines, _ended = self._logs[name]
        async for line in process.stdout:
            stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0")
            lines.append(f"{stamp}Z ".encode() + line)
        status = await process.wait()
        self._logs[name] = (lines, True)
        await self._note_exit(name, pod, status)

    async def _note_exit(self, name: str, pod: Object, status: int) -> None:
        code = 128 - status if status < 0 else status
        reason = self._reasons.get(name, "Error" if code else "Completed")
        pod["status"]["phase"] = (pod["status"].get("reason") and "Failed") or ("Failed" if code else "Succeeded")
        if name in self.server.pods:
            await self._tell(pod, {"terminated": {"exitCode": code, "reason": reason}})

    async def _tell(self, pod: Object, state: Object) -> None:
        pod["status"]["containerStatuses"] = [{"name": pod["spec"]["containers"][0]["name"], "state": state}]
        await self.server.update(pod)

    async def _evict(self, pod: Object) -> None:
        pod["status"] |= {"reason": "Evicted", "message": "The node was low on resource: memory."}
        self.processes[pod["metadata"]["name"]].kill()

    async def _end_pod(self, name: str, pod: Object) -> None:
        """SIGTERM, SIGKILL after the grace, and the object goes."""
        process = self.processes.get(name)
        grace_s = pod["metadata"]["deletionGracePeriodSeconds"]
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGTERM if grace_s else signal.SIGKILL)
            try:
                await asyncio.wait_for(process.wait(), grace_s or None)
            except TimeoutError:
                process.kill()
        if self.server.pods.get(name) is pod:
            await self.server.update(pod, "DELETED")


def _cpus(pod: Object) -> float:
    if pod["status"]["phase"] in ("Failed", "Succeeded"):
        return 0.0
    return float(pod["spec"]["containers"][0]["resources"].get("requests", {}).get("cpu", 0))
