"""`back.py ADDRESS PORT STOP`: an engine that other machines reach, whose streams last until the file is there."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from forebay.testing.fake_engine import Exchange, FakeEngine, completion, delta

STEP_S = 0.05


class Back(FakeEngine):
    """Listens on an address of its own."""

    def __init__(self, address: str, port: int, stop: Path) -> None:
        super().__init__(self._answer, port)
        self._address = address
        self._stop = stop

    async def _answer(self, exchange: Exchange) -> None:
        if not exchange.fields.get("stream"):
            await exchange.answer(completion("hello"))
            return
        await exchange.begin_stream()
        while not self._stop.exists():
            await exchange.event(delta("on "))
            await asyncio.sleep(STEP_S)
        await exchange.event(b"[DONE]")
        await exchange.end_stream()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, self._address, self.port, limit=2**26)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    with Back(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])):
        signal.sigwait({signal.SIGTERM})
