"""`python -m forebay.substrate.ray.driver REMOTE FD`: the agent's hand in Ray. It may die and be started again.

It finds the engine's actor by name, or makes it, and tells what it sees on the descriptor FD, since Ray writes to the
standard ones. On standard input it hears `stop SECONDS`, and by its end that the agent has died.
"""

from __future__ import annotations

import os
import select
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, GetTimeoutError, RayError
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from forebay.substrate.ray.actor import EngineActor, Seen
from forebay.substrate.ray.driver_line import Told
from forebay.substrate.ray.placement import Remote, read_remote

_LOOK_S = 0.5
_ANSWER_S = 10.0
_ROOM_S = 60.0
_STOP_MARGIN_S = 15.0


class Teller:
    """Writes lines to the agent."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __call__(self, told: Told) -> None:
        if told == Told():
            return
        left = msgspec.json.encode(told) + b"\n"
        while left:
            left = left[os.write(self._descriptor, left) :]


def main(argv: list[str]) -> int:
    """Attach, look until told to stop or until the engine has ended."""
    remote, tell = read_remote(Path(argv[0])), Teller(int(argv[1]))
    ray.init(
        address=remote.address,
        namespace=remote.namespace,
        log_to_driver=False,
        configure_logging=False,
        _node_ip_address=os.environ.get("FOREBAY_RAY_NODE") or None,
    )
    try:
        actor = _attached(remote) or _made(remote, tell)
        if actor is not None:
            _follow(actor, remote, tell)
    except ActorDiedError as error:
        # Nobody may come to want it again: what is lost must not keep room. An actor that is merely out of reach is
        # none of it: it would be killed with its room.
        try:
            _give_room_back(remote)
        finally:
            tell(Told(ended=f"its actor is gone: {str(error).strip().splitlines()[-1]}"))
    return 0


def _attached(remote: Remote) -> Any:
    """The actor that is there already, if its engine is what is wanted; another one is ended."""
    try:
        actor = ray.get_actor(remote.actor)
    except ValueError:
        return None
    try:
        if _digest(actor) in (remote.engine.digest, None):
            return actor
        ray.get(actor.stop.remote(remote.engine.stop_s), timeout=remote.engine.stop_s + _STOP_MARGIN_S)
    except RayError:
        pass
    _end(actor, remote)
    return None


def _digest(actor: Any) -> str | None:
    """Of the engine that it runs, however long the way to it is broken; None where we are told something meanwhile."""
    while True:
        try:
            found: str = ray.get(actor.digest.remote(), timeout=_ANSWER_S)
            return found
        except (GetTimeoutError, ActorUnavailableError):
            if _is_told():
                return None
            time.sleep(_LOOK_S)


def _made(remote: Remote, tell: Teller) -> Any:
    """A new actor, on a node that has room; None once told that there is none."""
    group = _group(remote)
    waiting = group.ready()
    told_at = time.monotonic() + _LOOK_S
    while not ray.wait([waiting], timeout=_LOOK_S)[0]:
        if _asked_to_stop() is not None:
            remove_placement_group(group)
            return None
        if time.monotonic() > told_at:
            tell(Told(waits=_wanted(remote)))
            told_at = time.monotonic() + _ROOM_S
    strategy = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=0)
    place = remote.needs
    options: dict[str, Any] = {
        "name": remote.actor,
        "lifetime": "detached",
        "max_restarts": 0,
        "num_cpus": place.cpus,
        "num_gpus": place.gpus,
        "scheduling_strategy": strategy,
    }
    actor = ray.remote(_OnNode).options(**options).remote(msgspec.json.encode(remote))
    ray.get(actor.start.remote(), timeout=_ROOM_S)
    return actor


class _OnNode(EngineActor):
    """The actor as Ray makes it: it asks Ray for the address of its node."""

    def __init__(self, remote: bytes) -> None:
        super().__init__(remote, ray.util.get_node_ip_address())


def _group(remote: Remote) -> PlacementGroup:
    """The room of one engine, held on one node: its GPUs talk to each other."""
    name, place = f"{remote.actor}", remote.needs
    known = ray.util.placement_group_table()
    for each in known.values():
        if each["name"] == name and each["state"] != "REMOVED":
            return ray.util.get_placement_group(name)
    bundle = {"CPU": place.cpus, **({"GPU": float(place.gpus)} if place.gpus else {})}
    labels = [place.labels] if place.labels else None
    return placement_group(
        [bundle], strategy="STRICT_PACK", name=name, lifetime="detached", bundle_label_selector=labels
    )


def _follow(actor: Any, remote: Remote, tell: Teller) -> None:
    offset, place = 0, None
    while True:
        stop_s = _asked_to_stop()
        if stop_s is not None:
            try:
                ray.get(actor.stop.remote(stop_s), timeout=stop_s + _STOP_MARGIN_S)
            finally:
                _end(actor, remote)
            return
        try:
            seen = msgspec.json.decode(ray.get(actor.look.remote(offset), timeout=_ANSWER_S), type=Seen)
        except (GetTimeoutError, ActorUnavailableError):  # the way to it is broken: Ray says when it is for good
            time.sleep(_LOOK_S)
            continue
        offset = seen.offset
        tell(Told(place=seen.place if seen.place != place else None, log=seen.log, ended=seen.ended))
        place = seen.place
        if seen.ended:
            _end(actor, remote)
            return
        time.sleep(_LOOK_S)


def _end(actor: Any, remote: Remote) -> None:
    """Forget the actor and give its room back."""
    ray.kill(actor)
    _give_room_back(remote)


def _give_room_back(remote: Remote) -> None:
    try:
        remove_placement_group(ray.util.get_placement_group(remote.actor))
    except ValueError:
        return


def _asked_to_stop() -> float | None:
    """Within how many seconds, if asked; an agent that has died asks for nothing, its successor comes."""
    if not _is_told():
        return None
    said = os.read(0, 256)
    if not said:
        os._exit(0)
    return float(said.split()[-1])


def _is_told() -> bool:
    return bool(select.select([0], [], [], 0)[0])


def _wanted(remote: Remote) -> str:
    place = remote.needs
    labels = "".join(f", {key}={value}" for key, value in place.labels.items())
    return f"{place.cpus:g} CPUs, {place.gpus} GPUs{labels}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
