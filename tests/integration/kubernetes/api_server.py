"""The part of a Kubernetes API server that pods need, on kmock: apply, list, watch, logs, deletion with grace.

kmock speaks HTTP and reads requests; what it leaves out is here: versions, selectors, server-side apply that makes what
is not there, `deletionTimestamp`, bookmarks, 410, rights. Pods are checked against the schema of the real thing.
"""

from __future__ import annotations

import asyncio
import ssl
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import kmock
import kubernetes_validate
import orjson
from aiohttp import web

Object = dict[str, Any]
_SCHEMA = "1.37"
_SECOND = "%Y-%m-%dT%H:%M:%SZ"


class ApiServer:
    """Runs in an event loop. `refusals` are statuses that the next requests of a verb get; `denied` verbs are 403,
    `asked` are those of everyone who was let in.

    `changed` is called with each change of a pod, `read_log` for lines of a pod from an index on.
    """

    def __init__(self, token: str) -> None:
        self.token = token
        self.namespaces = {"default"}
        self.denied: set[str] = set()
        self.over_quota = False
        self.refusals: dict[str, list[int]] = {}
        self.asked: list[str] = []
        self.pods: dict[str, Object] = {}
        self.port = 0
        self.closing = False
        self.changed: Callable[[Object], None] = lambda _pod: None
        self.read_log: Callable[[str], tuple[list[bytes], bool]] = lambda _name: ([], True)
        self._version = 100
        self._oldest = 100
        self._events: list[tuple[int, str, Object]] = []
        self._news = asyncio.Condition()
        self._runner: web.ServerRunner | None = None
        self._handler = kmock.KubernetesScaffold()
        self._handler**-100 << self._serve  # type: ignore[operator]

    async def start(self, tls: ssl.SSLContext) -> None:
        """Serve, on the same port as before."""
        self.closing = False
        await self._handler.__aenter__()
        self._runner = web.ServerRunner(web.Server(self._handler), handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=tls, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Be away; pods stay as they are."""
        self.closing = True
        async with self._news:
            self._news.notify_all()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            await self._handler.__aexit__(None, None, None)

    async def update(self, pod: Object, kind: str = "MODIFIED") -> None:
        """Tell of a change that was made to a pod."""
        self._version += 1
        pod["metadata"]["resourceVersion"] = str(self._version)
        self._events.append((self._version, kind, orjson.loads(orjson.dumps(pod))))
        if kind == "DELETED":
            self.pods.pop(pod["metadata"]["name"], None)
        async with self._news:
            self._news.notify_all()
        self.changed(pod)

    async def forget(self) -> None:
        """Compact: no watch can begin before now, and those that run are told so."""
        self._version += 1
        self._oldest = self._version
        gone = {"kind": "Status", "code": 410, "message": "too old resource version"}
        self._events = [(self._version, "ERROR", gone)]
        async with self._news:
            self._news.notify_all()

    async def bookmark(self) -> None:
        """Tell watches of a version without an event."""
        self._version += 10
        about = {"kind": "Pod", "metadata": {"resourceVersion": str(self._version)}}
        self._events.append((self._version, "BOOKMARK", about))
        async with self._news:
            self._news.notify_all()

    async def news(self) -> None:
        """Wait until something has changed, or a moment has passed."""
        async with self._news:
            try:
                await asyncio.wait_for(self._news.wait(), 0.2)
            except TimeoutError:
                return

    async def _serve(self, request: kmock.Request) -> Any:
        verb = self._admit(request)
        return self._about(request) or await self._do(verb, request)

    def _about(self, request: kmock.Request) -> Object | None:
        if request.url.path.endswith("/selfsubjectaccessreviews"):
            wanted = request.data["spec"]["resourceAttributes"]["verb"]
            return {"kind": "SelfSubjectAccessReview", "status": {"allowed": wanted not in self.denied}}
        if request.url.path == f"/api/v1/namespaces/{request.namespace}":
            return {"kind": "Namespace", "metadata": {"name": request.namespace}}
        return None

    async def _do(self, verb: str, request: kmock.Request) -> Any:
        if verb == "patch":
            return await self._apply(request)
        if verb == "delete":
            return await self._delete(self._pod(request), request.data or {})
        if verb == "watch":
            return self._watch(request)
        if verb == "log":
            return self._log(self._pod(request), request.params)
        items = [pod for pod in self.pods.values() if _selected(pod, request)]
        return {"kind": "PodList", "metadata": {"resourceVersion": str(self._version)}, "items": items}

    def _admit(self, request: kmock.Request) -> str:
        verb = "log" if request.subresource == "log" else str(request.method.value).lower()
        verb = "watch" if request.params.get("watch") == "true" else verb
        is_namespace = request.url.path == f"/api/v1/namespaces/{request.namespace}"
        verb = "list" if verb == "get" and request.name is None and not is_namespace else verb
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            raise kmock.KubernetesError(401, "Unauthorized", "Unauthorized")
        self.asked.append(verb)
        if refusals := self.refusals.get(verb):
            raise kmock.KubernetesError(refusals.pop(0), "Emulated", "not now")
        if verb in self.denied:
            who, about = "system:serviceaccount:default:forebay", 'resource "pods" in API group "" in the namespace'
            said = f'pods is forbidden: User "{who}" cannot {verb} {about} "{request.namespace}"'
            raise kmock.KubernetesError(403, "Forbidden", said)
        namespace = request.namespace
        if namespace is not None and namespace not in self.namespaces and verb not in ("list", "watch"):
            raise kmock.KubernetesError(404, "NotFound", f'namespaces "{namespace}" not found')
        return verb

    def _pod(self, request: kmock.Request) -> Object:
        if request.name not in self.pods:
            raise kmock.KubernetesError(404, "NotFound", f'pods "{request.name}" not found')
        return self.pods[request.name]

    async def _apply(self, request: kmock.Request) -> Object:
        if self.over_quota:
            said = f'pods "{request.name}" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1'
            raise kmock.KubernetesError(403, "Forbidden", said)
        wanted = orjson.loads(request.body)
        if request.headers["Content-Type"] != "application/apply-patch+yaml" or not request.params["fieldManager"]:
            raise kmock.KubernetesError(415, "UnsupportedMediaType", "this is no server-side apply")
        try:
            kubernetes_validate.validate(wanted, _SCHEMA, strict=True)
        except kubernetes_validate.ValidationError as error:
            raise kmock.KubernetesError(422, "Invalid", error.message) from error
        if "dryRun" in request.params:
            return dict(wanted)
        known = self.pods.get(request.name or "")
        pod = known or {"status": {"phase": "Pending"}}
        _merge(pod, wanted)
        if known is None:
            born = {"uid": str(uuid.uuid4()), "creationTimestamp": datetime.now(UTC).strftime(_SECOND)}
            pod["metadata"] |= born | {"namespace": request.namespace}
            self.pods[wanted["metadata"]["name"]] = pod
        await self.update(pod, "ADDED" if known is None else "MODIFIED")
        return pod

    async def _delete(self, pod: Object, options: Object) -> Object:
        wanted = options.get("preconditions", {}).get("uid", pod["metadata"]["uid"])
        if wanted != pod["metadata"]["uid"]:
            raise kmock.KubernetesError(409, "Conflict", "the UID in the precondition is another one")
        return await self.delete(pod["metadata"]["name"], options.get("gracePeriodSeconds", 30))

    async def delete(self, name: str, grace_s: int) -> Object:
        """Ask a pod to end; without grace it is gone at once."""
        pod = self.pods[name]
        pod["metadata"].setdefault("deletionTimestamp", datetime.now(UTC).strftime(_SECOND))
        pod["metadata"]["deletionGracePeriodSeconds"] = grace_s
        await self.update(pod, "MODIFIED" if grace_s else "DELETED")
        return pod

    async def _watch(self, request: kmock.Request) -> AsyncIterator[Any]:
        known = int(request.params["resourceVersion"])
        yield b""
        if known < self._oldest:
            yield {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}}
            return
        while not self.closing:
            for version, kind, about in list(self._events):
                if version <= known:
                    continue
                known = version
                if kind in ("ERROR", "BOOKMARK") or _selected(about, request):
                    yield {"type": kind, "object": about}
                if kind == "ERROR":
                    return
            await self.news()

    async def _log(self, pod: Object, params: Any) -> AsyncIterator[Any]:
        name, told = pod["metadata"]["name"], 0
        since = params.get("sinceTime", "")
        yield b""
        while not self.closing:
            lines, ended = self.read_log(name)
            for line in lines[told:]:
                if line.decode("utf-8", "replace")[:19] >= since[:19]:
                    yield line
            told = len(lines)
            if ended:
                return
            await self.news()


def _selected(pod: Object, request: kmock.Request) -> bool:
    about, params = pod["metadata"], request.params
    if about["namespace"] != request.namespace:
        return False
    for wanted in filter(None, params.get("labelSelector", "").split(",")):
        key, _equals, value = wanted.partition("=")
        if about["labels"].get(key) != value:
            return False
    name = params.get("fieldSelector", "").removeprefix("metadata.name=")
    return not name or about["name"] == name


def _merge(into: Object, wanted: Object) -> None:
    for key, value in wanted.items():
        if isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        else:
            into[key] = value
