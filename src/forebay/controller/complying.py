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
from forebay.core.backoff import exponential
from forebay.ops.compliance.kept import newest

_LOOK_S = 5.0
_AGAIN_S, _AGAIN_LONGEST_S = 15.0, 3600.0
_LONGEST_S = 600.0


class Complying:
    """`config` is what is in force; reports lie in the state directory, so that a restart forgets nothing."""

    def __init__(self, arguments: Arguments, config: Callable[[], Config], journal: Callable[[], Journal]) -> None:
        self._arguments = arguments
        self._config = config
        self._journal = journal

    async def run(self) -> None:
        """Until cancelled."""
        waits = exponential(_AGAIN_S, _AGAIN_LONGEST_S)
        while True:
            await asyncio.sleep(_LOOK_S)
            if not await asyncio.to_thread(self._is_due):
                continue
            if await self.assess():
                waits = exponential(_AGAIN_S, _AGAIN_LONGEST_S)
            else:
                await asyncio.sleep(next(waits))

    async def assess(self) -> bool:
        """Run the command that a person would; whether it left a report: it exits 1 for a control that fails, too."""
        folder = self._arguments.state.compliance
        before = await asyncio.to_thread(newest, folder)
        try:
            why = await self._run()
        except OSError as error:
            why = str(error)
        found = await asyncio.to_thread(newest, folder)
        if found is None or found == before:
            self._journal().say("error", "the service could not be assessed", why=why)
            return False
        if found.lost:
            names = [f"{each.pack} {each.control}" for each in found.lost]
            self._journal().say("error", "controls that were met are not any more", controls=names)
        return True

    def _is_due(self) -> bool:
        every_s = self._config().compliance.every
        if every_s is None:
            return False
        last = newest(self._arguments.state.compliance)
        return last is None or time.time() - last.report.assessed_at >= every_s

    async def _run(self) -> str:
        """What the command said last, or how it ended. Raises OSError."""
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
        return said.decode(errors="replace").strip()[-500:] or f"no report, exit status {process.returncode}"
