"""What a pod's object says about the engine in it. Pure."""

from __future__ import annotations

import msgspec

from forebay.messages.reasons import Reason, because

CONTAINER = "engine"
# A container in one of these states comes to nothing however long it is waited for.
_HOPELESS = {
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "InvalidImageName",
    "RunContainerError",
}
_PULLING = {"ErrImagePull", "ImagePullBackOff"}
# Of a registry that has answered; one that did not may do so yet.
_NO_SUCH_IMAGE = ("not found", "manifest unknown", "denied", "unauthorized", "does not exist")


class _State(msgspec.Struct, frozen=True, rename="camel"):
    reason: str = ""
    message: str = ""
    exit_code: int = 0


class _Running(msgspec.Struct, frozen=True):
    """That it is there is all that matters."""


class _States(msgspec.Struct, frozen=True):
    waiting: _State | None = None
    running: _Running | None = None
    terminated: _State | None = None


class _Container(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    state: _States = _States()
    last_state: _States = _States()


class _Condition(msgspec.Struct, frozen=True):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class _PodStatus(msgspec.Struct, frozen=True):
    phase: str = ""
    reason: str = ""
    message: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    conditions: tuple[_Condition, ...] = ()
    containers: tuple[_Container, ...] = msgspec.field(default=(), name="containerStatuses")


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """Of an object or of a list."""

    name: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}


class Pod(msgspec.Struct, frozen=True):
    """A pod, as far as it matters here."""

    metadata: Metadata = Metadata()
    status: _PodStatus = _PodStatus()


class PodList(msgspec.Struct, frozen=True):
    """Few enough for one page: the pods of one engine."""

    metadata: Metadata = Metadata()
    items: tuple[Pod, ...] | None = None


class Seen(msgspec.Struct, frozen=True):
    """Where the engine is; what it waits for; why it is over. None of them while it merely comes up."""

    host: str = ""
    waits: Reason | None = None
    ended: str = ""


def judge(pod: Pod) -> Seen:
    """How the engine is."""
    ended = _ended(pod)
    if ended:
        return Seen(ended=ended)
    state = _engine(pod).state
    if state.running is not None and pod.status.pod_ip:
        return Seen(host=pod.status.pod_ip)
    if state.waiting is not None and state.waiting.reason in _PULLING:
        return Seen(waits=because("image_missing", why=_said(state.waiting)))
    unscheduled = _condition(pod, "PodScheduled", "False")
    if unscheduled is None:
        return Seen()
    return Seen(waits=because("unscheduled", why=unscheduled.message or unscheduled.reason))


def has_begun(pod: Pod) -> bool:
    """Whether the engine has run at all: only then is there a log."""
    state = _engine(pod).state
    return state.running is not None or state.terminated is not None


def _ended(pod: Pod) -> str:
    status, state = pod.status, _engine(pod).state
    if status.phase in ("Failed", "Succeeded") or state.terminated is not None:
        return _how(pod)
    if status.reason == "NodeLost":
        return f"its node is lost: {status.message}"
    if pod.metadata.deletion_timestamp is not None:
        target = _condition(pod, "DisruptionTarget", "True")
        return f"its pod is taken away: {target.reason}: {target.message}" if target else "its pod was deleted"
    return _never(pod, state.waiting) if state.waiting is not None else ""


def _never(pod: Pod, waiting: _State) -> str:
    """Why waiting for the container leads nowhere."""
    if waiting.reason in _HOPELESS:
        last = _engine(pod).last_state.terminated
        return f"its container does not start: {_said(waiting)}{f'; last {_exit(last)}' if last else ''}"
    if waiting.reason in _PULLING and any(sign in waiting.message.lower() for sign in _NO_SUCH_IMAGE):
        return f"its image cannot be pulled: {_said(waiting)}"
    return ""


def _how(pod: Pod) -> str:
    status, terminated = pod.status, _engine(pod).state.terminated
    if status.reason:  # Evicted, Preempting, NodeAffinity …: the node's words, above the container's
        return f"{status.reason}: {status.message}" if status.message else status.reason
    return _exit(terminated) if terminated is not None else f"its pod has {status.phase.lower()}"


def _exit(state: _State) -> str:
    """An exit code above 128 is a signal's."""
    why = f"{state.reason}, " if state.reason and state.reason not in ("Error", "Completed") else ""
    said = f": {state.message.strip()[-300:]}" if state.message.strip() else ""
    return f"{why}ended with status {state.exit_code}{said}"


def _said(state: _State) -> str:
    return f"{state.reason}: {state.message}" if state.message else state.reason


def _engine(pod: Pod) -> _Container:
    for container in pod.status.containers:
        if container.name == CONTAINER:
            return container
    return _Container()


def _condition(pod: Pod, kind: str, status: str) -> _Condition | None:
    for condition in pod.status.conditions:
        if condition.type == kind and condition.status == status:
            return condition
    return None
