"""The edge's life beside its process: its file and certificate, and whether it has read them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from forebay.config.schema import Config
from forebay.controller.desired import worker_ports
from forebay.controller.edge_follower import EdgeFollower
from forebay.controller.journal import Journal
from forebay.controller.renewals import Renewals
from forebay.controller.report import with_edge, with_renewals
from forebay.controller.status import Status
from forebay.controller.wanted import said
from forebay.core.errors import ForebayError
from forebay.render.edge import write_edge
from forebay.render.renewal import note_renewal
from forebay.store.state_dir import StateDir

_CERTIFICATE_S = 60.0
_SETTLE_S = 5.0


class Edging:
    """`tell` asks the edge to read its file, `changed` is called where somebody should look soon."""

    def __init__(
        self, state: StateDir, base: Path, journal: Journal, tell: Callable[[], bool], changed: Callable[[], None]
    ) -> None:
        self._state, self._base, self._journal = state, base, journal
        self._changed = changed
        self._follower = EdgeFollower(state.edge, journal, tell)
        self._renewals = Renewals(state, base, journal, lambda: self._follower.is_read, self._look_soon)
        # Soon, for an edge that was adopted: the configuration may have changed while no controller was there.
        self._look_at_s = time.monotonic() + _SETTLE_S

    @property
    def is_read(self) -> bool:
        """Whether no new file waits for the edge to read it."""
        return not self._follower.pending

    def retarget(self, config: Config) -> None:
        """Order the certificates that `config` asks for."""
        self._renewals.retarget(config)

    def follow(self, config: Config) -> None:
        """Look after the edge of `config`, whose file is written."""
        self._follower.follow(config, changed=False)

    async def follow_file(self) -> None:
        """Until cancelled."""
        await self._follower.run()

    async def follow_certificates(self) -> None:
        """Until cancelled."""
        await self._renewals.run()

    async def renew(self, config: Config) -> None:
        """Write what the edge is to run. Raises ForebayError and OSError where that cannot be."""
        changed = await asyncio.to_thread(write_edge, config, self._state, worker_ports(config), self._base)
        self._follower.follow(config, changed=changed)

    async def look(self, config: Config) -> None:
        """A certificate that was renewed is served without being told."""
        if time.monotonic() < self._look_at_s:
            return
        self._look_at_s = time.monotonic() + _CERTIFICATE_S
        try:
            await self.renew(config)
            note_renewal(self._state, "")
        except (ForebayError, OSError) as error:
            note_renewal(self._state, str(error))
            self._journal.say("error", "the edge cannot be renewed; it keeps what it has", findings=said(error))

    def told(self, status: Status) -> Status:
        """The status with what the edge runs, and how its certificates are."""
        return with_renewals(with_edge(status, self._follower), self._renewals)

    def _look_soon(self) -> None:
        self._look_at_s = float("-inf")
        self._changed()
