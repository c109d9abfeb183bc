"""One host's daemon, asked by the `docker` command: every answer within a time, or `DaemonAway`."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence

import msgspec

from forebay.core.errors import RunError
from forebay.substrate.docker.commands import PORT, Found, list_command, read_list
from forebay.substrate.docker.remote import Host
from forebay.substrate.place import Place

_ANSWER_S = 10.0
_PULL_S = 3600.0
# What the command says when it did not reach the daemon, by unix socket, TLS or ssh; all else is the daemon's own word.
_AWAY = (
    "cannot connect to the docker daemon", "error during connect", "is the docker daemon running",
    "context deadline exceeded", "connection refused", "i/o timeout", "unexpected eof", "connection reset",
)  # fmt: skip


class DaemonAway(RunError):
    """The daemon does not answer; what it runs may well run on."""


class Refused(RunError):
    """The daemon answered, and said no."""


class Ended(msgspec.Struct, frozen=True):
    """How a container's program ended."""

    status: int
    out_of_memory: bool
    error: str

    def __str__(self) -> str:
        if self.error:
            return f"its container did not run: {self.error}"
        if self.out_of_memory:
            return f"status {self.status}, killed because its memory was used up (OOMKilled)"
        return f"status {self.status}" + (" (SIGKILL)" if self.status == 137 else "")


class Daemon:
    """Asks the daemon of `host`."""

    def __init__(self, host: Host) -> None:
        self.host = host

    async def containers(self) -> tuple[Found, ...]:
        return read_list(await self._say(list_command(self.host)))

    async def have_image(self, image: str) -> bool:
        try:
            await self._ask("image", "inspect", "--format", "{{.Id}}", image)
        except Refused:
            return False
        return True

    async def pull(self, image: str) -> None:
        await self._ask("pull", "--quiet", image, within_s=_PULL_S)

    async def create(self, argv: Sequence[str], environment: Mapping[str, str]) -> str:
        """Make a container from its command line; its id."""
        return (await self._say(argv, environment=environment)).strip().splitlines()[-1]

    async def start(self, container: str) -> None:
        await self._ask("start", container)

    async def place(self, container: str) -> Place | None:
        """Where it is published; None where it is not, or not any more."""
        try:
            said = await self._ask("port", container, f"{PORT}/tcp")
        except Refused:
            return None
        ports = {line.rpartition(":")[2] for line in said.split()}
        return Place(self.host.address, int(min(ports))) if ports else None

    async def ended(self, container: str) -> Ended | None:
        """How it ended; None while it runs."""
        form = "{{json .State}}"
        try:
            state = msgspec.json.decode(await self._ask("inspect", "--type", "container", "--format", form, container))
        except Refused as error:
            if "no such" in error.what.lower():
                return Ended(0, False, "somebody has removed it")
            raise
        if state["Status"] in ("running", "created", "restarting", "paused"):
            return None
        return Ended(state["ExitCode"], state["OOMKilled"], state["Error"])

    async def is_away(self) -> bool:
        try:
            await self._ask("version", "--format", "{{.Server.Version}}")
        except DaemonAway:
            return True
        return False

    async def stop(self, container: str, within_s: float) -> None:
        """SIGTERM, SIGKILL after `within_s`, and forget it; nothing to do where it is not there."""
        with contextlib.suppress(Refused):
            await self._ask("stop", "--time", str(round(within_s)), container, within_s=within_s + _ANSWER_S)
        with contextlib.suppress(Refused):
            await self._ask("rm", "--force", "--volumes", container)

    async def follow(self, *words: str) -> asyncio.subprocess.Process:
        """A command that goes on, its output in a pipe."""
        return await asyncio.create_subprocess_exec(
            *self.host.command(*words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def _ask(self, *words: str, within_s: float = _ANSWER_S) -> str:
        return await self._say(self.host.command(*words), within_s=within_s)

    async def _say(
        self, argv: Sequence[str], *, environment: Mapping[str, str] | None = None, within_s: float = _ANSWER_S
    ) -> str:
        pipe = asyncio.subprocess.PIPE
        asking = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, env={**os.environ, **(environment or {})}
        )
        try:
            async with asyncio.timeout(within_s):
                said, complained = await asking.communicate()
        except TimeoutError:
            raise DaemonAway(f"the daemon of {self.host.name} is silent", where=self.host.docker) from None
        finally:
            if asking.returncode is None:
                asking.kill()
                await asking.wait()
        if asking.returncode == 0:
            return said.decode("utf-8", "replace")
        why = complained.decode("utf-8", "replace").strip() or f"status {asking.returncode}"
        if any(words in why.lower() for words in _AWAY):
            raise DaemonAway(f"the daemon of {self.host.name} is away", where=self.host.docker, detail=why)
        raise Refused(why.splitlines()[0], where=self.host.name)
