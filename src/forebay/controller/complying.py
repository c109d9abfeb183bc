"""Assesses the service on a schedule, in a process of its own: probes wait for answers, and the controller may not."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable

from forebay.config.schema import Config
from forebay.controller.journal import Journal
from forebay.controller.wanted import Arguments
from forebay.ops.compliance.kept import newest

_LOOK_S = 5.0
_AGAIN_S = 15.0
_LONGEST_S = 600.0
_ANSWERED = (0, 1)


class Complying:
    """`config` is what is in force; reports lie in the state directory, so that a restart forgets nothing."""

    def __init__(self, arguments: Arguments, config: Callable[[], Config], journal: Callable[[], Journal]) -> None:
        self._arguments = arguments
        self._config = config
        self._journal = journal

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if await asyncio.to_thread(self._is_due) and not await self._assess():
                await asyncio.sleep(_AGAIN_S)

    def _is_due(self) -> bool:
        every_s = self._config().compliance.every
        if every_s is None:
            return False
        last = newest(self._arguments.state.compliance)
        return last is None or time.time() - last.report.assessed_at >= every_s

    async def _assess(self) -> bool:
        """Run the command that a person would; whether it could look."""
        given = self._arguments
        command = [sys.executable, "-m", "forebay", "compliance", "check", "--keep", "-o", "json"]
        command += ["-c", str(given.config), "--env", self._config().environment]
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, "FOREBAY_STATE": str(given.state.root)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_LONGEST_S):
                _out, said = await process.communicate()
        except TimeoutError:
            said = b"it took too long"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode not in _ANSWERED:
            why = said.decode(errors="replace").strip()[-500:]
            self._journal().say("error", "the service could not be assessed", why=why)
            return False
        self._tell()
        return True

    def _tell(self) -> None:
        found = newest(self._arguments.state.compliance)
        if found is not None and found.lost:
            names = [f"{each.pack} {each.control}" for each in found.lost]
            self._journal().say("error", "controls that were met are not any more", controls=names)
