"""`python -m forebay.substrate.kubernetes.agent ORDER PLACE`: stands here for an engine that is in a cluster.

It ends when the engine has ended, so that the controller decides what comes next, as for an engine of this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from forebay.core.backoff import exponential
from forebay.core.errors import ForebayError, RunError
from forebay.messages.reasons import because
from forebay.substrate.agents import AGENT_ENDED, AGENT_LEFT, hear_stop
from forebay.substrate.kubernetes.api import Api, Away, Refused
from forebay.substrate.kubernetes.credentials import find_credentials
from forebay.substrate.kubernetes.log import follow_log
from forebay.substrate.kubernetes.order import DIGEST, Order, read_order
from forebay.substrate.kubernetes.pod import Pod, Seen, has_begun, judge
from forebay.substrate.kubernetes.pods import Pods
from forebay.substrate.place import Place, write_place

T = TypeVar("T")
_LONGEST_WAIT_S = 10.0
_NOTICE_S = 10.0
"""What a pod's own notice takes (`preStop`) before its engine is asked to end."""
_STOP_MARGIN_S = 15.0
_LOG_END_S = 5.0
_STEADY_S = 5.0


class Agent:
    """One engine's agent: finds its pod or makes it, follows it, and tells where it is."""

    def __init__(self, order: Order, place: Path) -> None:
        self._order, self._place_path = order, place
        self._api = Api(find_credentials(order.kubeconfig, order.context))
        self._pods = Pods(self._api, order)
        self._log: asyncio.Task[None] | None = None
        self._seen = Seen()
        self._making: asyncio.Task[Pod] | None = None

    async def run(self, asked_to_stop: asyncio.Event) -> int:
        """Until the engine has ended or is stopped."""
        stopping = asyncio.create_task(asked_to_stop.wait())
        holding = asyncio.create_task(self._hold())
        await asyncio.wait({stopping, holding}, return_when=asyncio.FIRST_COMPLETED)
        ended = holding.result() if holding.done() else ""
        stopping.cancel()
        holding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await holding
        self._place_path.unlink(missing_ok=True)
        status = AGENT_ENDED if ended else await self._stop()
        await self._end_log()
        if ended:
            _say("error", f"the engine has ended: {ended}")
            await self._clear_away()
        return status

    async def _hold(self) -> str:
        """Keep to one pod until it has ended; returns why."""
        try:
            pod, is_new = await self._patiently(self._find)
            name = pod.metadata.name
            _say("info", f"its pod is {name}" if is_new else f"its pod {name} is there already")
            return await self._patiently(lambda: self._follow(name, is_new=is_new))
        except Refused as error:
            return one_line(error)

    async def _patiently(self, do: Callable[[], Awaitable[T]]) -> T:
        """Again and again while the API server is away; the engine serves on meanwhile."""
        waits = exponential(0.5, _LONGEST_WAIT_S)
        while True:
            began_s = time.monotonic()
            try:
                return await do()
            except (Away, Refused) as error:
                if isinstance(error, Refused) and not self._waits_for_quota(error) and not self._seen.host:
                    raise
                if time.monotonic() - began_s > _STEADY_S:
                    waits = exponential(0.5, _LONGEST_WAIT_S)
                wait_s = max(next(waits), error.wait_s)
                _say("warning", f"tried again in {wait_s:g} s: {one_line(error)}")
                await asyncio.sleep(wait_s)

    def _waits_for_quota(self, error: Refused) -> bool:
        """A namespace that has used up its quota is a cluster without room."""
        if "exceeded quota" not in error.what:
            return False
        self._tell(Seen(waits=because("said", text=error.what)))
        return True

    async def _find(self) -> tuple[Pod, bool]:
        """The pod that is wanted, and whether it was made now; every other one of the engine is ended first."""
        fitting: Pod | None = None
        others = []
        for pod in await self._pods.all():
            if fitting is None and pod.metadata.labels.get(DIGEST) == self._order.digest and not judge(pod).ended:
                fitting = pod
            else:
                others.append(pod)
        left = await self._delete(others)
        for name in left:
            _say("warning", f"the pod {name} does not go: its node may be lost")
        if fitting is not None:
            return fitting, False
        self._making = asyncio.create_task(self._pods.make())
        return await asyncio.shield(self._making), True

    async def _follow(self, name: str, *, is_new: bool) -> str:
        async with contextlib.aclosing(self._pods.watch(name)) as states:
            async for pod in states:
                if pod is None:
                    return "its pod is gone"
                if has_begun(pod) and self._log is None:
                    following = follow_log(self._api, self._order.namespace, name, _print, from_now=not is_new)
                    self._log = asyncio.create_task(following)
                seen = judge(pod)
                if seen.ended:
                    return seen.ended
                self._tell(seen)
        raise Away("the watch has ended")

    def _tell(self, seen: Seen) -> None:
        if seen == self._seen:
            return
        if seen.waits is not None:
            _say("warning", str(seen.waits))
        # One that was somewhere stays there: a node that is silent for a moment is no other address.
        if seen.host or not self._seen.host:
            write_place(self._place_path, Place(seen.host, self._order.port if seen.host else 0, why=seen.waits))
            self._seen = seen

    async def _stop(self) -> int:
        """End every pod of the engine, within its time."""
        until_s = time.monotonic() + self._order.stop_s + _NOTICE_S + _STOP_MARGIN_S
        if self._making is not None:  # a pod that is just being made is one to end
            await asyncio.wait({self._making}, timeout=_STOP_MARGIN_S)
        waits = exponential(0.5, 2.0)
        while True:
            try:
                left = await self._delete(list(await self._pods.all()))
                break
            except (Away, Refused) as error:
                wait_s = next(waits)
                if time.monotonic() + wait_s > until_s:
                    _say("error", f"the engine could not be ended: {error}")
                    return AGENT_LEFT
                await asyncio.sleep(wait_s)
        for name in left:
            _say("error", f"the pod {name} does not go: its node may be lost")
        return AGENT_LEFT if left else 0

    async def _delete(self, pods: list[Pod]) -> set[str]:
        """Ask for their end and wait; who overstays is taken from the API server by force. Returns what is left."""
        if not pods:
            return set()
        grace_s = self._order.stop_s + _NOTICE_S
        for pod in pods:
            await self._pods.delete(pod, 0.0 if judge(pod).ended and not pod.metadata.deletion_timestamp else grace_s)
        names = {pod.metadata.name for pod in pods}
        late = await self._pods.await_gone(names, grace_s + _STOP_MARGIN_S / 2)
        for pod in pods:
            if pod.metadata.name in late:
                await self._pods.delete(pod, 0.0)
        return await self._pods.await_gone(late, _STOP_MARGIN_S / 3) if late else set()

    async def _clear_away(self) -> None:
        """What has ended leaves no object behind; if that fails, the next agent sees to it."""
        with contextlib.suppress(Away, Refused):
            for pod in await self._pods.all():
                await self._pods.delete(pod, 0.0 if judge(pod).ended else self._order.stop_s)

    async def _end_log(self) -> None:
        """Its last lines say why it ended."""
        if self._log is None:
            return
        await asyncio.wait({self._log}, timeout=_LOG_END_S)
        self._log.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._log


def one_line(error: ForebayError) -> str:
    """The error, its fix and its detail, as a line of a log."""
    detail = f" ({error.detail})" if error.detail else ""
    return f"{error}{detail}".replace("\n", ";")


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _say(level: str, text: str) -> None:
    _print(f"{level}: {text}")


async def _run(order: Order, place: Path) -> int:
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop.set)
    hear_stop()
    try:
        agent = Agent(order, place)
    except RunError as error:
        _say("error", one_line(error))
        return AGENT_LEFT
    return await agent.run(asked_to_stop)


def main(argv: list[str]) -> int:
    return asyncio.run(_run(read_order(Path(argv[0])), Path(argv[1])))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
