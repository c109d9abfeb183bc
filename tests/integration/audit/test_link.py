"""A worker's link: whatever waited while the writer was away arrives, however much and however long."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.integration.audit.writing import records, writer

from forebay.audit.record import INTENT, Entry, bounded
from forebay.gateway.auditing.link import AuditLink
from forebay.store.state_dir import StateDir

MANY = 2000
LONG = bounded("😀" * 2000)


async def _all_heard(path: Path) -> list[str]:
    link = AuditLink(path, lambda _result, _count: None)
    heard: list[str] = []
    for number in range(MANY):
        link.post(Entry(INTENT, f"c{number}", 1, {"request_id": LONG}, LONG), time.monotonic() + 60, heard.append)
    async with asyncio.timeout(60):
        while len(heard) < MANY:
            link.sweep(time.monotonic())
            await asyncio.sleep(0.02)
    link.close()
    return heard


def test_what_waited_for_the_writer_is_recorded_in_its_order(state: StateDir) -> None:
    with writer(state):
        assert set(asyncio.run(_all_heard(state.audit_socket))) == {""}
    assert [each["id"] for each in records(state)] == [f"c{number}" for number in range(MANY)]
