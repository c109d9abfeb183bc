"""`python -m forebay.substrate.ray.survey ADDRESS SERVICE FD [HANDLE…]`: every engine of a service in Ray.

It tells them on the descriptor FD, since Ray writes to the standard ones. The HANDLEs, of one owner, are ended first.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator

import msgspec
import ray
from ray.exceptions import RayError

from forebay.substrate.ray.actor import Seen
from forebay.substrate.unclaimed import Unclaimed

_ANSWER_S = 10.0
_STOP_S = 120.0


def main(argv: list[str]) -> int:
    address, service, descriptor, *ended = argv
    ray.init(
        address=address,
        namespace=_namespace(ended[0]) if ended else None,  # a placement group is found in its own alone
        log_to_driver=False,
        configure_logging=False,
        _node_ip_address=os.environ.get("FOREBAY_RAY_NODE") or None,
    )
    for name in ended:
        _end(name)
    os.pwrite(int(descriptor), msgspec.json.encode([*_found(service)]), 0)
    return 0


def _found(service: str) -> Iterator[Unclaimed]:
    """By name: of actors, and of the room that is held for one that is not there yet."""
    marked = re.compile(rf"forebay-{re.escape(service)}-([0-9a-f]{{8}}):(.+)")
    rooms = ray.util.placement_group_table().values()
    names = {each["name"] for each in rooms if each["state"] != "REMOVED"}
    actors = {each["name"] for each in ray.util.list_named_actors(all_namespaces=True)}
    for name in sorted(names | actors):
        if (found := marked.fullmatch(name)) is not None:
            where = _where(name) if name in actors else ""
            yield Unclaimed(owner=found[1], unit=found[2], where=where, handle=name)


def _where(name: str) -> str:
    """Empty where it does not say."""
    try:
        actor = ray.get_actor(name, namespace=_namespace(name))
        seen = msgspec.json.decode(ray.get(actor.look.remote(0), timeout=_ANSWER_S), type=Seen)
    except (ValueError, RayError):
        return ""
    return f"{seen.place.host}:{seen.place.port}"


def _namespace(name: str) -> str:
    return name.partition(":")[0]


def _end(name: str) -> None:
    try:
        actor = ray.get_actor(name)
        try:
            ray.get(actor.stop.remote(_STOP_S), timeout=_STOP_S + _ANSWER_S)
        finally:
            ray.kill(actor)
    except (ValueError, RayError):  # it has none, or that is dead
        pass
    try:
        ray.util.remove_placement_group(ray.util.get_placement_group(name))
    except ValueError:
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
