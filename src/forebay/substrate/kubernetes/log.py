"""The log of a pod's container, followed over cuts without telling a line twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from forebay.core.backoff import exponential
from forebay.substrate.kubernetes.api import Api, Away, Refused
from forebay.substrate.kubernetes.pod import CONTAINER

_SILENCE_S = 3600.0
_LINE_BYTES = 1024 * 1024


async def follow_log(api: Api, namespace: str, name: str, tell: Callable[[str], None], *, from_now: bool) -> None:
    """Tell every line until the container has ended; `from_now` leaves out what an earlier agent has told."""
    last = _stamp(datetime.now(UTC)) if from_now else ""
    for wait_s in exponential(0.5, 10.0):
        query = {"container": CONTAINER, "follow": "true", "timestamps": "true"}
        if last:  # the server reads whole seconds
            query["sinceTime"] = f"{last[:19]}Z"
        try:
            async with api.stream(f"/api/v1/namespaces/{namespace}/pods/{name}/log", query, _SILENCE_S) as answer:
                async for line in answer.lines(_LINE_BYTES):
                    at, _space, text = line.decode("utf-8", "replace").partition(" ")
                    if (stamp := _padded(at)) > last:
                        last = stamp
                        tell(text)
            return
        except (Away, Refused) as error:  # a container that is not there yet is a 400
            await asyncio.sleep(max(wait_s, error.wait_s))


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f000")


def _padded(at: str) -> str:
    """Nine digits of a second, which container runtimes write without their zeros, so that stamps order as text."""
    whole, _dot, part = at.removesuffix("Z").partition(".")
    return f"{whole}.{part:0<9}"
