"""`python -m forebay.substrate.docker.agent REMOTE PLACE HOME`: stands here for an engine in a container on some host.

It ends when the engine has ended, so that the controller decides what comes next, as for an engine of this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from pathlib import Path

import msgspec

from forebay.core.backoff import exponential
from forebay.core.errors import RunError
from forebay.messages.reasons import Reason
from forebay.substrate.agents import AGENT_ENDED, AGENT_LEFT, hear_stop
from forebay.substrate.docker.daemon import Daemon, DaemonAway
from forebay.substrate.docker.log import Log, say
from forebay.substrate.docker.remote import Home, Remote, read_home, read_remote, write_home, write_seen
from forebay.substrate.docker.yard import Yard
from forebay.substrate.place import Place, write_place

_LONGEST_WAIT_S = 10.0
_LAST_LINES_S = 5.0
_SWEEP_S = 15.0
_LOOK_S = 10.0
_CONNECT_S = 3.0
_LOST_S = 15.0


class Agent:
    """One engine's agent: finds its container or makes it, follows it, and stops it when told to."""

    def __init__(self, remote: Remote, place: Path, home: Path) -> None:
        self._remote, self._place_path, self._home_path = remote, place, home
        self._seen_path = home.with_name(f"{remote.weights_name}.seen")
        self._yard = Yard(remote, home.with_name("docker.lock"), self._seen_path)
        self._home = read_home(home)
        self._settled = False
        self._silent_since_s: float | None = None

    async def run(self) -> int:
        """Until the engine has ended or is stopped."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        hear_stop()
        async with asyncio.TaskGroup() as group:
            keeping, asked = group.create_task(self._keep()), group.create_task(stop.wait())
            sweeping = group.create_task(self._sweep())
            await asyncio.wait({keeping, asked}, return_when=asyncio.FIRST_COMPLETED)
            for task in (keeping, asked, sweeping):
                task.cancel()
        if not stop.is_set():
            say("error", f"the engine has ended: {keeping.result()}")
        await self._end()
        return 0 if stop.is_set() else AGENT_ENDED

    async def _keep(self) -> str:
        """Follow the engine, wherever it is; why it has ended."""
        try:
            home = await self._attached()
            if home is None:
                self._place_path.unlink(missing_ok=True)
                home = await self._yard.settle(self._waits)
            self._keep_home(home)
            self._settled = True
            write_place(self._place_path, home.place)
            say("info", f"the engine is {home.container[:12]} on {home.host.name}, {home.place.host}:{home.place.port}")
            return await self._follow(home)
        except RunError as error:
            return str(error)

    async def _attached(self) -> Home | None:
        """The engine that is there already, if it is what is wanted; one that is not is ended."""
        home, wanted = self._home, self._remote.engine.digest
        if home is None:
            return await self._yard.adopted()
        if home.digest == wanted:
            write_place(self._place_path, home.place)  # it may well serve while nobody can ask its daemon
        daemon, waits_s = Daemon(home.host), exponential(0.5, _LONGEST_WAIT_S)
        while True:
            try:
                ended = await daemon.ended(home.container)
                place = await daemon.place(home.container) if ended is None else None
                if place is not None and home.digest == wanted:
                    return msgspec.structs.replace(home, place=place)
                await daemon.stop(home.container, self._remote.engine.stop_s)
                return await self._yard.adopted()
            except DaemonAway as away:
                if await self._lost(home):
                    raise
                await _wait(away, next(waits_s))

    async def _follow(self, home: Home) -> str:
        """Pass its log on until its program has ended; a daemon that is away is waited for."""
        daemon, waits_s = Daemon(home.host), exponential(0.5, _LONGEST_WAIT_S)
        log = Log(home, self._keep_home, lambda seen: write_seen(self._seen_path, home.host, seen))
        while True:
            async with log.followed(daemon):
                await self._until_it_ends(daemon, home)
                await log.rest(_LAST_LINES_S)
            try:
                ended = await daemon.ended(home.container)
            except DaemonAway as away:
                if await self._lost(home):
                    return f"{home.host.name} is lost: neither its daemon nor the engine answers"
                await _wait(away, next(waits_s))
                continue
            if ended is not None:
                return str(ended)
            waits_s, self._silent_since_s = exponential(0.5, _LONGEST_WAIT_S), None
            await asyncio.sleep(next(waits_s))

    async def _until_it_ends(self, daemon: Daemon, home: Home) -> None:
        """Or until the daemon goes away."""
        following = await daemon.follow("wait", home.container)
        waiting = asyncio.create_task(following.wait())
        try:
            while not (await asyncio.wait({waiting}, timeout=_LOOK_S))[0]:
                # A host that vanishes closes no connection.
                if not await _connects(home) and await daemon.is_away():
                    return
        finally:
            if following.returncode is None:
                following.kill()
            await waiting

    async def _lost(self, home: Home) -> bool:
        """Whether the engine too has not answered for a while, which a daemon's death alone would not bring about."""
        now = time.monotonic()
        if await _connects(home):
            self._silent_since_s = None
            return False
        self._silent_since_s = self._silent_since_s or now
        return now - self._silent_since_s > _LOST_S

    async def _sweep(self) -> None:
        """What we left on a host that did not answer is ended as soon as it does."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            if self._settled and self._home is not None:
                await self._yard.sweep(self._home.container)

    async def _end(self) -> None:
        """Stop whatever runs of this engine, wherever it is, and forget where it was."""
        for host in await self._yard.clear(self._home):
            say("error", f"{host} does not answer: what runs of {self._remote.engine.name} there is ended when it does")
        self._place_path.unlink(missing_ok=True)
        self._home_path.unlink(missing_ok=True)

    def _waits(self, why: Reason) -> None:
        say("warning", str(why))
        write_place(self._place_path, Place("", 0, why=why))

    def _keep_home(self, home: Home) -> None:
        self._home = home
        write_home(self._home_path, home)


async def _connects(home: Home) -> bool:
    """Whether somebody listens where the engine is published."""
    try:
        async with asyncio.timeout(_CONNECT_S):
            _reader, writer = await asyncio.open_connection(home.place.host, home.place.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _wait(away: DaemonAway, wait_s: float) -> None:
    say("warning", f"{away.what}; the engine is left as it is, tried again in {wait_s:g} s")
    await asyncio.sleep(wait_s)


def main(argv: list[str]) -> int:
    """Run the agent of the engine that REMOTE tells of."""
    remote, place, home = map(Path, argv)
    with contextlib.suppress(BrokenPipeError):
        return asyncio.run(Agent(read_remote(remote), place, home).run())
    return AGENT_LEFT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
