"""All hosts of an engine: where it runs, where it could run, and what of it is in the way."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from forebay.core.errors import RunError
from forebay.messages.reasons import Reason, because
from forebay.substrate.docker.commands import Found, create_command, passed_environment, pick
from forebay.substrate.docker.daemon import Daemon, DaemonAway
from forebay.substrate.docker.log import say
from forebay.substrate.docker.remote import Home, Host, Remote, read_seen

_TURN_S = 0.5
_ROOM_S = 60.0
_LOCK_S = 0.05


class Yard:
    """Where `remote` may be put. `lock` keeps two engines from taking the same GPU; `seen` keeps what weights were."""

    def __init__(self, remote: Remote, lock: Path, seen: Path) -> None:
        self._remote, self._lock, self._seen = remote, lock, seen
        self._daemons = {host.name: Daemon(host) for host in remote.hosts}
        self._silent = set(self._daemons)
        self._with_image: set[str] = set()
        self._creating: asyncio.Task[str] | None = None

    async def adopted(self) -> Home | None:
        """A container that already is what is wanted; all else of this engine is ended."""
        wanted, home = self._remote.engine.digest, None
        for name, found in (await self._look()).items():
            for each in self._ours(found):
                daemon = self._daemons[name]
                place = await daemon.place(each.container) if each.state == "running" else None
                if home is None and place is not None and each.digest == wanted:
                    home = Home(host=daemon.host, container=each.container, digest=wanted, place=place)
                else:
                    await daemon.stop(each.container, self._remote.engine.stop_s)
        return home

    async def settle(self, waits: Callable[[Reason], None]) -> Home:
        """Put the engine where there is room, however long that takes; RunError where its container does not start.

        `waits` is told what there is no room for.
        """
        told_at = time.monotonic() + _TURN_S
        while True:
            async with self._locked():
                choice = pick(self._remote, await self._look())
                if choice is not None and choice[0].name in self._with_image:
                    container = await self._create(*choice)
                    break
            if choice is not None:
                await self._fetch(choice[0])
                continue
            if time.monotonic() > told_at:
                waits(because("no_host", needs=self._wanted()))
                told_at = time.monotonic() + _ROOM_S
            await asyncio.sleep(_TURN_S)
        daemon = self._daemons[choice[0].name]
        await daemon.start(container)
        place = await daemon.place(container)
        if place is None:
            ended = await daemon.ended(container)
            raise RunError(f"the container did not stay: {ended or 'its port is not published'}", where=choice[0].name)
        return Home(host=choice[0], container=container, digest=self._remote.engine.digest, place=place)

    async def sweep(self, keep: str) -> None:
        """End what lies on hosts that were silent and answer now, but for the container `keep`."""
        if not self._silent:
            return
        before = set(self._silent)
        found = await self._look()
        for name in before & found.keys():
            for each in self._ours(found[name]):
                if each.container != keep:
                    say("warning", f"{name} is back: what it still ran of this engine is ended")
                    with contextlib.suppress(DaemonAway):
                        await self._daemons[name].stop(each.container, self._remote.engine.stop_s)

    async def clear(self, home: Home | None) -> tuple[str, ...]:
        """End everything of this engine; the hosts that could not be asked and may hold some."""
        if self._creating is not None:
            await asyncio.wait({self._creating})
        hosts = dict(self._daemons)
        if home is not None:
            hosts[home.host.name] = Daemon(home.host)
        silent = await asyncio.gather(*(self._cleared(daemon) for daemon in hosts.values()))
        return tuple(name for name, is_silent in zip(hosts, silent, strict=True) if is_silent)

    async def _cleared(self, daemon: Daemon) -> bool:
        """Whether the host is silent."""
        try:
            for each in self._ours(await daemon.containers()):
                await daemon.stop(each.container, self._remote.engine.stop_s)
        except DaemonAway:
            return True
        return False

    async def _look(self) -> dict[str, tuple[Found, ...]]:
        """What the hosts that answer hold."""
        asked = await asyncio.gather(
            *(daemon.containers() for daemon in self._daemons.values()), return_exceptions=True
        )
        found = {}
        for name, answer in zip(self._daemons, asked, strict=True):
            if isinstance(answer, DaemonAway):
                if name not in self._silent:
                    say("warning", answer.what)
                self._silent.add(name)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                self._silent.discard(name)
                found[name] = answer
        return found

    async def _create(self, host: Host, gpus: tuple[int, ...]) -> str:
        argv = create_command(self._remote, host, gpus, read_seen(self._seen, host))
        # Whoever is stopped meanwhile must know whether there is a container: nobody else would end it.
        creating = self._daemons[host.name].create(argv, passed_environment(self._remote))
        self._creating = asyncio.create_task(creating)
        return await asyncio.shield(self._creating)

    async def _fetch(self, host: Host) -> None:
        daemon, image = self._daemons[host.name], self._remote.image
        if not await daemon.have_image(image):
            say("info", f"{host.name} pulls {image}")
            await daemon.pull(image)
        self._with_image.add(host.name)

    @contextlib.asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        with self._lock.open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(_LOCK_S)
            yield

    def _ours(self, found: tuple[Found, ...]) -> list[Found]:
        remote = self._remote
        wanted = (remote.service, remote.owner, remote.engine.name)
        return [each for each in found if (each.service, each.owner, each.unit) == wanted]

    def _wanted(self) -> str:
        needs = self._remote.needs
        labels = "".join(f", {key}={value}" for key, value in needs.labels.items())
        return f"{needs.gpus} GPUs{labels}"
